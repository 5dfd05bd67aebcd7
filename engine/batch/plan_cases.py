"""The jobs of many cases: each as it is, or every transport of it divided into shards."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from ..case.changes import with_changes
from ..case.model import Case
from ..dose.methods import main_method
from ..errors import HevesyError, InputError
from ..file_hash import file_hash
from ..files import write_text
from ..privacy import without_folders
from ..progress import Progress
from ..results.sources import same_code
from ..transport.engines import backend_behind
from .asked import check_asked, check_same_code
from .folders import check_jobs_folder, drop_staged, ours, put_jobs, stage_job
from .inputs import case_text, check_inputs, input_hashes
from .job import CASE_FILE, PROBLEM_FILE, REGIONS_FILE, BatchJob
from .manifest import MANIFEST_FILE, Manifest, Whole, job_folder, read_job, read_manifest
from .plan import check_shards, written_manifest
from .refusals import raise_refusals
from .regions import write_regions
from .repair import fitted, repaired
from .shards import Shards, fewer_shards, stage_shards
from .transports import CaseTransport, case_decays, transports_of

log = logging.getLogger(__name__)


class Listed(Protocol):
    """A case as a cohort lists it."""

    @property
    def name(self) -> str:
        """What its folder of results is called."""

    @property
    def arm(self) -> str:
        """The trial's arm."""

    @property
    def file(self) -> Path:
        """The case file."""


@dataclass(frozen=True)
class CaseOptions:
    """How cases become jobs.

    Parameters
    ----------
    changes
        Methods and transport values in place of the cases' own, as for :func:`hevesy.engine.case.changes.with_changes`.
    shards
        Jobs per transport; 1: each case is one job.
    checkpoint_s
        Time between two checkpoints [s]; None: none are saved.
    mixed
        Whether every job runs on the backend of the device that takes it.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    shards: int = 1
    mixed: bool = False
    checkpoint_s: float | None = 60.0


def plan_cases(
    cases: Sequence[Listed],
    out: Path,
    options: CaseOptions,
    *,
    title: str,
    progress: Progress | None = None,
) -> Manifest:
    """Make the job folders of cases and write the manifest.

    Where a former command has made them, those stay whose case, settings and input are the same. A case that is run as
    it is and has changed gets a new job; one that is divided is refused.

    Parameters
    ----------
    cases
        The cases, each with a name of its own.
    out
        Folder of the batch.
    options
        How they become jobs.
    title
        Of the trial.
    progress
        Called with the fraction done and a line of text.

    Returns
    -------
    Manifest
        As written.

    Raises
    ------
    InputError
        The folder of another batch; a divided case that has changed, naming what differs; cases that cannot be read or
        divided, all of them: no case has got a job then that it did not have before.
    """
    check_shards(options.shards)
    check_jobs_folder(out)
    former = read_manifest(out) if (out / MANIFEST_FILE).exists() else None
    if former is not None and any(not whole.case for whole in former.wholes):
        raise InputError(
            "is the folder of a batch of one problem",
            why="these are cases",
            suggestion="give another --out",
            file=out,
        )
    former = None if former is None else fitted(out, former)
    plan = _Plan(out, options, former, {case.name for case in cases})
    read = plan.read(cases)
    try:
        for number, (listed, case) in enumerate(read):
            if progress is not None:
                progress(0.0, f"planning: {listed.name} ({number + 1} of {len(cases)})")
            plan.add(listed, case)
        plan.check()
        put_jobs(out, plan.staged)  # not before: the jobs that were there stay where a case is refused
    finally:
        drop_staged(out, plan.staged)
    return written_manifest(out, title, plan.wholes, plan.jobs)


class _Plan:
    """The manifest in the making."""

    def __init__(self, out: Path, options: CaseOptions, former: Manifest | None, names: set[str]) -> None:
        self.out, self.options, self.former = out, options, former
        self.wholes: list[Whole] = []
        self.jobs: dict[str, str] = {}
        self.refused: dict[str, InputError] = {}
        #: names of jobs that are new or replace others, once all cases are planned
        self.staged: list[str] = []
        #: names of jobs of other cases, which a new job must not take
        self.taken = {job for w in (former.wholes if former else ()) if w.case in names for job in w.jobs}

    def read(self, cases: Sequence[Listed]) -> list[tuple[Listed, Case]]:
        """The cases as their files say, with the changes of the command.

        Raises
        ------
        InputError
            Some cannot be read: all of them.
        """
        read = []
        for listed in cases:
            try:
                read.append((listed, with_changes(Case.load(listed.file), **self.options.changes)))
            except InputError as error:
                self.refused[listed.name] = error
        raise_refusals(self.refused, len(cases))
        return read

    def add(self, listed: Listed, case: Case) -> None:
        """Jobs for a case, unless it has them; one that cannot have any is noted."""
        before = self.former.parts_of(listed.name) if self.former else []
        divided = any(whole.sharded for whole in before)
        if self._kept(listed, case, before, divided):
            return
        try:
            if self.options.shards > 1 and main_method(case.methods).simulates:
                self._divide(listed, case)
            else:
                self._add_whole(listed, case, before)
        except InputError as error:
            self.refused[listed.name] = error
        except HevesyError as error:
            self.wholes.append(_refused(listed, self.out, error))

    def check(self) -> None:
        """Refuse the batch where a case is refused.

        Raises
        ------
        InputError
            All that are refused.
        """
        raise_refusals(self.refused, len(self.refused) + len({whole.case for whole in self.wholes}))

    def _kept(self, listed: Listed, case: Case, before: Sequence[Whole], divided: bool) -> bool:
        """Whether the jobs of a divided case stay.

        Raises
        ------
        InputError
            They cannot, and the command does not say that they are to be made again.
        """
        asked = self._asked(case)
        if before and before[0].asked:
            only = asked if divided else {"--shards": asked["--shards"]}
            check_asked(self.out, {name: before[0].asked.get(name, "none") for name in only}, only, listed.name)
        if not divided:
            return False
        assert self.former is not None
        check_same_code(self.former, "give another --out", self.out)
        for whole in before:
            again = repaired(self.out, self.former, whole, partial(self._again, case, whole))
            self.jobs |= {name: again.get(name, self.former.jobs[name]) for name in whole.jobs}
            check_inputs(case, read_job(job_folder(self.out, whole.jobs[0])).inputs)
            self.wholes.append(whole.model_copy(update={"arm": listed.arm}))
        return True

    def _asked(self, case: Case) -> dict[str, str]:
        """What decides the results of a case besides its images, by the option or the part of the case."""
        transport = case.transport
        rest = case.with_transport(methods=("local",), decays=None, until=None, seed=1, backend="auto")
        divides = main_method(case.methods).simulates
        return {
            "case file": hashlib.sha256(case_text(rest, self.out).encode()).hexdigest(),
            "--shards": str(self.options.shards if divides else 1),
            "--method": ",".join(case.methods),
            "--decays": "none" if transport.decays is None else str(transport.decays),
            "--until": str(transport.until or "none"),
            "--seed": str(transport.seed),
            "--backend": self._backend(case, divides and self.options.shards > 1),
        }

    def _backend(self, case: Case, divided: bool) -> str:
        """The backend of the jobs of a case; the batches of one that is divided are those of a certain one."""
        if self.options.mixed:
            return "mixed"
        return backend_behind(case.transport.backend) if divided else case.transport.backend

    def _add_whole(self, listed: Listed, case: Case, before: Sequence[Whole]) -> None:
        """A job for the case as it is; a job of the same case, settings and input stays."""
        text = case_text(case, self.out)
        name = next((job for whole in before for job in whole.jobs), "") or self._free(listed.name)
        files = {CASE_FILE: hashlib.sha256(text.encode()).hexdigest()}
        job = BatchJob(
            name=name, kind="case", whole=listed.name, seed=case.transport.seed, backend=self._backend(case, False),
            checkpoint_s=self.options.checkpoint_s, files=files, inputs=input_hashes(case), **ours(),
        )  # fmt: skip
        self.jobs[name] = self._job_as_it_is(job) or self._job_of(job, text)
        self.taken.add(name)
        self.wholes.append(
            Whole(
                name=listed.name, case=listed.name, arm=listed.arm, seed=job.seed, jobs=[name], asked=self._asked(case)
            )
        )

    def _job_as_it_is(self, job: BatchJob) -> str | None:
        """Hash of the job that is there already, where it is the same."""
        folder = job_folder(self.out, job.name)
        try:
            there = read_job(folder)
        except InputError:
            return None
        free: dict[str, Any] = {"checkpoint_s": job.checkpoint_s}
        if same_code(there, job):
            free |= {"version": job.version, "commit": job.commit}
        same = there.model_copy(update=free) == job
        return file_hash(folder / "job.json") if same else None

    def _job_of(self, job: BatchJob, text: str) -> str:
        with TemporaryDirectory() as scratch:
            file = write_text(Path(scratch) / CASE_FILE, text)
            content = stage_job(self.out, job, {CASE_FILE: file})
        self.staged.append(job.name)
        return content

    def _again(self, case: Case, whole: Whole, scratch: Path) -> tuple[BatchJob, Mapping[str, Path]]:
        """A job of a transport of the case, and its files, as :meth:`_divide` makes them."""
        transports = list(transports_of(case))
        decays, _ = case_decays(case, transports)
        mine = next(one for one in transports if (one.visit, one.therapy) == (whole.visit, whole.therapy))
        run = Shards.of(whole.name, mine.problem, decays, whole.seed, whole.asked["--backend"])
        planned = case.with_transport(methods=case.methods, decays=decays)
        files = _files_of(mine, case_text(planned, self.out), scratch)
        hashes = {name: file_hash(file) for name, file in files.items()}
        fields = {"checkpoint_s": self.options.checkpoint_s, "inputs": input_hashes(case)}
        return run.job("any", 0, 0, files=hashes, **fields), files

    def _divide(self, listed: Listed, case: Case) -> None:
        """Shards for every transport of the case."""
        asked, hashes = self._asked(case), input_hashes(case)
        transports = list(transports_of(case))
        decays, remark = case_decays(case, transports)
        planned = case.with_transport(methods=case.methods, decays=decays)
        for number, transport in enumerate(transports):
            whole = f"{listed.name}/{transport.visit}/{transport.therapy}"
            run = Shards.of(whole, transport.problem, decays, case.transport.seed, asked["--backend"])
            stem = self._free("-".join((_slug(listed.name), _slug(transport.visit), _slug(transport.therapy)))) + "-"
            with TemporaryDirectory() as scratch:
                files = _files_of(transport, case_text(planned, self.out), Path(scratch))
                fields = {"checkpoint_s": self.options.checkpoint_s, "inputs": hashes}
                jobs = stage_shards(self.out, run, self.options.shards, stem, files, **fields)
            self.jobs |= jobs
            self.staged += jobs
            self.taken |= {*jobs, stem[:-1]}
            self.wholes.append(
                Whole(
                    name=whole, case=listed.name, arm=listed.arm, visit=transport.visit, therapy=transport.therapy,
                    input_hash=run.input_hash, seed=run.seed, batches=run.batches, batch_histories=run.batch_histories,
                    jobs=list(jobs), asked=asked,
                    remarks=[] if number else [*([remark] if remark else []), *fewer_shards(run, self.options.shards)],
                    until=str(case.transport.until or ""),
                )
            )  # fmt: skip

    def _free(self, name: str) -> str:
        """A name for a job, which no other has."""
        slug = _slug(name, 80)
        names = (slug, *(f"{slug}-{number}" for number in range(2, 10_000)))
        return next(one for one in names if one not in self.taken)


def _files_of(transport: CaseTransport, case: str, folder: Path) -> dict[str, Path]:
    """The files of the shards of a transport, in a folder."""
    files = {name: folder / name for name in (PROBLEM_FILE, REGIONS_FILE, CASE_FILE)}
    transport.problem.save(files[PROBLEM_FILE])
    write_regions(files[REGIONS_FILE], list(transport.weights), transport.region_names)
    write_text(files[CASE_FILE], case)
    return files


def _refused(listed: Listed, out: Path, error: HevesyError) -> Whole:
    named = (listed.file, listed.file.absolute(), listed.file.resolve(), out, out.absolute())
    told = without_folders(str(error), *dict.fromkeys(parent for path in named for parent in path.parents))
    return Whole(name=listed.name, case=listed.name, arm=listed.arm, jobs=[], refused=told)


def _slug(name: str, length: int = 40) -> str:
    """A name in letters, digits, and what may stand between them."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_-")[:length] or "case"
