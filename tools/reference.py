"""Where the reference data are: ``reference`` in ``$HEVESY_SHARED``, or in ``shared`` in or beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def reference_folder() -> Path | None:
    """The folder of the reference doses and problems; None where it is not found."""
    places = [Path(os.environ["HEVESY_SHARED"])] if "HEVESY_SHARED" in os.environ else []
    places += [ROOT / "shared", ROOT.parent / "shared"]
    return next((place / "reference" for place in places if (place / "reference").is_dir()), None)
