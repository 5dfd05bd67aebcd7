"""Damaged and hostile files."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .patient import write_patient
from .trap import Right, Trap

#: Commands that read a problem and a result.
_SIMULATE = ("simulate p.npz -o r.h5 --decays 200 -q",)
_MERGE = ("merge r.h5 -o m.h5",)

_WATER = {
    "name": "water", "Z": [1, 8], "mass_fraction": [0.111894, 0.888106], "mean_excitation_ev": 75.0,
    "nominal_density_g_cm3": 1.0,
}  # fmt: skip


def _problem(**changes: object) -> Callable[[Path], None]:
    """A cube of water with one electron line, entries changed; None leaves one out."""
    shape = (4, 4, 4)
    entries: dict[str, object] = {
        "density_g_cm3": np.ones(shape, np.float32),
        "material": np.zeros(shape, np.uint8),
        "materials": json.dumps([_WATER]),
        "voxel_size_mm": np.full(3, 3.0),
        "source": np.ones(shape, np.float32),
        "emission": json.dumps({"electron_lines": [[0.2, 1.0]]}),
        **changes,
    }

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "p.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, value in entries.items():
                archive.writestr(f"{name}.npy", value if isinstance(value, bytes) else _npy(value))

    return make


def _npy(value: object) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(value), allow_pickle=True)
    return out.getvalue()


def _header(shape: str, kind: str = "<f4") -> bytes:
    """The header of an array file without its values."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


class _Touch:
    """Unpickled, it would write a file."""

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, ("pickled-code-ran", 0o755)


def _case(more: str) -> Callable[[Path], None]:
    return lambda folder: _put(folder, "case.yaml", lambda text: text + more)


def _put(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """The patient with one text file changed."""
    write_patient(folder)
    file = folder / name
    file.write_text(change(file.read_text("utf-8")), "utf-8")


def _renamed(former: str, today: str) -> Callable[[Path], None]:
    return lambda folder: _put(folder, "case.yaml", lambda text: text.replace(former, today))


def _aliases() -> str:
    """Twenty lines that stand for ten to the twentieth values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 20):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    return "\n".join(lines) + "\n"


def _pipe(folder: Path) -> None:
    write_patient(folder, case={"more": "recovery: {curve: rc.csv}\n"})
    os.mkfifo(folder / "rc.csv")


def _result(change: Callable[[object], None]) -> Callable[[Path], None]:
    """An HDF5 file that says it is a result, and little more."""

    def make(folder: Path) -> None:
        import h5py

        with h5py.File(folder / "r.h5", "w", locking=False) as file:
            file.attrs.update(format="hevesy-result", format_version="1.1", kind="simulate")
            change(file)

    return make


def _external(file: object) -> None:
    import h5py

    file["density"] = h5py.ExternalLink("/etc/hostname", "/density")  # type: ignore[index]


def _huge(file: object) -> None:
    file.attrs.update(spacing_mm=np.ones(3), origin_mm=np.zeros(3))  # type: ignore[attr-defined]
    file.create_dataset("density", shape=(10**6,) * 3, dtype="f4", chunks=(1, 100, 100))  # type: ignore[attr-defined]


def _refused(*says: str) -> Right:
    return Right(refused=True, says=says)


def _simulated(name: str, situation: str, right: str, make: Callable[[Path], None], *says: str) -> Trap:
    return Trap(name, situation, right, make, _refused("p.npz", *says), _SIMULATE, source="report")


_CUBE = (4, 4, 4)

TRAPS: tuple[Trap, ...] = (
    _simulated(
        "problem-of-a-million-cubed",
        "The density of a problem file declares 10^18 voxels and holds none.",
        "Refused before any of them is asked of the memory.",
        _problem(density_g_cm3=_header("(1000000, 1000000, 1000000)")),
        "density_g_cm3",
    ),
    _simulated(
        "problem-with-pickled-objects",
        "The notes of a problem file are a pickled object that would run code.",
        "Refused; nothing is unpickled.",
        _problem(notes=np.array(_Touch(), dtype=object)),
        "pickled",
    ),
    Trap(
        "problem-with-a-bomb-nobody-needs",
        "A problem file holds an entry of another name that unfolds to 200 MB.",
        "Read: the entry is not.",
        _problem(extra=bytes(200_000_000)),
        Right(),
        _SIMULATE,
        source="report",
    ),
    _simulated(
        "problem-of-many-materials",
        "A problem file lists 300 materials, which its index of one byte cannot tell apart.",
        "Refused.",
        _problem(materials=json.dumps([_WATER] * 300), material=np.full(_CUBE, 299)),
        "materials",
    ),
    _simulated(
        "problem-with-negative-regions",
        "A region of a problem file has the label -1.",
        "Refused: regions are 1 to 255.",
        _problem(regions=np.full(_CUBE, -1), region_names='["a"]'),
        "regions",
    ),
    _simulated(
        "problem-with-half-regions",
        "Regions of a problem file have labels of 1.5, as after an interpolation.",
        "Refused.",
        _problem(regions=np.full(_CUBE, 1.5), region_names='["a"]'),
        "regions",
    ),
    _simulated(
        "problem-whose-energy-wraps",
        "An alpha line of 10^9 MeV would overflow the sums of energy.",
        "Refused.",
        _problem(emission=json.dumps({"alpha_lines": [[1e9, 1.0]], "electron_lines": [[0.2, 1.0]]})),
        "alpha_lines",
    ),
    Trap(
        "problem-with-a-rare-emission",
        "Half of the energy is emitted once in 100,000 decays, and 200 are simulated.",
        "Read, with a warning that the run does not show it.",
        _problem(emission=json.dumps({"electron_lines": [[1e-4, 1.0]], "photon_lines": [[10.0, 1e-5], [0.05, 1e-3]]})),
        Right(says=("expected less than once",)),
        _SIMULATE,
        source="report",
    ),
    _simulated(
        "problem-with-notes-that-are-a-number",
        "The notes of a problem file are the number 5.",
        "Refused.",
        _problem(notes="5"),
        "notes",
    ),
    _simulated(
        "problem-of-dates",
        "The source of a problem file is an array of dates.",
        "Refused.",
        _problem(source=np.full(_CUBE, "2020-01-01", dtype="datetime64[D]")),
        "source",
    ),
    Trap(
        "result-that-points-outside",
        "The density of a result file is a link to another file of the machine.",
        "Refused; the other file is not opened.",
        _result(_external),
        _refused("r.h5", "density", "another place"),
        _MERGE,
        source="report",
    ),
    Trap(
        "result-of-a-million-cubed",
        "The density of a result file declares 10^18 voxels and holds none.",
        "Refused before any of them is asked of the memory.",
        _result(_huge),
        _refused("r.h5", "density"),
        _MERGE,
        source="report",
    ),
    Trap(
        "case-of-endless-references",
        "A short case file repeats its values by references, 10^20 times.",
        "Refused within a second.",
        _case(_aliases()),
        _refused("case.yaml", "references"),
        source="report",
    ),
    Trap(
        "case-that-contains-itself",
        "A list of the case file contains itself.",
        "Refused.",
        _case("a: &a [*a]\n"),
        _refused("case.yaml", "references"),
        source="report",
    ),
    Trap(
        "case-nested-without-end",
        "The case file opens 5000 lists inside each other.",
        "Refused.",
        _case("a: " + "[" * 5000 + "]" * 5000 + "\n"),
        _refused("case.yaml", "deep"),
        source="report",
    ),
    Trap(
        "case-with-references",
        "The case file states a folder once, and refers to it.",
        "Read.",
        lambda folder: _put(
            folder, "case.yaml", lambda t: t.replace('ct: "CT"', 'ct: &ct "CT"', 1).replace('ct: "CT"', "ct: *ct")
        ),
        Right(hours=(24.0, 96.0), lesions={"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}}),
    ),
    Trap(
        "case-of-a-name-with-a-zero-byte",
        "The patient's name holds a zero byte.",
        "Refused.",
        _renamed("patient: P01", 'patient: "P\\0 1"'),
        _refused("case.yaml", "patient", "control character"),
        source="report",
    ),
    Trap(
        "case-of-half-a-character",
        "The name of a visit is half of a character (a lone surrogate).",
        "Refused.",
        _renamed("name: baseline", 'name: "\\uD800"'),
        _refused("case.yaml"),
        source="report",
    ),
    Trap(
        "case-of-an-empty-name",
        "The patient's name is empty.",
        "Refused.",
        _renamed("patient: P01", 'patient: " "'),
        _refused("case.yaml", "patient"),
        source="report",
    ),
    Trap(
        "case-of-a-name-of-300-letters",
        "The patient's name has 300 letters, more than a folder's can have.",
        "Refused.",
        _renamed("patient: P01", f"patient: {'x' * 300}"),
        _refused("case.yaml", "300 characters"),
        source="report",
    ),
    Trap(
        "case-that-moves-the-cursor",
        "The name of a visit clears the terminal.",
        "Refused, and the terminal is left alone.",
        _renamed("name: baseline", 'name: "\\e[2Jx"'),
        Right(refused=True, says=("control character",), unsaid=("\x1b",)),
        source="report",
    ),
    Trap(
        "table-that-is-a-pipe",
        "The recovery curve is a named pipe that nobody writes to.",
        "Refused; nobody waits for it.",
        _pipe,
        _refused("rc.csv", "pipe"),
        source="report",
    ),
    Trap(
        "table-with-an-endless-cell",
        "One cell of the recovery curve has 200,000 characters.",
        "Refused.",
        lambda folder: _with_table(folder, "diameter_mm,recovery\n10," + "9" * 200_000 + "\n"),
        _refused("rc.csv", "128 kB"),
        source="report",
    ),
)


def _with_table(folder: Path, text: str) -> None:
    write_patient(folder, case={"more": "recovery: {curve: rc.csv}\n"})
    (folder / "rc.csv").write_text(text)
