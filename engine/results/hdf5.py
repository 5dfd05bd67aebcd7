"""The result file: docs/formats/result.md, written whole or not at all, checked on reading."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from ..dose.map import DoseMap
from ..dose.methods import simulated_method
from ..errors import InputError
from ..files import parse_json, written_whole
from ..grid import Grid
from ..lesions.columns import written_columns
from ..lesions.record import LesionDose
from ..text import shortened
from ..transport.options import PhysicsOptions
from ..transport.tally import BALANCE, Tally
from .digest import ALL, sign
from .identities import broken_identities
from .provenance import Provenance
from .result import Result
from .stored import Stored
from .stored_problem import read_problem, write_problem
from .trailer import append_trailer, check_trailer
from .writing import STRING, new_hdf5, put, put_text

FORMAT = "hevesy-result"
#: The major number rises when old readers would misread a file, the minor number for additions.
FORMAT_VERSION = "1.3"
#: First minor number whose files state digests.
SIGNED_SINCE = 3

_MASK64 = (1 << 64) - 1


def write_result(result: Result, path: Path) -> Path:
    """Write `result` to `path` whole or not at all: through a temporary name in the same folder."""
    with written_whole(path) as part:
        with new_hdf5(part) as file:
            _write(result, file)
        append_trailer(part)
    return path


def read_result(path: Path) -> Result:
    """Read a result file.

    Raises
    ------
    InputError
        No such file; not HDF5, truncated or damaged; another format; a newer version.
    """
    if not path.is_file():
        why = "it is a pipe, a device or a folder" if path.exists() else "there is nothing at this path"
        raise InputError("no such file", why=why, suggestion="check the path", file=path)
    try:
        check_trailer(path)
        with h5py.File(path, "r", locking=False) as file:  # a file system may have no locks
            _check_format(file, path)
            return _read_checked(file)
    except InputError:
        raise
    except KeyError as error:
        raise InputError(
            f"part of the result is missing: {str(error.args[0]).strip()}",
            why=f"a result of format {FORMAT_VERSION} has it",
            suggestion="run again with this version",
            file=path,
        ) from error
    except (
        OSError, RuntimeError, ValueError, TypeError, AttributeError, IndexError, OverflowError, MemoryError,
        RecursionError, NotImplementedError,
    ) as error:  # fmt: skip
        raise InputError(
            "this file cannot be read as HDF5",
            why="it is truncated, damaged or of another kind",
            suggestion="copy it again from where it was made, or run again",
            file=path,
        ) from error


def _check_format(file: h5py.File, path: Path) -> None:
    stored = Stored(file)
    name = str(stored.attribute("", "format", ""))
    if name != FORMAT:
        raise InputError(
            f"this HDF5 file is {'of format ' + repr(shortened(name, 40)) if name else 'not a hevesy result'}",
            why=f"a result has the attribute format = {FORMAT!r}",
            suggestion="give the result.h5 of a run",
            file=path,
        )
    version = str(stored.attribute("", "format_version", ""))
    if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise InputError(
            f"the result has format version {version or 'none'}; this is {FORMAT_VERSION}",
            why="names may have another meaning in another version",
            suggestion="read it with the hevesy version that wrote it "
            f"({stored.attribute('', 'hevesy_version', 'unknown')}), or run again",
            file=path,
            field="format_version",
        )
    if stored.signed:
        stored.check_attributes()
    elif _minor(version) >= SIGNED_SINCE:
        raise KeyError(f"the attribute '{ALL}'")


def _minor(version: str) -> int:
    minor = version.partition(".")[2]
    return int(minor) if minor.isdecimal() else SIGNED_SINCE


# ------------------------------------------------------------------------------------------------- writing


def _write(result: Result, file: h5py.File) -> None:
    _write_attributes(result, file)
    _write_images(result, file)
    _write_lesions(result, file)
    if result.problem is not None:
        write_problem(result.problem, file)
    if result.case_yaml:
        put_text(file, "case", result.case_yaml, "the resolved case, YAML")
    if result.tally is not None:
        _write_tally(result.tally, result, file)
    sign(file)


def _write_attributes(result: Result, file: h5py.File) -> None:
    """Provenance, how the run ended, and the geometry."""
    p, root = result.provenance, file.attrs
    root["format"], root["format_version"] = FORMAT, FORMAT_VERSION
    root["kind"] = result.kind
    root["hevesy_version"], root["hevesy_commit"], root["hevesy_code"] = p.version, p.commit, p.code_hash
    root["input_hash"], root["regions_hash"] = p.input_hash, p.regions_hash
    root["plan"] = json.dumps(p.plan, sort_keys=True)
    root["table_hashes"] = json.dumps(p.table_hashes, sort_keys=True)
    root["physics"] = json.dumps(p.physics, sort_keys=True, default=str)
    root["software"] = json.dumps(p.software, sort_keys=True)
    root["seed"], root["backend"], root["device"] = p.seed, p.backend, p.device
    root["wall_time_s"], root["created"] = p.wall_time_s, p.created
    root["complete"], root["stopped"] = result.complete, result.stopped
    root["sums_alone"] = result.sums_alone
    root["frame_of_reference"] = result.frame_of_reference
    root["assumptions"] = json.dumps(list(result.assumptions))
    root["warnings"] = json.dumps(list(result.warnings))
    root["critical"] = json.dumps(list(result.critical))
    ranges = np.empty((0, 2), dtype=np.int64) if result.tally is None else result.tally.history_range
    root["history_range"] = ranges
    grid = result.grid
    root["spacing_mm"], root["origin_mm"] = grid.spacing_mm, grid.origin_mm
    root["direction"] = grid.direction
    root["axes"] = "z, y, x; origin is the centre of voxel [0, 0, 0] in LPS; direction is row-major x, y, z"


def _write_images(result: Result, file: h5py.File) -> None:
    """Density, doses, activity and CT on the dose grid."""
    put(file, "density", np.asarray(result.density_g_cm3, np.float32), "g/cm3", "mass density")
    for method, dose in result.doses.items():
        extra = {
            "decays": dose.decays,
            "air_density_g_cm3": dose.air_density_g_cm3,
            "notes": json.dumps(list(dose.notes)),
        }
        put(file, f"dose/{method}/mean", dose.mean, dose.unit, f"absorbed dose by method {method}", **extra)
        if dose.sigma is not None:
            put(file, f"dose/{method}/sigma", dose.sigma, dose.unit, "one standard error of the mean dose")
    if result.tia_bq_h_ml is not None:
        put(
            file,
            "activity/tia",
            np.asarray(result.tia_bq_h_ml, np.float32),
            "Bq h/mL",
            "time-integrated activity concentration of the therapy nuclide",
        )
    if result.ct_hu is not None:
        hu = np.clip(np.rint(result.ct_hu), -32768, 32767).astype(np.int16)
        put(file, "image/ct", hu, "HU", "CT on the dose grid, for display")


def _write_lesions(result: Result, file: h5py.File) -> None:
    """Masks, table and full records of the lesions."""
    if result.lesion_masks is not None:
        put(
            file,
            "lesions/mask",
            np.asarray(result.lesion_masks, np.uint8),
            "1/255",
            "share of each voxel inside each lesion (lesion, z, y, x), times 255",
            names=json.dumps(list(result.lesion_names)),
        )
    if result.lesions:
        put(
            file,
            "lesions/table",
            _table(result.lesions),
            "attribute units, by column",
            "lesions.csv: one row per lesion; a missing number is NaN, a flag is 1 or 0",
            units=json.dumps({name: column.unit for name, column, _ in written_columns()}),
            descriptions=json.dumps({name: text for name, _, text in written_columns()}),
        )
        records = json.dumps([lesion.to_dict() for lesion in result.lesions], allow_nan=False)
        put_text(file, "lesions/records", records, "lesions.json: the same with histograms")


def _write_tally(tally: Tally, result: Result, file: h5py.File) -> None:
    quantum = "2^-26 MeV"
    put(file, "tally/energy_quanta", tally.energy_quanta, quantum, "energy deposited, sum over batches")
    put(
        file,
        "tally/energy_quanta_squared",
        tally.energy_quanta_squared,
        f"({quantum})^2",
        "sum over batches of the squared batch sums; [0] the low, [1] the high 64 bits",
    )
    put(
        file,
        "tally/region_quanta",
        tally.region_quanta,
        quantum,
        "energy in each region, one row per batch, times the integer mask weights (255 is the whole voxel)",
        names=json.dumps(list(tally.region_names)),
    )
    put(
        file,
        "tally/batch_ids",
        tally.batch_ids,
        "",
        "batch b is histories [b n, (b + 1) n)",
        batch_histories=tally.batch_histories,
    )
    values = [tally.balance[name] for name in BALANCE]
    limbs = np.array([[value & _MASK64, value >> 64] for value in values], dtype=np.uint64)
    balance = result.balance
    put(
        file,
        "balance",
        limbs,
        quantum,
        "rows emitted, deposited, escaped; columns low and high 64 bits",
        residual=str(balance.residual_quanta),
        histories=balance.histories,
        emitted_mev_per_decay=balance.emitted,
        deposited_mev_per_decay=balance.deposited,
        escaped_mev_per_decay=balance.escaped,
    )
    file["tally"].attrs["simulated"] = result.simulated_part or "all that a decay emits"
    file["tally"].attrs["counters"] = json.dumps(tally.counters, sort_keys=True)


def _table(lesions: list[LesionDose]) -> np.ndarray:
    """The lesion table (lesion,): UTF-8 text, and float64 for everything else."""
    text = {name: column.is_text for name, column, _ in written_columns()}
    table = np.empty(len(lesions), dtype=[(name, STRING if is_text else np.float64) for name, is_text in text.items()])
    for i, lesion in enumerate(lesions):
        for name, value in lesion.to_row().items():
            missing = "" if text[name] else np.nan
            table[name][i] = missing if value is None else value
    return table


# ------------------------------------------------------------------------------------------------- reading


def _read_checked(file: h5py.File) -> Result:
    """The result, with all of the file as it was written, and its numbers belonging together."""
    stored = Stored(file)
    result = _read(stored)
    if stored.signed:
        stored.check_rest()
    stated = {}
    if result.tally is not None and "histories" in file["balance"].attrs:
        stated["histories"] = stored.number("balance", "histories")
    if "history_range" in file.attrs:
        stated["history_range"] = stored.attribute("", "history_range")
    for name, why in broken_identities(result, stated, errors=not stored.signed):
        raise stored.refusal(name, why)
    return result


def _read(stored: Stored) -> Result:
    density = stored.numbers("density", (None, None, None), "f")
    shape = density.shape
    nz, ny, nx = (int(n) for n in shape)
    spacing, origin = (tuple(float(v) for v in np.ravel(stored.attribute("", k))) for k in ("spacing_mm", "origin_mm"))
    if not all(0.0 < step < np.inf for step in spacing) or not np.all(np.isfinite(origin)):
        raise stored.refusal("spacing_mm", f"voxels of {spacing} mm")
    grid = Grid(
        (nz, ny, nx),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
        tuple(float(v) for v in np.ravel(stored.attribute("", "direction"))),
    )
    tally = _read_tally(stored, shape) if stored.has("tally") else None
    methods = stored.names("dose")
    simulated = simulated_method(name for name in methods if stored.has(f"dose/{name}/sigma"))
    doses = {name: _read_dose(stored, name, shape, tally if name == simulated else None) for name in methods}
    masked = stored.has("lesions/mask")
    names = tuple(stored.json("lesions/mask", "names", list)) if masked else ()
    records = parse_json(stored.text("lesions/records") or "[]")
    input_hash = str(stored.attribute("", "input_hash"))
    return Result(
        kind=str(stored.attribute("", "kind")),
        grid=grid,
        problem=read_problem(stored, density, grid.spacing_mm, input_hash),
        density_g_cm3=density,
        doses=doses,
        tally=tally,
        tia_bq_h_ml=stored.numbers("activity/tia", shape, "f") if stored.has("activity/tia") else None,
        lesion_masks=stored.numbers("lesions/mask", (len(names), *shape), "ui") if masked else None,
        lesion_names=tuple(map(str, names)),
        lesions=[LesionDose.from_dict(record) for record in records],
        ct_hu=stored.numbers("image/ct", shape) if stored.has("image/ct") else None,
        assumptions=tuple(map(str, stored.json("", "assumptions", list))),
        warnings=tuple(map(str, stored.json("", "warnings", list))),
        critical=tuple(map(str, stored.json("", "critical", list, "[]"))),
        case_yaml=stored.text("case"),
        complete=bool(stored.number("", "complete")),
        stopped=str(stored.attribute("", "stopped")),
        frame_of_reference=str(stored.attribute("", "frame_of_reference", "")),
        sums_alone=bool(stored.attribute("", "sums_alone", False)),
        provenance=Provenance(
            version=str(stored.attribute("", "hevesy_version")),
            commit=str(stored.attribute("", "hevesy_commit")),
            code_hash=str(stored.attribute("", "hevesy_code", "")),
            input_hash=input_hash,
            table_hashes=stored.json("", "table_hashes", dict),
            seed=int(stored.number("", "seed")),
            backend=str(stored.attribute("", "backend")),
            device=str(stored.attribute("", "device")),
            wall_time_s=float(stored.number("", "wall_time_s")),
            physics=PhysicsOptions.recorded(stored.json("", "physics", dict)),
            created=str(stored.attribute("", "created")),
            software=stored.json("", "software", dict),
            regions_hash=str(stored.attribute("", "regions_hash", "")),
            plan=stored.json("", "plan", dict, "{}"),
        ),
    )


def _read_dose(stored: Stored, method: str, shape: tuple[int, ...], tally: Tally | None) -> DoseMap:
    """The dose of one method."""
    mean, sigma = f"dose/{method}/mean", f"dose/{method}/sigma"
    return DoseMap(
        method=method,
        mean=stored.numbers(mean, shape, "f"),
        sigma=stored.numbers(sigma, shape, "f") if stored.has(sigma) else None,
        unit=str(stored.attribute(mean, "unit")),
        decays=float(stored.number(mean, "decays")),
        notes=tuple(map(str, stored.json(mean, "notes", list))),
        air_density_g_cm3=float(stored.number(mean, "air_density_g_cm3")),
        tally=tally,
    )


def _read_tally(stored: Stored, shape: tuple[int, ...]) -> Tally:
    """The integers of the transport."""
    limbs = [(int(low), int(high)) for low, high in stored.numbers("balance", (len(BALANCE), 2), "u")]
    batches = stored.numbers("tally/batch_ids", (None,), "i")
    names = tuple(map(str, stored.json("tally/region_quanta", "names", list)))
    return Tally(
        energy_quanta=stored.numbers("tally/energy_quanta", shape, "i"),
        energy_quanta_squared=stored.numbers("tally/energy_quanta_squared", (2, *shape), "u"),
        region_quanta=stored.numbers("tally/region_quanta", (len(batches), len(names)), "i"),
        batch_ids=batches,
        batch_histories=int(stored.number("tally/batch_ids", "batch_histories")),
        balance={name: low | high << 64 for name, (low, high) in zip(BALANCE, limbs, strict=True)},
        counters=stored.json("tally", "counters", dict),
        region_names=names,
        seed=int(stored.number("", "seed")),
        backend=str(stored.attribute("", "backend")),
        device=str(stored.attribute("", "device")),
        wall_time_s=float(stored.number("", "wall_time_s")),
        complete=bool(stored.number("", "complete")),
        options=PhysicsOptions.recorded(stored.json("", "physics", dict)),
    ).frozen()
