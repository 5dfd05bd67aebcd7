"""A CUDA driver without a device, under the real host stack: numba-cuda, its bindings, libNVVM and nvJitLink.

The library (``library/``, C) takes the place of ``libcuda.so.1`` in a process of its own. Its memory is the host's, and
a launch runs the emulated kernel (``tools/ptx``) that was made from the same PTX as the machine code that was loaded.
So everything of a run on a GPU but the GPU is the real thing: compilation, linking, the kernel cache, contexts, the
marshalling of arguments, errors. CuPy links the CUDA runtime into itself; what the project uses of it is rewritten over
NumPy in ``inside/cupy``.
"""

from .session import Outcome, Session, Settings, missing, usual_folder

__all__ = ["Outcome", "Session", "Settings", "missing", "usual_folder"]
