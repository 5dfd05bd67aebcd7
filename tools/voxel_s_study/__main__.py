"""Make or remake the study: kernels, CSV files, tables of the page, figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...engine.errors import InputError
from ...engine.files import write_text
from . import figures, media, record, reference
from .make import make
from .page import blocks, put
from .page_words import main_tables
from .published import FOLDER, PublishedTable, published


def main(arguments: list[str] | None = None) -> int:
    """Run the study; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m hevesy.tools.voxel_s_study", description=__doc__)
    parser.add_argument("--page-only", action="store_true", help="page and figures from the CSV files; no simulation")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the decays of every kernel (default 1)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of CSV files, page and figures")
    parser.add_argument(
        "--reference", type=Path, help="folder with the problem files of the reference code, to compare again"
    )
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except InputError as error:
        print(error)
        return 2


def _run(given: argparse.Namespace) -> int:
    out: Path = given.out
    tables = published()
    values, runs = out / record.VALUES.name, out / record.RUNS.name
    if given.page_only:
        made = record.read(values, runs)
    else:
        make(tables, scale=given.scale, values=values, runs=runs, say=lambda text: print(text, flush=True))
        made = record.read(values, runs)
        media.write(media.make(media.yttrium(tables), given.scale), out / media.FILE.name)
    _complete(made, tables, values)
    if given.reference:
        reference.write(reference.compare(given.reference, given.scale), out / reference.FILE.name)
    compared = reference.read(out / reference.FILE.name if given.reference else reference.FILE)
    template = (FOLDER / "voxel-s.md").read_text(encoding="utf-8")
    write_text(out / "voxel-s.md", put(template, blocks(made, tables, compared, media.read(out / media.FILE.name))))
    figures.ratios(made, main_tables(tables), out / "voxel-s-ratios.png")
    figures.parts(made, main_tables(tables), out / "voxel-s-parts.png")
    return 0


def _complete(made: record.Record, tables: list[PublishedTable], file: Path) -> None:
    """Refuse a record of an interrupted study."""
    lost = [f"{t.nuclide} of {t.voxel_mm:g} mm" for t in tables if (t.nuclide, t.voxel_mm) not in made.tables()]
    if lost:
        raise InputError(
            f"the record lacks {', '.join(lost)}", why="the study was interrupted",
            suggestion="go on with it: python -m hevesy.tools.voxel_s_study", file=file,
        )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
