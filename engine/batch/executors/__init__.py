"""Where jobs run: here, in processes, on Slurm, on Dask; each is one module with one class, behind one face.

An executor is handed job folders and nothing else. What becomes of the jobs is in their ``status.json``.
"""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(__name__, {"executor_of": "base"})
