"""``hevesy kernels``: voxel S kernels made by our own transport, and tables of others converted."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.errors import InputError
from .kernel_words import read_density, read_reach, read_share, read_voxel
from .options import BACKENDS, JSON, Quiet, with_verbose
from .output import duration, echo, echo_json, echo_table, echo_text, progress_line, show

if TYPE_CHECKING:
    from ..engine.dose.voxel_s import KernelRequest, VoxelKernel
    from ..engine.nuclides.progeny import DecayEmission

#: Decays that are simulated where nothing else is asked for: below 0.1 % in the source voxel of beta emitters.
DEFAULT_DECAYS = 2_000_000


Out = Annotated[
    list[Path],
    typer.Option("--out", "-o", help="The file to write: .npz, .csv or .nii.gz, by its ending; may be repeated."),
]
Nuclide = Annotated[
    str | None, typer.Argument(help="The nuclide, e.g. I-131; its file says it with --from.", show_default=False)
]
Voxel = Annotated[
    str | None, typer.Option(help='Voxel: "3 mm", or sides along z, y and x in this order: "3.27 x 4.07 x 4.07 mm".')
]
Medium = Annotated[
    str | None,
    typer.Option(
        help="water (default; none with --from a table), soft tissue, lung, bone, adipose ..., or a NIST material."
    ),
]
Density = Annotated[str | None, typer.Option(help='Mass density ("1.04 g/cm3"); default that of the medium.')]
Reach = Annotated[
    str | None,
    typer.Option(
        help='Reach from the source to the last neighbour: auto (default), a length ("12 cm") or "20 voxels".'
    ),
]
Truncation = Annotated[
    str | None, typer.Option(help="Share of the emitted energy that may lie outside an automatic extent (default 1 %).")
]
Progeny = Annotated[
    str | None, typer.Option(help='Progeny counted with each decay: equilibrium, none, or names ("Bi-213,Po-213").')
]
Decays = Annotated[
    str | None, typer.Option(help="Decays to simulate (default 2e6); at most, where --until is given too.")
]
Goal = Annotated[str | None, typer.Option(help='Relative standard error of the source voxel to stop at, e.g. "0.1 %".')]
Photons = Annotated[
    str | None,
    typer.Option(
        "--photons",
        help="Scoring of photons: analog (default), or track-length (less noise; released electrons stay local).",
    ),
]
Backend = Annotated[str | None, typer.Option(help=f"{BACKENDS.rstrip('.')} (default auto).")]
From = Annotated[
    Path | None, typer.Option("--from", help="Convert this kernel or table of i, j, k and S; nothing is simulated.")
]
Unit = Annotated[str | None, typer.Option(help='With --from: unit of a table that states none, "mGy/(MBq s)".')]


def add_to(app: typer.Typer) -> None:
    """Add this sub-command to the application."""
    app.command("kernels")(with_verbose(kernels))


def kernels(
    out: Out,
    nuclide: Nuclide = None,
    voxel: Voxel = None,
    medium: Medium = None,
    density: Density = None,
    extent: Reach = None,
    truncation: Truncation = None,
    progeny: Progeny = None,
    decays: Decays = None,
    until: Goal = None,
    photons: Photons = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the transport (default 1).")] = None,
    backend: Backend = None,
    source_table: From = None,
    unit: Unit = None,
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Voxel S kernels: energy deposited around a voxel per decay in it, by our own transport; with standard errors."""
    out = [path.resolve() if path.is_symlink() and path.is_file() else path for path in out]
    _check_outputs(out, source_table)
    facts: dict[str, Any] = {}
    if source_table is not None:
        simulation = {
            "--extent": extent, "--truncation": truncation, "--decays": decays, "--until": until,
            "--photons": photons, "--seed": seed, "--backend": backend,
        }  # fmt: skip
        _refuse_options([name for name, value in simulation.items() if value is not None], "with --from")
        kernel = _converted(source_table, nuclide, progeny, voxel, medium, density, unit)
    else:
        if unit is not None:
            _refuse_options(["--unit"], "without --from")
        counted = _decay_emission(nuclide, progeny)
        amount = _amount(decays, until, 1 if seed is None else seed, "auto" if backend is None else backend)
        amount |= {"physics": _physics("analog" if photons is None else photons)}
        size = {"extent": extent or "auto", "truncation": truncation or "1 %"}
        request = _request(counted, voxel, medium, density, size, amount)
        kernel, facts = _simulated(request, counted, amount["backend"], quiet or json)
    written = _written(kernel, out)
    summary = _summary(kernel) | facts | {"output": [str(path) for path in written]}
    if json:
        echo_json(summary)
    else:
        _tell(kernel, summary)


# --------------------------------------------------------------------------------------------------------- words in


def _check_outputs(out: list[Path], source_table: Path | None) -> None:
    """Refuse outputs that cannot be written, that replace each other or the input; companions of images count."""
    from ..engine.dose.voxel_s.files import files_of, kernel_suffix
    from ..engine.files import check_output_file

    inputs = []
    if source_table is not None:
        image = source_table.name.lower().endswith((".nii", ".nii.gz"))
        inputs = files_of(source_table) if image else [source_table]
    taken: dict[Path, Path] = {}
    for path in out:
        if path.is_dir():
            raise InputError(
                "is a folder",
                why="a kernel is written to a file, whose ending says its format",
                suggestion=f"give for example {path / 'kernel.npz'}",
                file=path,
            )
        kernel_suffix(path)
        for file in files_of(path):
            check_output_file(file, inputs, "kernel")
            place = file.parent.resolve() / file.name
            if place in taken:
                raise _twice(file, path, taken[place])
            taken[place] = path


def _twice(file: Path, first: Path, second: Path) -> InputError:
    if file == first and first.name == second.name:
        return InputError("is listed twice", why="one file holds one format", suggestion="give it once", file=file)
    return InputError(
        f"would be written for {second} and for {first}",
        why="an image is written with a map of its standard errors and a JSON file of its facts beside it",
        suggestion="give the outputs other names, or write them to different folders",
        file=file,
    )


def _refuse_options(given: list[str], when: str) -> None:
    if given:
        raise InputError(
            f"{' and '.join(given)} {when}",
            why="a kernel is either simulated or converted",
            suggestion="leave out one of them",
            field=given[0].lstrip("-"),
        )


def _decay_emission(nuclide: str | None, progeny: str | None) -> DecayEmission:
    from ..engine.nuclides.progeny import decay_emission

    if nuclide is None:
        raise InputError(
            "no nuclide is given",
            why="a kernel is that of a nuclide",
            suggestion='give one, for example: hevesy kernels I-131 --voxel "3 mm" -o i131.npz',
            field="nuclide",
        )
    return decay_emission(nuclide, _progeny(nuclide, progeny))


def _progeny(nuclide: str | None, progeny: str | None) -> Any:
    from ..engine.nuclides.progeny import checked_progeny

    if progeny is None or nuclide is None:
        return None
    word = progeny.strip()
    return checked_progeny(nuclide, word if word in ("equilibrium", "none") else re.split(r"[,;\s]+", word))


def _amount(decays: str | None, until: str | None, seed: int, backend: str) -> dict[str, Any]:
    """How much is simulated, where: decays, until, seed, backend."""
    from ..engine.case.transport import checked_transport
    from ..engine.dose.voxel_s.make import LARGEST_OPEN_ENDED

    flags = {"decays": decays, "seed": seed, "backend": backend}
    given = checked_transport({name: value for name, value in flags.items() if value is not None})
    goal = None if until is None else read_share(until, "until")
    given.setdefault("decays", DEFAULT_DECAYS if goal is None else LARGEST_OPEN_ENDED)
    return given | {"until": goal}


def _physics(photons: str) -> tuple[tuple[str, Any], ...]:
    """Physics options that are not the default."""
    from ..engine.transport.options import PHOTON_SCORING

    if photons not in PHOTON_SCORING:
        raise InputError(
            f"unknown scoring of photons {photons!r}",
            why=f"there are {' and '.join(PHOTON_SCORING)}",
            suggestion="use analog, which has no bias",
            field="photons",
        )
    return () if photons == PHOTON_SCORING[0] else (("photon_scoring", photons),)


def _request(
    counted: DecayEmission,
    voxel: str | None,
    medium: str | None,
    density: str | None,
    size: dict[str, str],
    amount: dict[str, Any],
) -> KernelRequest:
    from ..engine.dose.voxel_s.make import KernelRequest
    from ..engine.dose.voxel_s.media import medium_named

    if voxel is None:
        raise InputError(
            "no voxel is given", why="S is that of a voxel", suggestion='give --voxel "3 mm"', field="voxel"
        )
    sizes = read_voxel(voxel)
    material, density_g_cm3 = medium_named(
        "water" if medium is None else medium, None if density is None else read_density(density)
    )
    return KernelRequest(
        emission=counted.emission,
        voxel_size_mm=sizes,
        medium=material,
        density_g_cm3=density_g_cm3,
        reach=read_reach(size["extent"], sizes),
        decays=amount["decays"],
        seed=amount["seed"],
        until=amount["until"],
        physics=amount["physics"],
        truncation=read_share(size["truncation"], "truncation"),
    )


def _simulated(
    request: KernelRequest, counted: DecayEmission, backend: str, quiet: bool
) -> tuple[VoxelKernel, dict[str, Any]]:
    from ..engine.dose.voxel_s.cache import kept_or_made

    start = time.monotonic()
    with progress_line(quiet) as tell:
        kernel, cached = kept_or_made(request, backend=backend, progress=tell)
    notes = (counted.sentence, *kernel.notes) if counted.said else kernel.notes
    facts = {"cached": cached, "wall_time_s": time.monotonic() - start}
    return replace(kernel, progeny=counted.progeny, notes=notes), facts


def _converted(
    path: Path,
    nuclide: str | None,
    progeny: str | None,
    voxel: str | None,
    medium: str | None,
    density: str | None,
    unit: str | None,
) -> VoxelKernel:
    from ..engine.dose.voxel_s.files import read_kernel
    from ..engine.dose.voxel_s.told import Told
    from ..engine.nuclides.names import canonical_name

    told = Told(
        nuclide=None if nuclide is None else canonical_name(nuclide),
        progeny=_progeny(nuclide, progeny),
        voxel_size_mm=None if voxel is None else read_voxel(voxel),
        medium=medium,
        density_g_cm3=None if density is None else read_density(density),
        unit=unit,
    )
    return read_kernel(path, told)


# -------------------------------------------------------------------------------------------------------- words out


def _written(kernel: VoxelKernel, out: list[Path]) -> list[Path]:
    """Write a kernel to every output, or where there is room in place of one that its disk refuses; the files.

    Raises
    ------
    InputError
        Of the first output that was refused, when all have been tried; the others are on standard error.
    """
    from ..engine.dose.voxel_s.files import write_kernel
    from ..engine.written import has_been_written, saved_elsewhere

    files: list[Path] = []
    refusals: list[InputError] = []
    for path in out:
        try:
            files += write_kernel(kernel, path)
            has_been_written(path)
        except OSError as error:
            refusals.append(saved_elsewhere(partial(write_kernel, kernel), path, error))
    for refusal in refusals[1:]:
        echo(refusal, err=True)
    if refusals:
        raise refusals[0] from None
    return files


def _near(kernel: VoxelKernel) -> list[dict[str, Any]]:
    """S of the source and of its neighbours up to two away, one of each class of equal ones."""
    from ..engine.dose.voxel_s.symmetry import equal_axes, octant_of

    values, errors = octant_of(kernel.s_mgy_per_mbq_s), octant_of(kernel.standard_error_mev)
    energy = octant_of(kernel.energy_mev)
    known = kernel.decays > 0 or bool(errors.any())  # a table may come without errors
    shown: set[tuple[int, ...]] = set()
    rows: list[dict[str, Any]] = []
    for i in range(min(3, values.shape[0])):
        for j in range(min(3, values.shape[1])):
            for k in range(min(3, values.shape[2])):
                place = (i, j, k)
                images = {tuple(place[a] for a in axes) for axes in equal_axes(kernel.voxel_size_mm)}
                if images & shown:
                    continue
                shown.add(place)
                relative = float(errors[place] / energy[place]) if known and energy[place] > 0 else None
                rows.append(
                    {"i": i, "j": j, "k": k, "s_mgy_per_mbq_s": float(values[place]), "relative_error": relative}
                )
    return rows


def _summary(kernel: VoxelKernel) -> dict[str, Any]:
    from ..engine.dose.voxel_s.facts import facts_of

    facts = {name: value for name, value in facts_of(kernel).items() if name != "emission"}
    kz, ky, kx = kernel.reach
    return facts | {"reach_voxels": {"z": kz, "y": ky, "x": kx}, "unit": "mGy/(MBq s)", "values": _near(kernel)}


def _tell(kernel: VoxelKernel, summary: dict[str, Any]) -> None:
    from ..engine.dose.voxel_s.extent import extent_text

    dz, dy, dx = kernel.voxel_size_mm
    rows = [
        ("nuclide", kernel.emission.nuclide),
        ("voxel", f"z {dz:g} mm, y {dy:g} mm, x {dx:g} mm"),
        ("medium", f"{kernel.medium.name}, {kernel.density_g_cm3:g} g/cm3"),
        ("kernel", extent_text(kernel.reach, kernel.voxel_size_mm)),
        ("emitted", f"{kernel.emitted_mev:.4g} MeV per decay"),
        ("truncated", f"{kernel.truncated_mev:.3g} MeV per decay, {100 * kernel.truncated_share:.2g} %"),
    ]
    if kernel.decays:
        if "wall_time_s" not in summary:
            how = "read from a file"
        else:
            how = "from the cache" if summary["cached"] else duration(summary["wall_time_s"])
        rows.append(("decays", f"{kernel.decays} ({kernel.backend}, {how})"))
    echo_table(("kernel", ""), rows, text_columns=2)
    values = [
        (f"{row['i']}, {row['j']}, {row['k']}", show(row["s_mgy_per_mbq_s"]), _per_cent(row["relative_error"]))
        for row in summary["values"]
    ]
    echo_table(("i, j, k\n(z, y, x)", "S\nmGy/(MBq s)", "standard\nerror"), values)
    for note in kernel.notes:
        echo_text(note)
    echo(f"written: {', '.join(summary['output'])}")


def _per_cent(relative: float | None) -> str:
    return "-" if relative is None else f"{100 * relative:.2g} %"
