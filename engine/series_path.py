"""How a case names one DICOM series of a folder that holds several: ``folder#SeriesInstanceUID``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from .privacy import CODE, series_code

_UID = re.compile(rf"\d[\d.]*|{CODE}")


class SeriesPath(NamedTuple):
    """A file or folder, and the UID of the series in it that is meant.

    Parameters
    ----------
    path
        File or folder.
    uid
        Series UID, or the code that stands for it (:func:`hevesy.engine.privacy.series_code`); None: all that is there.
    """

    path: Path
    uid: str | None = None

    @classmethod
    def parse(cls, text: str | Path) -> SeriesPath:
        """Split at the last ``#`` of the name, where a UID or a code follows it and no file has the whole name."""
        path = Path(text)
        name, mark, uid = path.name.rpartition("#")
        if mark and name and _UID.fullmatch(uid) and not path.exists():
            return cls(path.with_name(name), uid)
        return cls(path)

    def coded(self) -> str:
        """As text, with the code in place of the UID."""
        return str(self.path) if self.uid is None else f"{self.path}#{series_code(self.uid)}"
