"""Where the reference data are: ``reference`` in ``$HEVESY_SHARED``, else in ``shared`` in or beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def reference_folder() -> Path | None:
    """The folder of the reference doses and problems; None where it is not found."""
    given = os.environ.get("HEVESY_SHARED")
    places = [Path(given)] if given else [ROOT / "shared", ROOT.parent / "shared"]
    return next((place / "reference" for place in places if (place / "reference").is_dir()), None)
