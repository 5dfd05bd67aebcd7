"""The tables of docs/studies/voxel-s.md, written from the record between marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...engine.errors import InputError
from .analysis import ENOUGH, Number, additivity, balance, kernel, ours, ratio
from .findings import in_short, standing, strongest_beta_difference
from .media import MEDIA, Media, yttrium
from .media import ratio as media_ratio
from .page_words import (
    ALL,
    FACE,
    LARGEST_SHOWN_ERROR,
    SCALED,
    SELF,
    SHOWN,
    STRONG_SHARE,
    WITHOUT,
    has_lines,
    main_tables,
    percent,
    superscript,
    table_of,
)
from .plan import PARTS
from .published import FOLDER, PublishedTable
from .record import Record
from .reference import Compared

PAGE = FOLDER / "voxel-s.md"


def self_and_face(record: Record, tables: list[PublishedTable]) -> str:
    """Published against ours at the self value and at the face neighbour."""
    head = ["nuclide", "voxel mm", "published self", "ours self"]
    for place in ("self", "face"):
        head += [f"{place}: whole %", f"{place}: no lines %", f"{place}: scaled %"]
    rows = []
    for table in tables:
        number = ours(record, table, ALL, SELF)
        cells = [superscript(table.nuclide), f"{table.voxel_mm:g}", f"{table.s[SELF]:.3g}", f"{number.value:.4g}"]
        for place in (SELF, FACE):
            cells.append(percent(ratio(record, table, ALL, place)))
            cells.append(percent(ratio(record, table, WITHOUT, place)) if has_lines(table) else "-")
            cells.append(percent(ratio(record, table, SCALED, place)))
        rows.append(cells)
    return table_of(head, rows)


def neighbours(record: Record, tables: list[PublishedTable]) -> str:
    """Published against our whole at each neighbour, 3 mm."""
    chosen = main_tables(tables)
    rows = []
    for place in SHOWN:
        cells = [",".join(map(str, place))]
        for table in chosen:
            number = ratio(record, table, ALL, place)
            cells.append(percent(number) if 100 * number.error < LARGEST_SHOWN_ERROR else "-")
        rows.append(cells)
    return table_of(["neighbour", *(superscript(t.nuclide) for t in chosen)], rows)


def energies(record: Record, tables: list[PublishedTable]) -> str:
    """Energy in the published tables and in ours [keV per decay]."""
    head = ["nuclide", "voxel mm", "published", "whole", "betas", "lines", "photons", "missing", "missing %"]
    head += ["share of lines that is there", "factor on betas without lines"]
    rows = []
    for table in tables:
        found = balance(record, table)
        lacks = found.missing / found.whole
        cells = [superscript(table.nuclide), f"{table.voxel_mm:g}"]
        cells += [f"{1000 * found.table.value:.1f} ± {1000 * found.table.error:.1f}"]
        cells += [f"{1000 * found.whole.value:.1f}"]
        cells += [f"{1000 * part.value:.1f}" for part in (found.beta, found.lines, found.photons)]
        cells += [f"{1000 * found.missing.value:.1f} ± {1000 * found.missing.error:.1f}", f"{100 * lacks.value:.1f}"]
        share = found.share
        cells += [f"{share.value:.3f} ± {share.error:.3f}" if share else "-"]
        cells += [f"{found.factor.value:.4f} ± {found.factor.error:.4f}"]
        rows.append(cells)
    return table_of(head, rows)


def sums(record: Record, tables: list[PublishedTable]) -> str:
    """The parts added up against the whole."""
    head = ["nuclide", "voxel mm", "self: parts / whole - 1, %", "neighbours judged", "largest abs(z)", "chi2 / n"]
    rows = []
    for table in tables:
        scores = additivity(record, table)
        if has_lines(table):
            number = ours(record, table, ALL, SELF) / ours(record, table, ("whole",), SELF)
            z = [score for _, score in scores]
            rows.append(
                [superscript(table.nuclide), f"{table.voxel_mm:g}", percent(number), len(z)]
                + [f"{max(map(abs, z)):.1f}", f"{sum(x * x for x in z) / len(z):.2f}"]
            )
    return table_of(head, rows)


def precision(record: Record, tables: list[PublishedTable]) -> str:
    """Relative standard errors of the parts at 3 mm, where the part is at least half of the value."""
    head = ["nuclide", "part", "decays", *(",".join(map(str, n)) for n in SHOWN)]
    rows = []
    for table in main_tables(tables):
        for part in PARTS:
            values = kernel(record, table, part)
            if values is None:
                continue
            cells = [superscript(table.nuclide), part, f"{values.run.decays:.0e}".replace("e+0", "e")]
            for place in SHOWN:
                s, error = values.s[place]
                main = s > 0.5 * ours(record, table, ALL, place).value
                cells.append(f"{100 * error / s:.2g}" if main else "")
            rows.append(cells)
    return table_of(head, rows)


def reference(rows: list[Compared]) -> str:
    """Our kernels against the reference code."""
    head = ["nuclide", "data", "medium", "voxel mm", "self %", "face %", "edge %", "corner %"]
    head += ["neighbours", "largest abs(z)", "chi2 / n"]
    lines = []
    for problem in dict.fromkeys(r.problem for r in rows):
        found = {r.neighbour: r for r in rows if r.problem == problem}
        z = [r.z for r in found.values() if r.reference > ENOUGH * r.reference_error and r.ours > ENOUGH * r.ours_error]
        cells = [superscript(problem[0]), problem[1], problem[2].replace("_", " "), f"{problem[3]:g}"]
        for place in SHOWN[:4]:
            r = found[place]
            cells.append(percent(Number(r.ours, r.ours_error) / Number(r.reference, r.reference_error)))
        lines.append([*cells, len(z), f"{max(map(abs, z)):.1f}", f"{sum(x * x for x in z) / len(z):.2f}"])
    return table_of(head, lines)


def other_media(media: Media, table: PublishedTable) -> str:
    """The 90Y table against kernels of several media."""
    rows = []
    for place in SHOWN:
        numbers = [media_ratio(table, kernel, place) for kernel in media.values()]
        cells = [percent(n) if 100 * n.error < LARGEST_SHOWN_ERROR else "-" for n in numbers]
        rows.append([",".join(map(str, place)), *cells])
    return table_of(["neighbour", *(MEDIA[key] for key in media)], rows)


def claims(record: Record, tables: list[PublishedTable]) -> str:
    """What was found, in one table."""
    chosen = main_tables(tables)
    rows: list[list[str]] = []
    for table in chosen:
        found, name = balance(record, table), superscript(table.nuclide)
        if not has_lines(table):
            place, number = strongest_beta_difference(record, table)
            text = (
                f"self {percent(ratio(record, table, ALL, SELF))} %; of the neighbours above "
                f"{100 * STRONG_SHARE:g} % of it, {','.join(map(str, place))} differs most: {percent(number)} %"
            )
        else:
            back = ours(record, table, ALL, SELF).value / table.s[SELF] - 1
            share = found.share
            assert share is not None
            text = (
                f"self {percent(ratio(record, table, ALL, SELF))} % (ours is {100 * back:.1f} % above); "
                f"against betas and photons alone {percent(ratio(record, table, WITHOUT, SELF))} %; "
                "with our betas and photons, it holds the energy of "
                f"{100 * share.value:.1f} ± {100 * share.error:.1f} % of the lines"
            )
        rows.append([name, text])
    return table_of(["nuclide, 3 mm", "published against ours"], rows)


#: Tables of the page that are made of the record, by name.
BLOCKS: dict[str, Callable[[Record, list[PublishedTable]], str]] = {
    "short": in_short,
    "claims": claims,
    "self": self_and_face,
    "energy": energies,
    "neighbours": neighbours,
    "sums": sums,
    "precision": precision,
    "standing": standing,
}


def blocks(record: Record, tables: list[PublishedTable], compared: list[Compared], media: Media) -> dict[str, str]:
    """All tables of the page."""
    made = {name: make(record, tables) for name, make in BLOCKS.items()}
    return {**made, "media": other_media(media, yttrium(tables)), "reference": reference(compared)}


def put(page: str, texts: dict[str, str], file: Path = PAGE) -> str:
    """The text of the page with these tables.

    Raises
    ------
    InputError
        The page has lost the marks around a table.
    """
    for name, text in texts.items():
        begin, end = f"<!-- {name}: written by python -m hevesy.tools.voxel_s_study -->", f"<!-- end of {name} -->"
        before, mark, rest = page.partition(begin)
        _, last, after = rest.partition(end)
        if not mark or not last:
            raise InputError(
                f"the page has no place for the table {name!r}",
                why=f"it belongs between {begin} and {end}",
                suggestion="put both lines back",
                file=file,
            )
        page = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    return page
