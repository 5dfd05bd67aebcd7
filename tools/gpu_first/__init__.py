"""The first minutes on a GPU: ``make gpu-first`` (docs/gpu.md).

Steps in processes of their own, what most likely fails first; then the rates that decide how the kernel is compiled and
launched on this card. Needs a checkout, NumPy, SciPy, Numba, numba-cuda, CuPy, h5py and pytest, and says which of them
are missing; nothing is installed.
"""
