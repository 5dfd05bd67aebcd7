"""The result file: docs/formats/result.md, written whole or not at all, checked on reading."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..dose.map import DoseMap
from ..errors import InputError
from ..files import parse_json
from ..grid import Grid
from ..lesions.columns import written_columns
from ..lesions.record import LesionDose
from ..text import shortened
from ..transport.options import PhysicsOptions
from ..transport.tally import BALANCE, Tally
from .provenance import Provenance
from .result import Result
from .stored import Stored

FORMAT = "hevesy-result"
#: The major number rises when old readers would misread a file, the minor number for additions.
FORMAT_VERSION = "1.1"

_MASK64 = (1 << 64) - 1
_STRING = h5py.string_dtype("utf-8")


def write_result(result: Result, path: Path) -> Path:
    """Write `result` to `path` through a temporary name in the same folder, renamed when whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        with h5py.File(part, "w") as file:
            _write(result, file)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o666 & ~_umask())  # mkstemp makes private files; a result is as readable as any other
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
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
        with h5py.File(path, "r") as file:
            _check_format(file, path)
            return _read(file)
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


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


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


# ------------------------------------------------------------------------------------------------- writing


def _put(file: h5py.File, name: str, values: Any, unit: str, description: str, **attributes: Any) -> None:
    values = np.asarray(values)
    options: dict[str, Any] = {}
    if values.size > 1024:  # checksums reveal a damaged file; level 1 because doses hardly compress further
        options = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
    dataset = file.create_dataset(name, data=values, **options)
    dataset.attrs["unit"] = unit
    dataset.attrs["description"] = description
    for key, value in attributes.items():
        dataset.attrs[key] = value


def _write(result: Result, file: h5py.File) -> None:
    _write_attributes(result, file)
    _write_images(result, file)
    _write_lesions(result, file)
    if result.case_yaml:
        file.create_dataset("case", data=result.case_yaml, dtype=_STRING)
        file["case"].attrs.update(unit="", description="the resolved case, YAML")
    if result.tally is not None:
        _write_tally(result.tally, result, file)


def _write_attributes(result: Result, file: h5py.File) -> None:
    """Provenance, how the run ended, and the geometry."""
    p, root = result.provenance, file.attrs
    root["format"], root["format_version"] = FORMAT, FORMAT_VERSION
    root["kind"] = result.kind
    root["hevesy_version"], root["hevesy_commit"] = p.version, p.commit
    root["input_hash"] = p.input_hash
    root["table_hashes"] = json.dumps(p.table_hashes, sort_keys=True)
    root["physics"] = json.dumps(p.physics, sort_keys=True, default=str)
    root["software"] = json.dumps(p.software, sort_keys=True)
    root["seed"], root["backend"], root["device"] = p.seed, p.backend, p.device
    root["wall_time_s"], root["created"] = p.wall_time_s, p.created
    root["complete"], root["stopped"] = result.complete, result.stopped
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
    _put(file, "density", np.asarray(result.density_g_cm3, np.float32), "g/cm3", "mass density")
    for method, dose in result.doses.items():
        extra = {
            "decays": dose.decays,
            "air_density_g_cm3": dose.air_density_g_cm3,
            "notes": json.dumps(list(dose.notes)),
        }
        _put(file, f"dose/{method}/mean", dose.mean, dose.unit, f"absorbed dose by method {method}", **extra)
        if dose.sigma is not None:
            _put(file, f"dose/{method}/sigma", dose.sigma, dose.unit, "one standard error of the mean dose")
    if result.tia_bq_h_ml is not None:
        _put(
            file,
            "activity/tia",
            np.asarray(result.tia_bq_h_ml, np.float32),
            "Bq h/mL",
            "time-integrated activity concentration of the therapy nuclide",
        )
    if result.ct_hu is not None:
        hu = np.clip(np.rint(result.ct_hu), -32768, 32767).astype(np.int16)
        _put(file, "image/ct", hu, "HU", "CT on the dose grid, for display")


def _write_lesions(result: Result, file: h5py.File) -> None:
    """Masks, table and full records of the lesions."""
    if result.lesion_masks is not None:
        _put(
            file,
            "lesions/mask",
            np.asarray(result.lesion_masks, np.uint8),
            "1/255",
            "share of each voxel inside each lesion (lesion, z, y, x), times 255",
            names=json.dumps(list(result.lesion_names)),
        )
    if result.lesions:
        _put(
            file,
            "lesions/table",
            _table(result.lesions),
            "attribute units, by column",
            "lesions.csv: one row per lesion; a missing number is NaN, a flag is 1 or 0",
            units=json.dumps({name: column.unit for name, column, _ in written_columns()}),
            descriptions=json.dumps({name: text for name, _, text in written_columns()}),
        )
        records = json.dumps([lesion.to_dict() for lesion in result.lesions], allow_nan=False)
        file.create_dataset("lesions/records", data=records, dtype=_STRING)
        file["lesions/records"].attrs.update(unit="", description="lesions.json: the same with histograms")


def _write_tally(tally: Tally, result: Result, file: h5py.File) -> None:
    quantum = "2^-26 MeV"
    _put(file, "tally/energy_quanta", tally.energy_quanta, quantum, "energy deposited, sum over batches")
    _put(
        file,
        "tally/energy_quanta_squared",
        tally.energy_quanta_squared,
        f"({quantum})^2",
        "sum over batches of the squared batch sums; [0] the low, [1] the high 64 bits",
    )
    _put(
        file,
        "tally/region_quanta",
        tally.region_quanta,
        quantum,
        "energy in each region, one row per batch, times the integer mask weights (255 is the whole voxel)",
        names=json.dumps(list(tally.region_names)),
    )
    _put(
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
    _put(
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
    file["tally"].attrs["counters"] = json.dumps(tally.counters, sort_keys=True)


def _table(lesions: list[LesionDose]) -> np.ndarray:
    """The lesion table (lesion,): UTF-8 text, and float64 for everything else."""
    text = {name: column.is_text for name, column, _ in written_columns()}
    table = np.empty(len(lesions), dtype=[(name, _STRING if is_text else np.float64) for name, is_text in text.items()])
    for i, lesion in enumerate(lesions):
        for name, value in lesion.to_row().items():
            missing = "" if text[name] else np.nan
            table[name][i] = missing if value is None else value
    return table


# ------------------------------------------------------------------------------------------------- reading


def _read(file: h5py.File) -> Result:
    stored = Stored(file)
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
    doses = {method: _read_dose(stored, method, shape, tally) for method in stored.names("dose")}
    masked = stored.has("lesions/mask")
    names = tuple(stored.json("lesions/mask", "names", list)) if masked else ()
    records = parse_json(stored.text("lesions/records") or "[]")
    return Result(
        kind=str(stored.attribute("", "kind")),
        grid=grid,
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
        provenance=Provenance(
            version=str(stored.attribute("", "hevesy_version")),
            commit=str(stored.attribute("", "hevesy_commit")),
            input_hash=str(stored.attribute("", "input_hash")),
            table_hashes=stored.json("", "table_hashes", dict),
            seed=int(stored.number("", "seed")),
            backend=str(stored.attribute("", "backend")),
            device=str(stored.attribute("", "device")),
            wall_time_s=float(stored.number("", "wall_time_s")),
            physics=PhysicsOptions.recorded(stored.json("", "physics", dict)),
            created=str(stored.attribute("", "created")),
            software=stored.json("", "software", dict),
        ),
    )


def _read_dose(stored: Stored, method: str, shape: tuple[int, ...], tally: Tally | None) -> DoseMap:
    """The dose of one method."""
    mean, sigma = f"dose/{method}/mean", f"dose/{method}/sigma"
    simulated = stored.has(sigma)
    return DoseMap(
        method=method,
        mean=stored.numbers(mean, shape, "f"),
        sigma=stored.numbers(sigma, shape, "f") if simulated else None,
        unit=str(stored.attribute(mean, "unit")),
        decays=float(stored.number(mean, "decays")),
        notes=tuple(map(str, stored.json(mean, "notes", list))),
        air_density_g_cm3=float(stored.number(mean, "air_density_g_cm3")),
        tally=tally if simulated else None,
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
