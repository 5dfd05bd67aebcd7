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
from ..grid import Grid
from ..lesions.columns import written_columns
from ..lesions.record import LesionDose
from ..transport.options import PhysicsOptions
from ..transport.tally import BALANCE, Tally
from .provenance import Provenance
from .result import Result

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
        raise InputError("no such file", suggestion="check the path", file=path)
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
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            "this file cannot be read as HDF5",
            why=f"it is truncated, damaged or of another kind ({str(error).splitlines()[0][:120]})",
            suggestion="copy it again from where it was made, or run again",
            file=path,
        ) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _check_format(file: h5py.File, path: Path) -> None:
    name = file.attrs.get("format")
    if name != FORMAT:
        raise InputError(
            f"this HDF5 file is {'of format ' + repr(str(name)) if name else 'not a hevesy result'}",
            why=f"a result has the attribute format = {FORMAT!r}",
            suggestion="give the result.h5 of a run",
            file=path,
        )
    version = str(file.attrs.get("format_version", ""))
    if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise InputError(
            f"the result has format version {version or 'none'}; this is {FORMAT_VERSION}",
            why="names may have another meaning in another version",
            suggestion="read it with the hevesy version that wrote it "
            f"({file.attrs.get('hevesy_version', 'unknown')}), or run again",
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


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read(file: h5py.File) -> Result:
    root = file.attrs
    density = file["density"][()]
    nz, ny, nx = (int(n) for n in density.shape)
    spacing, origin = (tuple(float(v) for v in root[key]) for key in ("spacing_mm", "origin_mm"))
    grid = Grid(
        (nz, ny, nx),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
        tuple(float(v) for v in root["direction"]),
    )
    tally = _read_tally(file) if "tally" in file else None
    doses: dict[str, DoseMap] = {}
    for method in file.get("dose", ()):
        mean, simulated = file[f"dose/{method}/mean"], f"dose/{method}/sigma" in file
        doses[method] = DoseMap(
            method=method,
            mean=mean[()],
            sigma=file[f"dose/{method}/sigma"][()] if simulated else None,
            unit=_text(mean.attrs["unit"]),
            decays=float(mean.attrs["decays"]),
            notes=tuple(json.loads(mean.attrs["notes"])),
            air_density_g_cm3=float(mean.attrs["air_density_g_cm3"]),
            tally=tally if simulated else None,
        )
    masks = file.get("lesions/mask")
    records = json.loads(_text(file["lesions/records"][()])) if "lesions/records" in file else []
    return Result(
        kind=_text(root["kind"]),
        grid=grid,
        density_g_cm3=density,
        doses=doses,
        tally=tally,
        tia_bq_h_ml=file["activity/tia"][()] if "activity/tia" in file else None,
        lesion_masks=None if masks is None else masks[()],
        lesion_names=() if masks is None else tuple(json.loads(masks.attrs["names"])),
        lesions=[LesionDose.from_dict(record) for record in records],
        ct_hu=file["image/ct"][()] if "image/ct" in file else None,
        assumptions=tuple(json.loads(root["assumptions"])),
        warnings=tuple(json.loads(root["warnings"])),
        critical=tuple(json.loads(root.get("critical", "[]"))),
        case_yaml=_text(file["case"][()]) if "case" in file else "",
        complete=bool(root["complete"]),
        stopped=_text(root["stopped"]),
        provenance=Provenance(
            version=_text(root["hevesy_version"]),
            commit=_text(root["hevesy_commit"]),
            input_hash=_text(root["input_hash"]),
            table_hashes=json.loads(root["table_hashes"]),
            seed=int(root["seed"]),
            backend=_text(root["backend"]),
            device=_text(root["device"]),
            wall_time_s=float(root["wall_time_s"]),
            physics=PhysicsOptions.recorded(json.loads(root["physics"])),
            created=_text(root["created"]),
            software=json.loads(root["software"]),
        ),
    )


def _read_tally(file: h5py.File) -> Tally:
    group = file["tally"]
    limbs = [(int(low), int(high)) for low, high in file["balance"][()]]
    root = file.attrs
    return Tally(
        energy_quanta=group["energy_quanta"][()],
        energy_quanta_squared=group["energy_quanta_squared"][()],
        region_quanta=group["region_quanta"][()],
        batch_ids=group["batch_ids"][()],
        batch_histories=int(group["batch_ids"].attrs["batch_histories"]),
        balance={name: low | high << 64 for name, (low, high) in zip(BALANCE, limbs, strict=True)},
        counters=json.loads(group.attrs["counters"]),
        region_names=tuple(json.loads(group["region_quanta"].attrs["names"])),
        seed=int(root["seed"]),
        backend=_text(root["backend"]),
        device=_text(root["device"]),
        wall_time_s=float(root["wall_time_s"]),
        complete=bool(root["complete"]),
        options=PhysicsOptions.recorded(json.loads(root["physics"])),
    ).frozen()
