r"""Far from its source a kernel depends on the distance alone, and is averaged over all directions.

Beyond the range of the electrons that a decay emits, only photons deposit energy. Around a point source in a uniform
medium their dose is a function f of the distance r. The energy in a voxel is f averaged over the source voxel and over
the voxel itself, T. Up to ten sides away the average is integrated (Gauss-Legendre, on the triangular density of the
difference of two uniform coordinates). Further away it is, to second order in the sides h,

    T = f + (1/12) sum_i h_i^2 d^2f/dx_i^2,

because a uniform coordinate in a side h has the variance h^2/12, and there are two; terms of fourth order are below
(h/r)^4 = 0.01 %. With f = exp(-a r) / r^2 as the template the voxels of a shell of distances share one factor
A = sum(E) / sum(T), which is interpolated linearly between shells. The template needs only be right within a shell: A
takes up what it misses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .symmetry import images, offsets_mm

#: The average begins no nearer than this many of the longest sides.
NEAREST_SIDES = 2.5
#: Sides up to which the template is integrated over the two voxels.
INTEGRATED_SIDES = 10.0
#: Gauss-Legendre points in each half of the triangular density, along each axis.
POINTS = 4
#: Fewest voxels in a shell, but for the innermost ones.
FEWEST_VOXELS = 300.0
#: Fewest shells; a kernel with fewer is left as it is.
FEWEST_SHELLS = 3


@dataclass(frozen=True, eq=False)
class FarField:
    """The far part of a kernel's octant.

    Parameters
    ----------
    far
        Which voxels of the octant belong to it, bool (nz, ny, nx).
    distance_mm, number, shell
        Of each of these: distance from the source [mm], mirror images, number of its shell.
    template
        T of each, in any scale.
    """

    far: np.ndarray
    distance_mm: np.ndarray
    number: np.ndarray
    shell: np.ndarray
    template: np.ndarray

    @classmethod
    def beyond(
        cls, from_mm: float, shape: tuple[int, ...], voxel_size_mm: tuple[float, float, float]
    ) -> FarField | None:
        """The part beyond a distance [mm], with a template without attenuation; None where it is too small."""
        offsets = offsets_mm(shape, voxel_size_mm)
        r = np.sqrt(sum(x**2 for x in offsets))
        far = r > max(from_mm, NEAREST_SIDES * max(voxel_size_mm))
        if not far.any():
            return None
        distance, number = r[far], images(shape)[far]
        shell = _shells(distance, number, max(voxel_size_mm))
        if shell.max() + 1 < FEWEST_SHELLS:
            return None
        return cls(far, distance, number, shell, _template(far, distance, offsets, voxel_size_mm, 0.0))

    def attenuated(self, octant: np.ndarray, voxel_size_mm: tuple[float, float, float]) -> FarField:
        """The same with the attenuation of its template fitted to a first estimate of the kernel."""
        energy = np.bincount(self.shell, self.number * octant[self.far])
        factor, radius = self._factors(octant)
        used = factor > 0
        a = 0.0
        if used.sum() >= FEWEST_SHELLS:
            slope = np.polyfit(radius[used], np.log(factor[used]), 1, w=np.sqrt(energy[used]))[0]
            a = float(np.clip(-slope, 0.0, 1.0 / max(voxel_size_mm)))
        offsets = offsets_mm(octant.shape, voxel_size_mm)
        template = _template(self.far, self.distance_mm, offsets, voxel_size_mm, a)
        return FarField(self.far, self.distance_mm, self.number, self.shell, template)

    def averaged(self, octant: np.ndarray) -> np.ndarray:
        """The octant with its far part averaged over directions; the energy of that part stays exactly as it was."""
        factor, radius = self._factors(octant)
        first, last = self.distance_mm.min(), self.distance_mm.max()
        ends = [_line(radius[:2], factor[:2], first), _line(radius[-2:], factor[-2:], last)]
        nodes = np.concatenate([[first - 1e-9], radius, [last + 1e-9]])
        smooth = self.template * np.interp(self.distance_mm, nodes, [ends[0], *factor, ends[1]])
        before, after = self.number @ octant[self.far], self.number @ smooth
        out = octant.copy()
        out[self.far] = smooth * (before / after if after > 0 else 1.0)
        return out

    def _factors(self, octant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A and the mean distance of each shell."""
        weight = self.number * self.template
        total = np.bincount(self.shell, weight)
        energy = np.bincount(self.shell, self.number * octant[self.far])
        return energy / total, np.bincount(self.shell, weight * self.distance_mm) / total


def _line(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """Value at a place of the line through two points, not negative."""
    return float(max(y[0] + (y[1] - y[0]) * (at - x[0]) / (x[1] - x[0]), 0.0))


def _shells(distance: np.ndarray, number: np.ndarray, width: float) -> np.ndarray:
    """Number of the shell of each voxel: one side thick, the outermost ones joined until they hold enough."""
    shell = ((distance - distance.min()) / width).astype(np.int64)
    shell = np.unique(shell, return_inverse=True)[1]
    held = np.bincount(shell, number)
    outside = np.cumsum(held[::-1])[::-1]
    last = max(int(np.searchsorted(-outside, -FEWEST_VOXELS, side="right")) - 1, 0)
    return np.minimum(shell, last)


def _template(
    far: np.ndarray, r: np.ndarray, offsets: list[np.ndarray], sides: tuple[float, float, float], a: float
) -> np.ndarray:
    """T of the far voxels for the attenuation a [1/mm], relative to exp(-a r_min)."""
    places = np.stack([np.broadcast_to(x, far.shape)[far] for x in offsets])
    slope, curvature = -(a + 2.0 / r), (a + 2.0 / r) ** 2 + 2.0 / r**2
    correction = np.zeros_like(r)
    for x, h in zip(places, sides, strict=True):
        cosine = (x / r) ** 2
        correction += h**2 / 12.0 * (curvature * cosine + slope / r * (1.0 - cosine))
    out = np.exp(-a * (r - r.min())) / r**2 * (1.0 + correction)
    near = r <= INTEGRATED_SIDES * max(sides)
    out[near] = _integrated(places[:, near], sides, a, float(r.min()))
    return out


def _integrated(places: np.ndarray, sides: tuple[float, float, float], a: float, r_min: float) -> np.ndarray:
    """Mean of exp(-a (r - r_min)) / r^2 over two voxels at these places (3, n) from each other; (n,)."""
    t, w = np.polynomial.legendre.leggauss(POINTS)
    half = 0.5 * (t + 1.0)
    u = np.concatenate([-half[::-1], half])  # in sides; the density is 1 - |u|
    weight = np.concatenate([w[::-1], w]) * 0.5 * (1.0 - np.abs(u))
    total = np.zeros(places.shape[1])
    for i, wz in zip(u, weight, strict=True):
        for j, wy in zip(u, weight, strict=True):
            for k, wx in zip(u, weight, strict=True):
                square = sum((x + n * h) ** 2 for x, n, h in zip(places, (i, j, k), sides, strict=True))
                total += wz * wy * wx * np.exp(-a * (np.sqrt(square) - r_min)) / square
    return total
