"""Sub-commands around the transport: simulate, validate, merge, info."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.errors import InputError, StoppedEarly
from ..engine.text import counted
from .options import (
    BACKENDS,
    EVERY,
    JSON,
    Checkpoint,
    Quiet,
    checkpoint_seconds,
    out_option,
    saying_what_is_kept,
    with_verbose,
)
from .output import duration, echo, echo_json, echo_table, progress_line, show

if TYPE_CHECKING:
    from ..engine.results.checkpoint import CheckpointFile
    from ..engine.results.result import Result
    from ..engine.transport.problem import Problem

ProblemFile = Annotated[Path, typer.Argument(help="A problem file (.npz).", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the transport.")]
Backend = Annotated[str, typer.Option(help=BACKENDS)]
#: How long a merge waits for another command in the folder of the batch [s].
MERGE_PATIENCE_S = 10.0


def add_to(app: typer.Typer) -> None:
    """Add these sub-commands to the application."""
    app.command("simulate")(with_verbose(simulate))
    app.command("validate")(with_verbose(validate))
    app.command("merge")(with_verbose(merge))
    app.command("info")(with_verbose(info))


def simulate(
    problem_file: ProblemFile,
    out: Annotated[Path, out_option("The result file (.h5) to write.")],
    decays: Annotated[str, typer.Option(help="Decays to simulate, e.g. 1e6.")] = "1e6",
    seed: Seed = 1,
    backend: Backend = "auto",
    until: Annotated[str | None, typer.Option(help='Precision to stop at, e.g. "voxels>50%:2%".')] = None,
    time_limit: Annotated[str | None, typer.Option(help='Longest time, e.g. "10 min".')] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a run that ended early, in whichever way, from what it left.")
    ] = False,
    checkpoint: Checkpoint = EVERY,
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Transport alone, on a fully specified problem."""
    from ..engine.files import check_output_file
    from ..engine.results.checkpoint import checkpoint_of, say_left
    from ..engine.results.earlier import earlier_result, say_what_begins
    from ..engine.transport.problem import Problem
    from ..engine.work_folder import check_work_folder, work_folder, working

    out = check_output_file(out, [problem_file], "result")
    check_work_folder(work_folder(out))
    problem = Problem.load(problem_file)
    flags = {"decays": decays, "seed": seed, "backend": backend, "until": until, "time_limit": time_limit}
    with working(out, "simulates into this file"):
        saved = checkpoint_of(out, checkpoint_seconds(checkpoint), resume=resume)
        earlier = earlier_result(out, saved) if resume else None
        if resume:
            say_what_begins({out.name: (out, saved)})
        else:
            say_left(saved.files)
        with saying_what_is_kept(out):
            result, stopped = _simulate(problem, flags, quiet or json, earlier, saved, resume)
            _save(result, out)
        saved.remove()
    if earlier is not None and result.decays == earlier.decays and not stopped:
        echo(f"nothing was left to simulate: the earlier run has {counted(result.decays, 'decay')}", err=True)
    summary = {**_facts(result), "output": str(out), "incomplete": stopped}
    if json:
        echo_json(summary)
    else:
        _tell_facts(summary)
    if stopped:
        echo("stopped early: the result is marked incomplete; the same command with --resume continues", err=True)
        raise typer.Exit(3)


def _save(result: Result, out: Path) -> None:
    """Save a result where it should go, or where there is room."""
    from ..engine.durable import uninterrupted
    from ..engine.written import has_been_written, saved_elsewhere

    try:
        with uninterrupted():
            result.save(out)
            has_been_written(out)
    except OSError as error:
        raise saved_elsewhere(result.save, out, error) from error


def validate(
    problem_file: ProblemFile,
    decays: Annotated[str, typer.Option(help="Decays to simulate.")] = "1e6",
    seed: Seed = 1,
    backend: Backend = "auto",
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Simulate, then compare with the reference dose inside the file; exit 0 pass, 1 fail."""
    from ..engine.transport.comparisons import compare, with_judged_regions
    from ..engine.transport.problem import Problem

    problem = with_judged_regions(Problem.load(problem_file), problem_file)
    result, stopped = _simulate(problem, {"decays": decays, "seed": seed, "backend": backend}, quiet or json)
    if stopped:
        raise StoppedEarly("stopped; nothing was compared, so there is no verdict")
    comparison = compare(result, problem).to_dict()
    comparison |= {"problem": problem_file.name, "run": _facts(result)}
    if json:
        echo_json(comparison)
    else:
        _tell(comparison)
    if _nothing_judged(comparison):
        raise InputError(
            "there is no verdict",
            why=f"too few particles reached {', '.join(comparison['too_few_particles']) or 'any region'}",
            suggestion="increase --decays, for example --decays 1e7",
            file=problem_file,
            field="decays",
        )
    if not comparison["passed"]:
        raise typer.Exit(1)


def merge(
    results: Annotated[
        list[Path],
        typer.Argument(help="Result files of the same problem, or the folder of a batch.", show_default=False),
    ],
    out: Annotated[Path | None, out_option("The merged result file to write; of a batch, in its folder.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Decays may be missing: a stage of a merge.")] = False,
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Add up results of the same problem from different decays, exactly; or all that a batch has done."""
    from ..engine.files import check_output_file
    from ..engine.results.merge import merge_files

    if any(path.is_dir() for path in results):
        from ..engine.batch.mistaken import check_are_files

        check_are_files(results)
    if len(results) == 1 and results[0].is_dir():
        _merge_batch(results[0], out, partial, quiet, json)
        return
    if out is None:
        raise InputError("no output file", why="the sum is a new result", suggestion="-o merged.h5", field="--out")
    out = check_output_file(out, results, "result")
    _save_and_tell(merge_files(results, partial=partial), out, json)


def _merge_batch(folder: Path, out: Path | None, partial: bool, quiet: bool, json: bool) -> None:
    """Write what the jobs of a batch have done: exit code 1 where some of it is missing."""
    from ..engine.batch.collect import collect, merged_problem
    from ..engine.batch.executors.slurm_found import merge_in_queue
    from ..engine.batch.executors.slurm_record import submitted_again
    from ..engine.batch.launch import held
    from ..engine.batch.manifest import read_manifest
    from ..engine.files import check_output_file

    manifest = read_manifest(folder)
    if out is not None or partial:
        if out is None:
            raise InputError(
                "no output file",
                why="a stage of a merge is not the result of the batch",
                suggestion="--partial -o part.h5",
                field="--out",
            )
        out = check_output_file(out, [folder / "manifest.json"], "result")
        _save_and_tell(merged_problem(folder, manifest, partial=partial), out, json)
        return
    # a cluster may start the merge while the command that submitted it still ends
    with held(folder, MERGE_PATIENCE_S), progress_line(quiet or json) as tell:
        done = collect(folder, manifest, progress=tell)
    if json:
        echo_json({"written": done.written, "kept": done.kept, "missing": done.missing})
    else:
        for path in done.written:
            echo(f"wrote {path}")
        for path in done.kept:
            echo(f"{path} is complete, and stays as it is")
    again = submitted_again(folder) if done.missing else ""
    if again:  # the merge of a former submission: what is missing is for the next one
        echo(again, err=json)
        return
    for name, why in done.missing.items():
        echo(f"{name}: {why}", err=True)
    if done.missing:
        waits = merge_in_queue(folder)
        if waits:
            echo(waits, err=True)
        raise typer.Exit(1)


def _save_and_tell(result: Result, out: Path, json: bool) -> None:
    _save(result, out)
    summary = {**_facts(result), "output": str(out), "complete": result.complete, "stopped": result.stopped}
    if json:
        echo_json(summary)
        return
    _tell_facts({key: value for key, value in summary.items() if key != "stopped" or value})


def info(json: JSON = False) -> None:
    """Versions, devices, data tables and their hashes."""
    from ..engine.results.environment import describe

    versions = describe()
    if json:
        echo_json(versions)
        return
    for title, block in versions.items():
        rows = block.items() if isinstance(block, dict) else [("", block)]
        echo_table((title, ""), [(k, show(v)) for k, v in rows], text_columns=2)


def _simulate(
    problem: Problem,
    flags: dict[str, Any],
    quiet: bool,
    earlier: Result | None = None,
    checkpoint: CheckpointFile | None = None,
    resume: bool = False,
) -> tuple[Result, bool]:
    from ..engine.case.transport import checked_transport
    from ..engine.simulation import simulate as run_transport
    from .interrupt import stop_on_interrupt

    options = checked_transport({key: value for key, value in flags.items() if value is not None})
    with stop_on_interrupt(before=0) as stop, progress_line(quiet) as tell:
        how: dict[str, Any] = {"resume": earlier, "checkpoint": checkpoint, "from_checkpoint": resume}
        result = run_transport(problem, progress=tell, stop=stop, **how, **options)
        return result, not result.complete


def _facts(result: Result) -> dict[str, Any]:
    balance = result.balance
    return {
        "decays": result.decays,
        "histories": result.decays,  # deprecated name of "decays"
        "backend": result.backend,
        "device": result.provenance.device,
        "wall_time_s": result.provenance.wall_time_s,
        "decays_per_s": result.decays / result.provenance.wall_time_s if result.provenance.wall_time_s else None,
        "emitted_mev_per_decay": balance.emitted,
        "deposited_mev_per_decay": balance.deposited,
        "escaped_mev_per_decay": balance.escaped,
        "figure_of_merit_per_s": result.figure_of_merit(),
        "warnings": list(result.warnings),
    }


def _tell_facts(summary: dict[str, Any]) -> None:
    apart = ("warnings", "figure_of_merit_per_s", "histories")
    rows = [(k.replace("_", " "), show(v, 6)) for k, v in summary.items() if k not in apart]
    rows += [(f"figure of merit of {k}, 1/s", show(v)) for k, v in summary["figure_of_merit_per_s"].items()]
    echo_table(("quantity", "value"), rows)
    for text in summary["warnings"]:
        echo(f"warning: {text}", err=True)


def _tell(comparison: dict[str, Any]) -> None:
    regions = comparison.get("regions") or []
    if regions:
        columns = list(regions[0])
        echo_table(columns, [[row.get(c) for c in columns] for row in regions], comparison["problem"])
    histogram = comparison.get("z_histogram")
    if histogram:
        _tell_histogram(histogram)
    skip = {"regions", "z_histogram", "run", "problem", "passed", "too_few_particles"}
    rows = [(k.replace("_", " "), show(v)) for k, v in comparison.items() if k not in skip and not isinstance(v, dict)]
    run = comparison["run"]
    rows.append(("decays", show(run["decays"])))
    rows.append(("backend", f"{run['backend']}, {duration(run['wall_time_s'])}"))
    echo_table(("quantity", "value"), rows)
    if comparison["too_few_particles"]:
        echo(f"no verdict, too few particles (increase --decays): {', '.join(comparison['too_few_particles'])}")
    echo("PASS" if comparison["passed"] else "no verdict" if _nothing_judged(comparison) else "FAIL")


def _nothing_judged(comparison: dict[str, Any]) -> bool:
    """Whether no region received enough particles to be compared."""
    return not comparison["passed"] and len(comparison["too_few_particles"]) == len(comparison["regions"])


def _tell_histogram(histogram: Any) -> None:
    """Counts of voxel z-scores as bars, beside what the normal distribution expects."""
    edges, counts = histogram["edges"], histogram["counts"]
    expected = histogram.get("expected") or [None] * len(counts)
    top = max([*counts, 1])
    rows = [
        (f"{low:+.1f} .. {high:+.1f}", "#" * round(40 * n / top), n, None if e is None else round(e, 1))
        for low, high, n, e in zip(edges[:-1], edges[1:], counts, expected, strict=True)
    ]
    echo_table(("z", "voxels", "count", "expected"), rows, "z-scores of the voxels", text_columns=2)
