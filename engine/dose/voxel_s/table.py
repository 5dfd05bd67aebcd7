"""Tables of voxel S values as text: i, j, k and S, one line for each neighbour, as they are published."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...constants import JOULE_PER_MEV
from ...errors import InputError
from ...files import parse_json, write_text
from ...tables import CsvFile, CsvRow, read_csv
from ...text import counted, number, percent, shortened
from ...transport.problem_file import emission_from_json, emission_to_json, material_from_json
from .columns import Columns, columns_of
from .complete import completed
from .facts import checked, emission_named, facts_of
from .kernel import GY_PER_DECAY, VoxelKernel
from .media import medium_named
from .symmetry import octant_of, symmetries, unfolded
from .told import Told

#: Most neighbours along an axis that a table may have; a larger index is a position, or a mistake.
LARGEST_INDEX = 1000
UNIT = "mGy/(MBq s)"
_FACT = re.compile(r"#\s*([a-z][a-z ]*?)\s*:\s*(.*)")


def write_table(kernel: VoxelKernel, path: Path) -> Path:
    """Write the octant of a kernel as a table; returns its path."""
    scale = JOULE_PER_MEV / (kernel.voxel_mass_g * 1e-3) / GY_PER_DECAY
    values = octant_of(kernel.energy_mev) * scale
    errors = octant_of(kernel.standard_error_mev) * scale
    out = io.StringIO()
    out.write("".join(f"# {line}\n" for line in _header(kernel)))
    out.write(f"i,j,k,S [{UNIT}],standard error [{UNIT}]\n")
    index = np.indices(values.shape).reshape(3, -1)
    rows = zip(*index.tolist(), values.ravel().tolist(), errors.ravel().tolist(), strict=True)
    out.writelines(f"{i},{j},{k},{s:.12g},{e:.6g}\n" for i, j, k, s, e in rows)
    return write_text(path, out.getvalue())


def _header(kernel: VoxelKernel) -> list[str]:
    dz, dy, dx = kernel.voxel_size_mm
    progeny = kernel.progeny if isinstance(kernel.progeny, str) else " ".join(kernel.progeny)
    lines = [
        "voxel S values; i, j, k count voxels from the source along z, y, x; the other octants are mirror images",
        f"nuclide: {kernel.emission.nuclide}",
        f"progeny: {progeny}",
        f"voxel: {dz!r} x {dy!r} x {dx!r} mm (z, y, x)",
        f"medium: {kernel.medium.name}",
        f"density: {kernel.density_g_cm3!r} g/cm3",
        f"emitted: {kernel.emitted_mev!r} MeV per decay",
        f"truncated: {number(kernel.truncated_mev)} MeV per decay, {percent(kernel.truncated_share)} of it",
        f"symmetries: {symmetries(kernel.voxel_size_mm)}",
    ]
    if kernel.decays:
        lines.append(f"simulated: {kernel.decays} decays, seed {kernel.seed}, backend {kernel.backend}")
    if kernel.averaged_from_mm is not None:
        lines.append(f"averaged over directions: from {kernel.averaged_from_mm!r} mm")
    lines += [f"note: {' '.join(note.split())}" for note in kernel.notes]
    return [*lines, *_unnamed(kernel)]


def _unnamed(kernel: VoxelKernel) -> list[str]:
    """Emission and composition, where the nuclide and the medium do not give them."""
    lines = []
    facts = facts_of(kernel)
    try:
        emission, _ = emission_named(kernel.emission.nuclide, kernel.progeny)
        same = emission_to_json(emission) == facts["emission"]
    except InputError:
        same = False
    if not same:
        lines.append(f"emission: {json.dumps(facts['emission'])}")
    try:
        same = medium_named(kernel.medium.name)[0] == kernel.medium
    except InputError:
        same = False
    if not same:
        lines.append(f"composition: {json.dumps(facts['medium'])}")
    return lines


def read_table(path: Path, told: Told) -> VoxelKernel:
    """Read a table; see :func:`~hevesy.engine.dose.voxel_s.files.read_kernel`."""
    table = read_csv(path, "give a table of i, j, k and S")
    if not table.data:
        raise InputError(
            "has no values",
            why="a table of voxel S values has one line for each neighbour",
            suggestion="give lines of i, j, k and S below the heading",
            file=path,
        )
    facts = _facts(table)
    blank = replace(told, **_stated(facts, told, path)).kernel(None, path)
    blank = replace(blank, **_history(facts, path))
    columns = columns_of(table)
    factor, unit = told.mev_per_value(blank, columns.unit, path)
    offsets, values, errors, lines = _values(table, columns)
    octants = completed(offsets, [values, errors], lines, blank.voxel_size_mm, path)
    energy, error = (unfolded(octant) * factor for octant in octants)
    kernel = replace(blank, energy_mev=energy, standard_error_mev=error)
    if columns.unread:
        named = " and ".join(repr(name) for name in columns.unread)
        kernel = kernel.with_notes((*kernel.notes, f"Not read: the columns {named}."))
    return checked(kernel, path, unit)


def _facts(table: CsvFile) -> dict[str, list[str]]:
    """The lines ``# name: value`` above a table, by name."""
    out: dict[str, list[str]] = {}
    for line in table.comments:
        match = _FACT.fullmatch(line)
        if match:
            out.setdefault(match[1], []).append(match[2])
    return out


def _history(facts: dict[str, list[str]], path: Path) -> dict[str, Any]:
    """How a table of ours came about: fields of the kernel; none in a table of others."""
    if "emitted" not in facts:
        return {}
    out: dict[str, Any] = {
        "emitted_mev": _first_number(facts["emitted"][0], "emitted", path),
        "notes": tuple(facts.get("note", [])),
    }
    if "simulated" in facts:
        match = re.fullmatch(r"(\d+) decays, seed (\d+), backend (\w+)", facts["simulated"][0])
        if match is None:
            raise _unreadable("simulated", facts["simulated"][0], "decays, seed and backend", path)
        out |= {"decays": int(match[1]), "seed": int(match[2]), "backend": match[3]}
    if "averaged over directions" in facts:
        text = facts["averaged over directions"][0].removeprefix("from ")
        out["averaged_from_mm"] = _first_number(text, "averaged over directions", path)
    return out


def _stated(all_facts: dict[str, list[str]], told: Told, path: Path) -> dict[str, Any]:
    """What the header of a table of ours states, where it does not contradict what is stated otherwise."""
    facts = {name: texts[0] for name, texts in all_facts.items()}
    out: dict[str, Any] = {}
    if facts.get("nuclide"):
        out["nuclide"] = facts["nuclide"]
    if "emission" in facts:
        out["emission"] = emission_from_json(_json(facts["emission"], "emission", path), path)
    if "composition" in facts:
        out["material"] = material_from_json(0, _json(facts["composition"], "composition", path), path)
    if "progeny" in facts:
        text = facts["progeny"]
        out["progeny"] = text if text in ("none", "equilibrium") else tuple(text.split())
    if "voxel" in facts:
        sizes = re.findall(r"[\d.]+(?:e[-+]?\d+)?", facts["voxel"].split("mm")[0])
        if len(sizes) != 3:
            raise _unreadable("voxel", facts["voxel"], "three sides", path)
        out["voxel_size_mm"] = tuple(float(v) for v in sizes)
    if "medium" in facts:
        out["medium"] = facts["medium"]
    if "density" in facts:
        out["density_g_cm3"] = _first_number(facts["density"], "density", path)
    if {"voxel_size_mm", "medium"} <= set(out) and {"nuclide", "emission"} & set(out):
        whole = {"density_g_cm3": told.density_g_cm3} | out  # a header without a density leaves it to the option
        told.check(Told(**whole).kernel(None, path), path)
        return out
    return {name: value for name, value in out.items() if getattr(told, name) is None}


def _first_number(text: str, fact: str, path: Path) -> float:
    try:
        return float(text.split()[0])
    except (ValueError, IndexError):
        raise _unreadable(fact, text, "a number", path) from None


def _json(text: str, fact: str, path: Path) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise _unreadable(fact, text, "JSON", path) from None


def _unreadable(fact: str, text: str, needed: str, path: Path) -> InputError:
    return InputError(
        f"states of {fact}: {shortened(text, 40)!r}",
        why=f"needed: {needed}",
        suggestion="write the table again with `hevesy kernels`, or remove the line and state it as an option",
        file=path,
        field=fact,
    )


def _values(table: CsvFile, columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """Offsets (n, 3), values and errors (n,), and the lines they stand in."""
    width = len(table.rows[0].cells)
    offsets, values, errors, lines = [], [], [], []
    for row in table.data:
        if len(row.cells) != width:
            raise table.refusal(
                f"{counted(len(row.cells), 'cell')} in a table of {counted(width, 'column')}",
                row.line,
                why="which is which is not known",
                suggestion="give one cell for each column",
            )
        offsets.append([_offset(table, row, place) for place in columns.index])
        values.append(table.number(row.cells[columns.value], row.line, "S"))
        errors.append(0.0 if columns.error is None else columns.error_of(table, row, values[-1]))
        lines.append(row.line)
    return np.array(offsets, np.int64), np.array(values), np.array(errors), lines


def _offset(table: CsvFile, row: CsvRow, place: int) -> int:
    value = table.number(row.cells[place], row.line)
    if value != int(value) or abs(value) > LARGEST_INDEX:
        raise table.refusal(
            f"the offset {row.cells[place]!r}",
            row.line,
            why="offsets count voxels from the source: whole numbers, 0 for the source",
            suggestion="divide positions by the voxel size",
        )
    return int(value)
