"""Scripts run on Numba's CUDA simulator, which must be on before Numba is imported: in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hevesy.tests.gates import needs
from hevesy.tests.patience import PATIENCE_S


def output_of(script: Path) -> Any:
    """The JSON that a script prints; skip a test where numba-cuda is not installed."""
    needs.installed("numba_cuda", "numba-cuda")
    run = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"},
        capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)
