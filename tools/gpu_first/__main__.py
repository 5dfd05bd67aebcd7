"""Start of ``python tools/gpu_first``, and of each of its steps, with the hevesy of this checkout."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().parents[1] / "importable.py"))

from hevesy.tools.gpu_first.main import main  # noqa: E402

sys.exit(main())
