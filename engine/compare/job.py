"""Dose methods side by side on a run: its folder in, a comparison and its files out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..dose.methods import METHODS, dose_methods
from ..errors import InputError
from ..export.folder import check_output_folder, file_names, replace_folder
from ..progress import Progress
from ..text import counted
from ..work_folder import holding
from .files import ForeignMap, foreign_doses, gamma_of
from .methods import COMPARED, visit_doses
from .output import JSON_FILE, write_maps, write_tables
from .page import PageParts, write_page
from .record import Comparison, MethodFacts, RegionComparison
from .regions import regions_of
from .remarks import Head, head_of, method_remarks, therapy_remarks, visit_remarks
from .rows import Asked, as_copies, method_regions, region_rows
from .rule import TOLERANCE_PERCENT, rule_text
from .runs import StoredTherapy, StoredVisit, read_run

#: Methods that are compared unless others are asked for.
DEFAULT_METHODS = ("mc", "local", "kernel")
REFERENCE = "mc"
#: Folder of a comparison within that of the run.
FOLDER = "compare"


@dataclass(frozen=True)
class CompareOptions:
    """What to compare, checked when it is made.

    Parameters
    ----------
    methods
        Registered methods; the reference is added.
    files
        Foreign dose maps by the name of their method: a path, or a :class:`~.files.ForeignMap` with a unit.
    tolerance_percent
        Largest bias of a mean that the rule accepts [%].
    reference
        The method, or the name of the file, that the others are compared with.
    visit
        Name of the only visit to compare; None for all.

    Raises
    ------
    InputError
        An unknown method, a name that is used twice, a tolerance that is negative, one method alone.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    files: Mapping[str, Path | ForeignMap] = field(default_factory=dict)
    tolerance_percent: float = TOLERANCE_PERCENT
    reference: str = REFERENCE
    visit: str | None = None

    def __post_init__(self) -> None:
        methods = dose_methods(self.methods)
        if self.reference not in (*methods, *self.files):
            methods = dose_methods((self.reference, *methods))
        object.__setattr__(self, "methods", methods)
        if not self.tolerance_percent >= 0.0:
            raise InputError(
                f"the tolerance is {self.tolerance_percent:g} %",
                why="a bias is compared with it by size",
                suggestion="give a tolerance such as 5 %",
                field="tolerance",
            )
        if len(self.names) < 2:
            raise InputError(
                f"there is nothing to compare {self.reference} with",
                why="it is the only method, and the reference of the comparison",
                suggestion="name another method, as in --methods mc,local, or a dose map: --with FILE",
                field="methods",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Every method, the reference first."""
        return tuple(dict.fromkeys((self.reference, *self.methods, *self.files)))


@dataclass(frozen=True)
class Compared:
    """What a comparison gave.

    Parameters
    ----------
    comparisons
        By therapy: the case's own under ``""``, further ones under the name of their folder.
    folder
        Where they were written.
    wall_time_s
        Time that it took [s].
    """

    comparisons: Mapping[str, Comparison]
    folder: Path
    wall_time_s: float

    @property
    def first(self) -> Comparison:
        """That of the case's own therapy."""
        return self.comparisons[""]

    @property
    def further(self) -> dict[str, Comparison]:
        """Those of further therapies, by folder."""
        return {name: one for name, one in self.comparisons.items() if name}


def compare_run(
    run: str | Path,
    options: CompareOptions | None = None,
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Compared:
    """Compare dose methods on a run, and write the comparison.

    Parameters
    ----------
    run
        Folder that ``hevesy run`` wrote; nothing in it changes but the folder of the comparison.
    options
        What to compare.
    out
        Folder to write, replaced as a whole; ``compare`` within that of the run by default.
    progress
        Called with the fraction done (0 to 1) and a line of text.
    command
        What repeats the comparison, for its page.

    Returns
    -------
    Compared
        One comparison per therapy of the run.

    Raises
    ------
    InputError
        Not the folder of a run, a result of an older version, a visit that it does not have, a file that cannot be
        used; nothing is written then.
    """
    start, options = time.perf_counter(), options or CompareOptions()
    run = Path(run)
    therapies, left_out = _compared(read_run(run, options.visit), options)
    _check_files(therapies[0], options)
    target = run / FOLDER if out is None else Path(out)
    check_output_folder(target, JSON_FILE, "comparison")
    # within the folder of the run: another run must not replace that meanwhile
    held = holding(run, "compares methods on this run") if _is_within(target, run) else nullcontext()
    comparisons: dict[str, Comparison] = {}
    with _disk_errors(target), held, replace_folder(target, JSON_FILE, "comparison", previous=False) as part:
        for number, therapy in enumerate(therapies):

            def tell(fraction: float, text: str, number: int = number) -> None:
                if progress is not None:
                    progress((number + fraction) / len(therapies), text)

            folder = part / therapy.folder
            folder.mkdir(exist_ok=True)
            told = () if therapy.folder else left_out
            comparisons[therapy.folder] = _compare_therapy(therapy, options, folder, tell, (command, told))
    return Compared(comparisons, target, time.perf_counter() - start)


def _is_within(folder: Path, run: Path) -> bool:
    return Path(os.path.realpath(run)) in Path(os.path.realpath(folder)).parents


def _compared(
    therapies: Sequence[StoredTherapy], options: CompareOptions
) -> tuple[list[StoredTherapy], tuple[str, ...]]:
    """The therapies that can be compared, the case's own first; and a sentence on each that cannot."""
    own, *further = therapies
    chosen, texts = [own], []
    for one in further:
        if not one.files or options.visit not in (None, *one.files):
            what = "" if options.visit is None or not one.files else f" of {options.visit}"
            texts.append(f"{one.folder} is not compared: the run has no result{what} for it.")
        elif len(_of_further(options).methods) < 2:
            texts.append(f"{one.folder} is not compared: dose maps are of the case's own therapy.")
        else:
            chosen.append(one)
    return chosen, tuple(texts)


@dataclass(frozen=True)
class _Further:
    """What is compared of a further therapy: registered methods."""

    methods: tuple[str, ...]
    reference: str


def _of_further(options: CompareOptions) -> _Further:
    """The options without foreign maps, which are of the case's own therapy."""
    reference = options.reference if options.reference in METHODS else REFERENCE
    return _Further(tuple(dict.fromkeys((reference, *options.methods))), reference)


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    """Name the folder that could not be written, where the system does not say which file it was.

    Raises
    ------
    InputError
        A full disk, or one that fails.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(
            f"could not be written: {error.strerror or error}",
            why="the comparison needs some space there; what was there before is unchanged",
            suggestion="make room, or give another folder with --out",
            file=target,
        ) from error


def _check_files(therapy: StoredTherapy, options: CompareOptions) -> None:
    """Refuse a foreign map where it is not clear which visit it is of."""
    if options.files and options.visit is None and len(therapy.files) > 1:
        raise InputError(
            f"it is not said which visit {counted(len(options.files), 'dose map', ('is', 'are'))} of",
            why="the run has the visits " + ", ".join(therapy.files),
            suggestion="add --visit with one of them",
            field="with",
        )


@dataclass(frozen=True)
class _VisitPart:
    """What one visit adds to the comparison of a therapy."""

    head: Head
    rows: Sequence[RegionComparison]
    facts: Mapping[str, MethodFacts]
    remarks: tuple[str, ...]


def _compare_therapy(
    therapy: StoredTherapy, options: CompareOptions, folder: Path, progress: Progress, told: tuple[str, tuple[str, ...]]
) -> Comparison:
    """The comparison of one therapy, written into a folder; ``told``: what repeats it, and remarks on others."""
    stems = dict(zip(therapy.files, file_names(list(therapy.files), "visit"), strict=True))
    chosen = [name for name in therapy.files if options.visit in (None, name)]
    if therapy.folder:  # a foreign map is of the case's own therapy
        further = _of_further(options)
        options = replace(options, files={}, methods=further.methods, reference=further.reference)
    page, parts = PageParts(told[0]), []
    for number, visit in enumerate(therapy.visits(options.visit)):

        def tell(fraction: float, text: str, number: int = number, name: str = visit.name) -> None:
            progress((number + fraction) / len(chosen), f"{name}, {text}" if len(chosen) > 1 else text)

        parts.append(_compare_visit(visit, options, folder / stems[visit.name], folder, tell, page))
    head = parts[0].head
    comparison = Comparison(
        patient=head.patient,
        nuclide=head.nuclide,
        activity_gbq=head.activity_gbq,
        threshold_gy=head.threshold_gy,
        reference=options.reference,
        tolerance_percent=options.tolerance_percent,
        rule=rule_text(options.tolerance_percent, parts[0].facts[options.reference].label, head.threshold_gy),
        visits=tuple(chosen),
        methods={name: _joined([part.facts[name] for part in parts]) for name in options.names},
        regions=tuple(row for part in parts for row in part.rows),
        warnings=tuple(
            dict.fromkeys((*told[1], *therapy_remarks(therapy), *(text for part in parts for text in part.remarks)))
        ),
    )
    write_tables(comparison, folder)
    write_page(comparison, page, folder)
    return comparison


def _compare_visit(
    visit: StoredVisit, options: CompareOptions, folder: Path, root: Path, progress: Progress, page: PageParts
) -> _VisitPart:
    """Doses, rows, maps and gamma indices of one visit."""
    regions, head = regions_of(visit.result), head_of(visit)
    files = {name: one if isinstance(one, ForeignMap) else ForeignMap(Path(one)) for name, one in options.files.items()}
    foreign = foreign_doses(files, visit, regions, head.activity_gbq)
    names = [name for name in options.names if name not in foreign]
    known = visit_doses(visit, regions, names, lambda f, text: progress(0.75 * f, text)) | foreign
    doses = {name: known[name] for name in options.names}
    progress(0.75, "regions")
    values = {name: method_regions(visit, regions, one) for name, one in doses.items()}
    values |= {
        name: as_copies(values[name], values[one.copy_of], one.copied)
        for name, one in foreign.items()
        if one.copy_of in values
    }
    asked = Asked(options.reference, options.tolerance_percent, head.activity_gbq)
    rows = region_rows(visit, regions, doses, values, asked)
    progress(0.85, "maps")
    maps = write_maps(
        {name: one.dose for name, one in doses.items()}, options.reference, visit.result.grid, folder, root
    )
    progress(0.9, "gamma index")
    facts = {
        name: MethodFacts(
            name,
            one.label,
            one.origin,
            one.seconds,
            one.notes,
            () if name == options.reference else gamma_of(visit, doses[options.reference], one),
            {visit.name: maps[name]} if name in maps else {},
        )
        for name, one in doses.items()
    }
    page.add(visit, regions, doses, values)
    remarks = visit_remarks(visit, doses[options.reference], regions, values[options.reference])
    return _VisitPart(head, rows, facts, (*remarks, *method_remarks(visit, doses)))


def _joined(facts: Sequence[MethodFacts]) -> MethodFacts:
    """A method over all visits: times add up, and notes are stated once."""
    seconds = [one.wall_time_s for one in facts]
    origins = {one.origin for one in facts}
    return replace(
        facts[0],
        origin=COMPARED if COMPARED in origins else facts[0].origin,
        wall_time_s=None if None in seconds else sum(second for second in seconds if second is not None),
        notes=tuple(dict.fromkeys(note for one in facts for note in one.notes)),
        gamma=tuple(rate for one in facts for rate in one.gamma),
        maps={visit: files for one in facts for visit, files in one.maps.items()},
    )
