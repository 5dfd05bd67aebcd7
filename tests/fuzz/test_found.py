"""What the fuzzer has found, each as its kind: one message, or the right numbers, and nothing lost without a word."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest
from hevesy.engine.compare.foreign import read_dose_map
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.masks.read import read_masks
from hevesy.engine.imaging.sorting.archives import unpack
from hevesy.engine.text import shown_name
from hevesy.engine.transport.problem_file import load_problem
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tools.fuzz import dicom
from hevesy.tools.fuzz.kinds import archive as zips
from hevesy.tools.fuzz.kinds import problem, result
from hevesy.tools.fuzz.kinds.dicom import GRID
from hevesy.tools.fuzz.registry import KINDS
from pydicom import dcmread

SIMULATE = ("simulate", "p.npz", "-o", "r.h5", "--decays", "20", "-q")


def refused(answer: tuple[int, str, str], *words: str) -> None:
    """Exit code 2 and one message with problem, reason and advice."""
    code, out, err = answer
    assert code == 2, out + err
    assert "why:" in err and "try:" in err and "Traceback" not in err and "error of hevesy itself" not in err
    assert all(word in err for word in words), err


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# -------------------------------------------------------------------------------------------------- all inputs

DIGESTS = """
import hashlib, json
from hevesy.tools.fuzz.registry import KINDS, sample_of
found = {}
for kind in KINDS.values():
    samples = [sample_of(kind, number) for number in range(12)]
    # HDF5 notes in a virtual array when it was made: parts of a result have the same base, which is here
    parts = [] if kind.name == "result-parts" else [sorted(sample.files.items()) for sample in samples]
    found[kind.name] = hashlib.sha256(repr(([sample.change for sample in samples], parts)).encode()).hexdigest()
print(json.dumps(found))
"""


def test_an_input_is_the_same_in_every_process(tmp_path: Path) -> None:
    """What was found is found again: neither the clock, nor chance, nor the order of a set or a folder is in it."""
    words, told = [sys.executable, "-W", "ignore", "-c", DIGESTS], []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        env = {**os.environ, "PYTHONHASHSEED": seed, "TMPDIR": str(tmp_path / seed)}
        told.append(json.loads(subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout))
    assert told[0] == told[1] and set(told[0]) == set(KINDS)


# ------------------------------------------------------------------------------------------------ problem files


@pytest.mark.parametrize("shape", ["(" + "10" * 150 + ", 3)", str((10**30,) * 300), "(2305843009213693952, 8)"])
def test_a_shape_beyond_all_numbers(shape: str, command) -> None:
    listed = problem.entries(problem.BASE)
    listed["density_g_cm3.npy"] = problem.header(shape) + bytes(96)
    Path("p.npz").write_bytes(problem.archive(listed))
    refused(command(*SIMULATE), "p.npz")


def damaged_list(content: bytes, name: bytes, offset: int, value: int) -> bytes:
    """A ZIP file with one byte changed in its list of entries, at an offset from the entry's name there."""
    out = bytearray(content)
    at = content.rfind(name)
    out[at + offset] = value
    return bytes(out)


@pytest.mark.parametrize("name", [b"regions.npy", b"physics.npy", b"region_names.npy"])
def test_an_array_whose_name_is_damaged_is_not_taken_for_absent(name: bytes) -> None:
    content = problem.archive(problem.entries(problem.BASE))
    Path("p.npz").write_bytes(damaged_list(content, name, 2, ord("X")))
    with pytest.raises(InputError, match="damaged"):
        load_problem("p.npz")


def test_a_list_that_is_cut_by_its_own_comment_is_not_taken_for_whole() -> None:
    """46 bytes before a name begins its entry, whose comment has its length at byte 32: it swallows what follows."""
    content = problem.archive(problem.entries(problem.BASE))
    Path("p.npz").write_bytes(damaged_list(content, b"region_names.npy", 33 - 46, 8))
    with pytest.raises(InputError, match="damaged"):
        load_problem("p.npz")
    packed = zips.packed(zips.CONTENT)
    Path("all.zip").write_bytes(damaged_list(packed, b"export/pet.nii.gz", 33 - 46, 8))
    with pytest.raises(InputError, match="files would be missing"):
        unpack(Path("all.zip"), Path())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice() -> None:
    out = io.BytesIO(problem.archive(problem.entries(problem.BASE)))
    with zipfile.ZipFile(out, "a") as file:
        file.writestr("source.npy", problem.npy(np.ones(problem.SHAPE)))
    Path("p.npz").write_bytes(out.getvalue())
    with pytest.raises(InputError, match="source: .*\n.*twice"):
        load_problem("p.npz")


@pytest.mark.parametrize("value", [10**400, "far", None, float("inf")])
def test_an_option_of_the_physics_that_is_no_number(value: object, command) -> None:
    content = {**problem.BASE, "physics": {"electron_cutoff_mev": value}}
    Path("p.npz").write_bytes(problem.archive(problem.entries(content)))
    refused(command(*SIMULATE), "electron_cutoff_mev")


def test_a_large_archive_of_many_entries_is_read() -> None:
    """Numbers of entries above 65534 are stated in another record."""
    out = io.BytesIO(problem.archive(problem.entries(problem.BASE)))
    with zipfile.ZipFile(out, "a") as file:
        for number in range(65_600):
            file.writestr(f"x{number}", b"")
    Path("p.npz").write_bytes(out.getvalue())
    assert load_problem("p.npz").region_names == ("tumour", "liver")


# --------------------------------------------------------------------------------------------------- case files


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("methods", "[[mc], local]", "unknown dose method"),
        ("methods", "[{mc: local}]", "unknown dose method"),
        ("tissue", f"{{calibration: {'9' * 5000}}}", "is not a path"),
        ("tissue", "{calibration: ~nobody-here/x.csv}", "is not a path"),
        ("tissue", '{calibration: "a\\0b"}', "no such file"),
        ("tissue", "{calibration: [a.csv]}", "is not a path"),
    ],
)
def test_values_of_a_case(key: str, value: str, words: str, command) -> None:
    file = write_small_case(Path("p"), f"{TEXT}{key}: {value}\n")
    refused(command("check", file), key, words)


def test_settings_in_the_home_of_nobody(command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEVESY_CONFIG", "~nobody-here/defaults.yaml")
    refused(command("config"), "HEVESY_CONFIG")


# ------------------------------------------------------------------------------------------------------ archives


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_bytes_of_any_method_that_are_damaged(method: int, command) -> None:
    content = bytearray(zips.packed({"a.dcm": Random(1).randbytes(3000)}, method))
    content[200:400] = bytes(200)
    Path("all.zip").write_bytes(bytes(content))
    refused(command("import", "all.zip", "-o", "case.yaml"), "a.dcm", "damaged")
    assert sorted(path.name for path in Path().iterdir()) == ["all.zip"]


def test_an_entry_without_a_name(command) -> None:
    Path("all.zip").write_bytes(zips.packed({"a.dcm": b"x", "": b"y"}))
    refused(command("import", "all.zip", "-o", "case.yaml"), "no name")


@pytest.mark.parametrize("change", [b"export/CT/\0\1dcm", b"export/CT/2.dc/", b"export/CT/._dcm"])
def test_a_damaged_name_does_not_make_a_folder_of_a_file(change: bytes) -> None:
    content = zips.packed(zips.CONTENT)
    at = content.rfind(b"export/CT/2.dcm")
    Path("all.zip").write_bytes(content[:at] + change + content[at + len(change) :])
    with pytest.raises(InputError, match="damaged"):
        unpack(Path("all.zip"), Path())


@pytest.mark.parametrize("hidden", ["\ufeff", "\u200b", "\u2060", "\xad"])
def test_names_that_look_the_same_are_the_same(hidden: str) -> None:
    """A structure is found by its name, and nobody sees what does not print."""
    assert shown_name(f"node{hidden}") == shown_name("node") == "node" and shown_name(hidden) == "unnamed"


@pytest.mark.parametrize("content", [{}, {"__MACOSX/._x": b"x"}])
def test_an_archive_without_files(content: dict[str, bytes], command) -> None:
    Path("all.zip").write_bytes(zips.packed(content))
    code, _, err = command("import", "all.zip", "-o", "case.yaml")
    assert code == 2 and "Traceback" not in err and not Path("case.yaml").exists()
    with pytest.raises(InputError, match="no file"):
        unpack(Path("all.zip"), Path())


# --------------------------------------------------------------------------------------------------------- DICOM


def dose(**changes: object) -> None:
    data = dicom.rtdose()
    for name, value in changes.items():
        setattr(data, name, value)
    Path("d.dcm").write_bytes(dicom.content(data))


def test_a_dose_as_it_is() -> None:
    dose()
    assert read_dose_map("d.dcm", GRID).mean == pytest.approx(dicom.STORED * 0.125)


def test_a_transfer_syntax_that_is_none() -> None:
    dose()
    content = Path("d.dcm").read_bytes()
    Path("d.dcm").write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.5.1\0\0\0", 1))
    with pytest.raises(InputError, match="compression unknown"):
        read_dose_map("d.dcm", GRID)


def test_pixels_without_a_value() -> None:
    dose(PixelData=None)
    with pytest.raises(InputError, match="truncated"):
        read_dose_map("d.dcm", GRID)
    from hevesy.tools.fuzz.kinds.dicom import _segmentation

    segmentation = dcmread(io.BytesIO(_segmentation()))
    segmentation.PixelData = None
    Path("s.dcm").write_bytes(dicom.content(segmentation))
    with pytest.raises(InputError):
        read_masks("s.dcm", GRID, dicom.uid("frame"))


def test_a_directory_of_dicom_files_leads_nowhere() -> None:
    """A DICOMDIR may name files anywhere; it is not followed."""
    Path("out").mkdir()
    for number, data in enumerate(dicom.slices("CT")):
        Path(f"out/{number}").write_bytes(dicom.content(data))
    Path("in").mkdir()
    Path("in/DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"..\\out\\0")
    from hevesy.engine.imaging.volumes import read_ct

    with pytest.raises(InputError):
        read_ct(Path("in"))


# ------------------------------------------------------------------------------------------------------- results


@pytest.mark.parametrize("kind", ["external link", "soft link", "virtual", "external storage"])
def test_nothing_outside_a_result_is_read(kind: str, command) -> None:
    with h5py.File("other.h5", "w") as other:
        other["density"] = np.full((2, 3, 4), 7.0, np.float32)
    np.full(24, 7.0, np.float32).tofile("raw")
    Path("r.h5").write_bytes(result.base())
    with h5py.File("r.h5", "a") as file:
        del file["density"]
        if kind == "external link":
            file["density"] = h5py.ExternalLink("other.h5", "/density")
        elif kind == "soft link":
            file["density"] = h5py.SoftLink("/dose/mc/mean")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((2, 3, 4), np.float32)
            layout[...] = h5py.VirtualSource("other.h5", "density", (2, 3, 4))
            file.create_virtual_dataset("density", layout)
        else:
            file.create_dataset("density", (2, 3, 4), np.float32, external=[("raw", 0, 96)])
    refused(command("merge", "r.h5", "-o", "m.h5"), "r.h5")


# ----------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "a\\b", ""])
def test_a_job_names_only_files_of_its_own_folder(name: str, command) -> None:
    from hevesy.tools.fuzz.kinds.records import JOB

    Path("j").mkdir()
    Path("j/job.json").write_text(json.dumps({**JOB, "files": {name: "ab" * 32}}), encoding="utf-8")
    code, out, err = command("job", "j")
    assert code != 0 and "Traceback" not in out + err
    assert not {"result.h5", "x"} & {path.name for path in Path().rglob("*")}
