"""The files that a case's results depend on: the results stay valid while these are unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..bids import sidecars
from ..folders import dicom_files, is_dicom
from ..series_path import SeriesPath

#: Headers whose voxels are in a file of their own, with the same name before the ending.
_DETACHED = (".mhd", ".nhdr")


def named_paths(value: Any) -> Iterator[Path]:
    """Every path in a block of a case, in the order of its fields."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from named_paths(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from named_paths(item)


def files_of(path: Path) -> Iterator[Path]:
    """The files read for a path of a case, with those that belong to them; the path itself where there is none."""
    base, uid = SeriesPath.parse(path)
    if base.is_dir():
        yield from dicom_files(base, deep=uid is not None)[0]
        return
    yield base
    yield from sidecars(base)
    if base.suffix.lower() in _DETACHED:
        yield from sorted(file for file in base.parent.glob(f"{base.stem}.*") if file.is_file())
    elif is_dicom(base):  # one slice identifies its series
        yield from dicom_files(base.parent)[0]
