"""From the results of jobs to that of the whole: exact, and only when nothing is missing.

Shards are read one at a time. A case is then run with their sums as what a stopped run left, so that no transport is
left to do, and lesions, report and verdict are those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..case.model import Case
from ..errors import InputError, SavedElsewhere, StoppedEarly
from ..progress import Progress, Stop
from ..results.identity import THE_STOPPED_RUN
from ..results.merge import merged
from ..results.result import Result
from ..results.sources import same_code
from ..run import run
from ..text import command_text, count_of
from ..transport.problem import Problem
from ..written import saved_elsewhere
from .asked import check_code_of_batch
from .folders import check_result_place
from .inputs import check_inputs, load_case
from .job import PROBLEM_FILE, REGIONS_FILE, RESULT_FILE, refuse_link
from .manifest import Manifest, Whole, case_folder, job_folder, read_job
from .marks import Mark, is_complete, shards_key, take_over, write_mark
from .regions import read_regions
from .repair import check_fits
from .shard_result import check_result, refused
from .status import read_status

#: Fields of a refusal to resume a run as another one.
RESUMED = ("input_hash", "regions_hash", "lesions", "table_hashes", "code_hash")
#: Jobs that a message lists.
LISTED = 5


def merged_whole(out: Path, manifest: Manifest, whole: Whole, *, partial: bool = False) -> Result:
    """The result of a whole, from the results of its shards.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest, whole
        What it should consist of.
    partial
        Whether shards may be missing: the outcome then says which decays it lacks, and is not complete.

    Returns
    -------
    Result
        Bit-identical to that of the undivided run.

    Raises
    ------
    InputError
        A shard that is not done, or not the one that the manifest says, by name.
    """
    done = [name for name in whole.jobs if read_status(job_folder(out, name)).state == "done"]
    if not partial or not done:
        check_done(out, whole)
    problem = Problem.load(job_folder(out, done[0]) / PROBLEM_FILE)
    result = merged(_shards(out, manifest, whole, done), partial=partial, emission=problem.emission)
    assert result.tally is not None
    if len(done) == len(whole.jobs) and not np.array_equal(result.tally.batch_ids, np.arange(whole.batches)):
        raise InputError("the shards are not those of the manifest", why="batches are missing",
                         suggestion="run the same `hevesy batch` again", file=out)  # fmt: skip
    return result


def collect_problem(out: Path, manifest: Manifest, whole: Whole) -> Path:
    """Write the merged result of a problem, ``result.h5`` in the folder of the batch.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest, whole
        What it should consist of.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        As :func:`merged_whole`.
    SavedElsewhere
        There is no room for it: where it is.
    """
    result, target = merged_whole(out, manifest, whole), out / RESULT_FILE
    try:
        return result.save(target)
    except OSError as error:
        raise saved_elsewhere(result.save, target, error) from error


def collect_case(
    out: Path,
    manifest: Manifest,
    case_name: str,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Path:
    """Write the results of a case, with the sums of its shards in place of a transport.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest
        What it consists of.
    case_name
        The case.
    progress, stop
        As for :func:`hevesy.engine.run.run`.

    Returns
    -------
    Path
        Its folder: what `hevesy run` leaves with the same decays, seed and backend.

    Raises
    ------
    InputError
        As :func:`merged_whole`; a case whose images are not those of the shards.
    StoppedEarly
        It is not whole; the next merge makes it.
    """
    wholes = manifest.parts_of(case_name)
    if not wholes:
        raise InputError(
            f"the batch has no case {case_name!r}",
            why="there are " + (", ".join(sorted({one.case for one in manifest.wholes if one.case})) or "none"),
            file=out,
        )
    first = job_folder(out, wholes[0].jobs[0])
    case = load_case(first)
    check_inputs(case, read_job(first, manifest.jobs[first.name]).inputs)

    def of_therapy(treated: Case) -> Mapping[str, Result]:
        mine = [one for one in wholes if one.therapy in ("", treated.therapy.nuclide)]
        return _Visits(out, manifest, {one.visit: one for one in mine})

    folder, key = case_folder(out, case_name), shards_key(manifest, case_name)
    if is_complete(folder, key):
        return folder
    take_over(folder, key, again=False)
    try:
        outcome = run(case, out=folder, progress=progress, stop=stop, checkpoint_s=None, transported=of_therapy)
    except InputError as refusal:
        raise _of_the_shards(refusal, out) from None
    if outcome.incomplete and stop is not None and stop():  # visits may be missing, not only a precision
        raise StoppedEarly(f"{case_name}: stopped before it was merged")
    spent = sum(read_status(job_folder(out, job)).wall_time_s for whole in wholes for job in whole.jobs)
    write_mark(folder, Mark(key, True, spent))
    return folder


def merged_problem(out: Path, manifest: Manifest, *, partial: bool = False) -> Result:
    """The result of the one problem of a batch; arguments and errors as for :func:`merged_whole`.

    Raises
    ------
    InputError
        A batch of cases, whose results are folders; other code than made the batch.
    """
    check_code_of_batch(out, manifest)
    wholes = [whole for whole in manifest.wholes if not whole.case]
    if len(wholes) != 1 or len(manifest.wholes) != 1:
        raise InputError(
            "is not the batch of one problem",
            why="the results of cases are folders in that of the batch",
            suggestion=f"`{command_text('merge', out)}` alone",
            file=out,
            field="--out",
        )
    return merged_whole(out, manifest, wholes[0], partial=partial)


def _of_the_shards(refusal: InputError, out: Path) -> InputError:
    """A refusal to resume a run, in the words of the batch that it meets as sums of shards; any other as it is."""
    if refusal.field not in RESUMED or THE_STOPPED_RUN not in refusal.problem:
        return refusal
    return InputError(
        refusal.problem.replace(THE_STOPPED_RUN, "the shards"),
        why="their sums must not be given out with the lesions of another run",
        suggestion="merge with the images, hevesy and libraries that planned the batch, or give `hevesy batch` another "
        "--out",
        file=out,
        field=refusal.field,
    )


@dataclass
class Collected:
    """What was written, files and folders, and what was complete before and stays.

    What is missing, by name with its reason; what a stop has left to merge.
    """

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)


def collect(out: Path, manifest: Manifest, *, progress: Progress | None = None, stop: Stop | None = None) -> Collected:
    """Write everything of which all shards are done.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest
        What it consists of.
    progress, stop
        As for :func:`hevesy.engine.run.run`.

    Returns
    -------
    Collected
        What cannot be merged, because jobs are not done or their results are not right, is no error: it is listed.

    Raises
    ------
    InputError
        Other code than made the batch; something stands where the result of a problem goes.
    SavedElsewhere
        A disk is full: where the finished work is. The same command goes on from there.
    """
    sharded = [whole for whole in manifest.wholes if whole.sharded]
    if sharded:
        check_code_of_batch(out, manifest)
    if any(not whole.case for whole in sharded):
        check_result_place(out)
    names = list(dict.fromkeys(whole.case or whole.name for whole in sharded))
    done = Collected()
    for number, name in enumerate(names):

        def tell(fraction: float, text: str, number: int = number, name: str = name) -> None:
            if progress is not None:
                progress((number + fraction) / len(names), f"{name}: {text}")

        if stop is not None and stop():
            done.stopped.append(name)
            continue
        tell(0.0, "adding up")
        mine = [whole for whole in sharded if name == (whole.case or whole.name)]
        try:
            if mine[0].case:
                for whole in mine:
                    check_done(out, whole)  # before images are read
                complete = is_complete(case_folder(out, name), shards_key(manifest, name))
                (done.kept if complete else done.written).append(
                    collect_case(out, manifest, name, progress=tell, stop=stop)
                )
            else:
                done.written.append(collect_problem(out, manifest, mine[0]))
        except StoppedEarly:
            done.stopped.append(name)
        except SavedElsewhere:  # done, and its place is for the user to hear
            raise
        except InputError as error:
            done.missing[name] = str(error)
    return done


def check_done(out: Path, whole: Whole) -> None:
    """Refuse a whole of which a job is not done.

    Raises
    ------
    InputError
        Some are not: which.
    """
    missing = [name for name in whole.jobs if read_status(job_folder(out, name)).state != "done"]
    if missing:
        listed = ", ".join(missing[:LISTED]) + (" ..." if len(missing) > LISTED else "")
        raise InputError(
            f"{count_of(len(missing), len(whole.jobs), 'job', ('is', 'are'))} not done: {listed}",
            why="a part of the decays would be missing",
            suggestion="see `hevesy status`, then `hevesy retry`",
            file=out,
        )


class _Visits(Mapping[str, Result]):
    """Sums of the shards of each visit, added up when they are asked for, so that one visit is in memory."""

    def __init__(self, out: Path, manifest: Manifest, wholes: dict[str, Whole]) -> None:
        self.out, self.manifest, self.wholes = out, manifest, wholes

    def __getitem__(self, visit: str) -> Result:
        whole = self.wholes[visit]
        result = merged_whole(self.out, self.manifest, whole)
        folder = job_folder(self.out, whole.jobs[0])
        if not (folder / REGIONS_FILE).is_file():
            return result
        weights, names = read_regions(folder / REGIONS_FILE, result.density_g_cm3.shape)
        return replace(result, lesion_masks=weights, lesion_names=names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.wholes)

    def __len__(self) -> int:
        return len(self.wholes)


def _loaded(file: Path) -> Result:
    """The result of a shard; where it is damaged, with the way to a sound one."""
    try:
        return Result.load(file, doses=False)
    except InputError as damage:
        raise InputError(
            damage.problem,
            why=damage.why,
            suggestion="`hevesy retry` simulates it again",
            file=file,
            field=damage.field,
        ) from None


def _shards(out: Path, manifest: Manifest, whole: Whole, names: list[str]) -> Iterator[tuple[str, Result]]:
    """Name and result of each shard, compared with what its job should have left."""
    for name in names:
        folder = job_folder(out, name)
        job = read_job(folder, manifest.jobs[name])
        file = folder / RESULT_FILE
        refuse_link(file)
        if not file.is_file():
            raise refused(file, "is gone, though its job was done", "a part of the decays would be missing")
        check_fits(out, whole, job)
        if not same_code(job, manifest) or job.table_hashes != manifest.table_hashes:
            raise refused(file, "is not that of the manifest: another code", "the two say so themselves")
        result = _loaded(file)
        check_result(result, job, file)
        # shards lie in the folder of the batch: this is how a user finds the file
        yield str(file.relative_to(out)), result
        del result
