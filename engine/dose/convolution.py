"""Convolution of decays with a voxel kernel by fast Fourier transforms, padded so that nothing wraps around.

For decays ``p`` and a kernel ``K`` of reach ``r``, the energy in voxel ``v`` is ``E(v) = sum_u p(u) K(v - u)`` over the
voxels ``u`` of the grid. A circular convolution of length ``L >= n + r`` along every axis is the same in all ``n``
voxels of the grid: what leaves it on one side arrives in the padding. Double precision, because the error of a
transform is a share of the largest value: some 1e-16 of it in double and 1e-7 in single precision, while the dose of
photons far from a voxel is 1e-6 of its own (docs/methods/convolution.md has the measured figures).
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from scipy import fft

from ...kernels.backends.machine import usable_cores
from ..errors import InputError
from ..transport.engines import backend_behind, check_usable, opening

log = logging.getLogger(__name__)

#: Below this number of padded voxels a second thread costs more than it saves.
SMALL = 1 << 16


def convolve(
    decays: np.ndarray,
    kernel: np.ndarray,
    *,
    backend: str = "cpu",
    workers: int | None = None,
    dtype: type[np.floating[Any]] = np.float64,
) -> np.ndarray:
    """Sum of a kernel over all decays, on the grid of the decays.

    Parameters
    ----------
    decays
        In each voxel (nz, ny, nx), float64, any scale.
    kernel
        What one decay leaves at each offset (odd, odd, odd), float64; the source voxel is the middle one.
    backend
        ``"cpu"``, ``"cuda"``, or ``"auto"``: a usable CUDA device, else the CPU.
    workers
        Threads of the CPU; default all cores.
    dtype
        float64, or float32 for half the memory and an error of some 1e-7 of the largest value.

    Returns
    -------
    ndarray
        (nz, ny, nx), float64 or the `dtype` asked for, in the unit of the kernel. Where neither input is negative, what
        rounding leaves below zero is zero.

    Raises
    ------
    InputError
        Arrays that are not of three axes, not finite or empty; a kernel with an even side; no CUDA device where one is
        asked for.
    """
    decays, kernel = np.asarray(decays), np.asarray(kernel)
    _check(decays, kernel)
    kernel = _reachable(kernel, decays.shape)
    shape = padded_shape(decays.shape, kernel.shape)
    chosen = backend_behind(backend)
    if chosen == "cuda":
        try:
            check_usable("cuda")
            with opening("cuda"):
                import cupy

                energy = _on_device(cupy, decays, kernel, shape, dtype)
        except InputError as refusal:
            if backend != "auto":
                raise
            log.info("convolution on the CPU, because %s: %s", refusal.problem, refusal.why)
            energy = _on_cpu(decays, kernel, shape, dtype, workers)
    else:
        energy = _on_cpu(decays, kernel, shape, dtype, workers)
    if kernel.min() >= 0 and decays.min() >= 0:
        np.maximum(energy, 0.0, out=energy)
    return energy


def padded_shape(grid: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, int, int]:
    """The lengths of transforms in which nothing wraps into the grid, and which are fast."""
    z, y, x = (
        fft.next_fast_len(n + k // 2, real=axis == 2) for axis, (n, k) in enumerate(zip(grid, kernel, strict=True))
    )
    return z, y, x


def share_inside(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What of a kernel falls inside a grid, for a source in each of its voxels: sums over boxes, by no convolution.

    Parameters
    ----------
    kernel
        At each offset (odd, odd, odd), the source voxel in the middle.
    shape
        Of the grid (nz, ny, nx).

    Returns
    -------
    ndarray
        Sum of the kernel over the grid (nz, ny, nx), float64, in the unit of the kernel.
    """
    total = np.zeros(tuple(n + 1 for n in kernel.shape))
    total[1:, 1:, 1:] = np.asarray(kernel, np.float64)
    for axis in range(3):
        np.cumsum(total, axis=axis, out=total)
    ends = []
    for n, k in zip(shape, kernel.shape, strict=True):
        r, source = k // 2, np.arange(n)
        ends.append((np.maximum(r - source, 0), np.minimum(r + n - source, k)))
    inside = np.zeros(shape)
    for corner in range(8):
        upper = [corner >> axis & 1 for axis in range(3)]
        sign = -1.0 if sum(upper) % 2 == 0 else 1.0
        inside += sign * total[np.ix_(*(ends[axis][upper[axis]] for axis in range(3)))]
    return inside


def _check(decays: np.ndarray, kernel: np.ndarray) -> None:
    for name, array in (("decays", decays), ("kernel", kernel)):
        if array.ndim != 3 or not array.size:
            raise InputError(
                f"an array of shape {array.shape} cannot be convolved",
                why="decays and kernels have three axes, z, y and x",
                suggestion="give arrays of three axes with at least one voxel",
                field=name,
            )
        if not np.isfinite(array).all():
            raise InputError(
                "undefined values cannot be convolved",
                why="one of them would fill the whole grid",
                suggestion="look for NaN and infinite voxels",
                field=name,
            )
    if any(n % 2 == 0 for n in kernel.shape):
        raise InputError(
            f"a kernel of shape {kernel.shape} has no middle voxel",
            why="the source is the middle voxel, so every side is odd",
            suggestion="pad the even sides with zeros, or cut them",
            field="kernel",
        )


def _reachable(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The part of a kernel that can connect two voxels of a grid."""
    middle = (n // 2 for n in kernel.shape)
    box = tuple(slice(max(k - (n - 1), 0), k + min(k, n - 1) + 1) for k, n in zip(middle, shape, strict=True))
    return kernel[box]


def _wrapped(kernel: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The kernel in an array of the padded shape, its middle at the origin and what lies before it at the ends."""
    out = np.zeros(shape, dtype)
    out[tuple(slice(n) for n in kernel.shape)] = kernel
    return np.roll(out, tuple(-(n // 2) for n in kernel.shape), axis=(0, 1, 2))


def _on_cpu(
    decays: np.ndarray, kernel: np.ndarray, shape: tuple[int, ...], dtype: Any, workers: int | None
) -> np.ndarray:
    threads = workers or (usable_cores() if np.prod(shape) > SMALL else 1)
    product = fft.rfftn(_wrapped(kernel, shape, dtype), workers=threads, overwrite_x=True)
    product *= fft.rfftn(decays.astype(dtype, copy=False), s=shape, workers=threads)
    whole = fft.irfftn(product, s=shape, workers=threads, overwrite_x=True)
    return np.ascontiguousarray(whole[tuple(slice(n) for n in decays.shape)])


def _on_device(cupy: Any, decays: np.ndarray, kernel: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The same by CuPy, whose module is an argument."""
    product = cupy.fft.rfftn(cupy.asarray(_wrapped(kernel, shape, dtype)))
    product *= cupy.fft.rfftn(cupy.asarray(decays.astype(dtype, copy=False)), s=shape)
    whole = cupy.fft.irfftn(product, s=shape)
    result: np.ndarray = cupy.asnumpy(whole[tuple(slice(n) for n in decays.shape)])
    return result
