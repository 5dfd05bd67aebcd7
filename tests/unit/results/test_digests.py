"""A damaged or changed result never becomes a number: bytes, values, attributes, numbers that do not fit together.

The long form: ``python -m hevesy.tools.damage_results --bytes 2000``.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.results.digest import ALL, EACH, VALUES, sign, values_digest
from hevesy.engine.results.result import Result
from hevesy.engine.results.trailer import LENGTH
from hevesy.engine.transport.run import run_transport
from hevesy.engine.transport.run_options import RunOptions
from hevesy.phantoms.problems import point_source
from hevesy.tests.unit.results.older import without_digests
from hevesy.tools.damage_results import damaged_copies, everything

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a real run with lesion masks, local dose and all."""
    return a_result().save(tmp_path_factory.mktemp("whole") / "result.h5")


def a_result() -> Result:
    names, problem = ("left", "right"), point_source("I-131", voxel_mm=3.0, voxels=5)
    masks = np.zeros((2, 5, 5, 5), np.uint8)
    masks[0, 2, 2, 1:4], masks[1, :, :, 4] = 255, 100
    tally = run_transport(
        problem, RunOptions(decays=2000, seed=4, backend="cpu", batches=25, regions=masks, region_names=names)
    )
    return Result.from_tally(problem, tally, lesion_masks=masks, lesion_names=names)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(whole, tmp_path / "result.h5"))


def change(file: Path, action: Callable[[h5py.File], None]) -> Path:
    """Change a file by the HDF5 library, which renews its own checksums."""
    with h5py.File(file, "r+") as opened:
        action(opened)
    return file


def refused(file: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        Result.load(file)
    assert caught.value.file == str(file) and caught.value.why and caught.value.suggestion
    return caught.value


def add_one(name: str) -> Callable[[h5py.File], None]:
    def action(file: h5py.File) -> None:
        place = (0,) * file[name].ndim
        file[name][place] = file[name][place] + 1

    return action


def double_the_regions(file: h5py.File) -> None:
    file["tally/region_quanta"][...] = 2 * file["tally/region_quanta"][...]


def set_attribute(place: str, key: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file[place].attrs.__setitem__(key, value)


DATASETS = (
    "density", "dose/mc/mean", "dose/mc/sigma", "lesions/mask", "tally/energy_quanta", "tally/energy_quanta_squared",
    "tally/region_quanta", "tally/batch_ids", "balance",
)  # fmt: skip


def test_every_dataset_states_its_digest_and_the_root_one_of_all(whole):
    with h5py.File(whole) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        assert set(DATASETS) <= set(names)
        assert all(file[name].attrs[VALUES] == values_digest(file[name][()]) for name in names)
        assert len(file.attrs[ALL]) == 64 and file.attrs["format_version"] == "1.3"


@pytest.mark.parametrize("name", DATASETS)
def test_one_more_in_a_dataset_is_refused_by_its_name(copy, name):
    error = refused(change(copy, add_one(name)))
    assert error.field == name and "is not what was written" in error.problem


@pytest.mark.parametrize(
    ("place", "key", "value", "field"),
    [
        ("/", "seed", 5, "seed"),
        ("/", "wall_time_s", 1.0, "wall_time_s"),
        ("/", "warnings", '["other"]', "warnings"),
        ("/", "note", "mine", "note"),
        ("tally", "counters", "{}", "tally@counters"),
        ("dose/mc/mean", "decays", 2.0, "dose/mc/mean@decays"),
        ("density", VALUES, "0" * 64, f"density@{VALUES}"),
    ],
)
def test_another_attribute_is_refused_by_its_name(copy, place, key, value, field):
    assert refused(change(copy, set_attribute(place, key, value))).field == field


def test_doubled_regions_are_refused(copy):
    assert refused(change(copy, double_the_regions)).field == "tally/region_quanta"


def test_a_dataset_or_a_digest_that_is_gone_is_refused(copy, tmp_path):
    other = Path(shutil.copyfile(copy, tmp_path / "other.h5"))
    assert refused(change(copy, lambda file: file.__delitem__("dose/mc/sigma"))).field == "dose/mc/sigma"
    error = refused(change(other, lambda file: file.attrs.__delitem__(ALL)))
    assert "part of the result is missing" in error.problem and ALL in error.problem


def test_what_the_command_says(copy, command):
    change(copy, add_one("tally/energy_quanta"))
    code, _, told = command("merge", copy, "-o", copy.with_name("merged.h5"))
    assert code == 2 and "tally/energy_quanta: is not what was written" in told and "try:" in told
    assert not copy.with_name("merged.h5").exists()


def add_to_balance(row: int) -> Callable[[h5py.File], None]:
    def action(file: h5py.File) -> None:
        file["balance"][row, 0] = file["balance"][row, 0] + 1

    return action


def add_to_emitted_and_deposited(file: h5py.File) -> None:
    add_to_balance(0)(file)
    add_to_balance(1)(file)


IDENTITIES = {
    "emitted": (add_to_balance(0), "balance"),
    "emitted and deposited": (add_to_emitted_and_deposited, "tally/energy_quanta"),
    "a voxel": (add_one("tally/energy_quanta"), "tally/energy_quanta"),
    "regions": (double_the_regions, "tally/region_quanta"),
    "a mask": (lambda file: file["lesions/mask"].__setitem__((0, 2, 2, 2), 7), "tally/region_quanta"),
    "a dose": (lambda f: f["dose/mc/mean"].__setitem__((0, 0, 0), f["dose/mc/mean"][0, 0, 0] * 1.001), "dose/mc/mean"),
    "an error": (lambda f: f["dose/mc/sigma"].__setitem__(..., f["dose/mc/sigma"][...] * 2), "dose/mc/sigma"),
    "squares": (lambda f: f["tally/energy_quanta_squared"].__setitem__((1, 0, 0, 0), 1 << 40), "dose/mc/sigma"),
    "a batch twice": (lambda file: file["tally/batch_ids"].__setitem__(1, 0), "tally/batch_ids"),
    "a batch that is elsewhere": (lambda file: file["tally/batch_ids"].__setitem__(0, 10**6), "history_range"),
    "the size of a batch": (set_attribute("tally/batch_ids", "batch_histories", 7), "balance@histories"),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_numbers_that_do_not_belong_together_are_refused_without_digests_too(copy, name):
    action, field = IDENTITIES[name]
    assert refused(change(without_digests(copy), action)).field == field


@pytest.mark.parametrize("name", ["a voxel", "regions", "emitted", "a dose"])
def test_and_with_digests_that_were_made_anew(copy, name):
    """Digests do not protect against that; some identities do, for nothing."""
    action, field = IDENTITIES[name]

    def signed_anew(file: h5py.File) -> None:
        action(file)
        file.visititems(
            lambda _, item: item.attrs.__setitem__(VALUES, values_digest(item[()])) if VALUES in item.attrs else None
        )
        del file.attrs[ALL], file.attrs[EACH]
        sign(file)

    assert refused(change(copy, signed_anew)).field == field


def test_files_without_digests_are_read(copy):
    before = everything(Result.load(copy))
    assert everything(Result.load(without_digests(copy))) == before
    assert Result.load(DATA / "result_format_1_0.h5").tally is not None


def test_no_damaged_byte_changes_what_is_read(copy, tmp_path):
    """400 bytes and bits, and 20 lengths: refused, or the same."""
    good, seen = everything(Result.load(copy)), {"refused": 0, "same": 0}
    for file in damaged_copies(copy, tmp_path / "damaged.h5", random.Random(3), bytes_=400, cuts=20):
        try:
            seen["same"] += 1 if everything(Result.load(file)) == good else 10**6
        except InputError:
            seen["refused"] += 1
    assert sum(seen.values()) == 420 and seen["refused"] >= 400, seen


def test_a_damaged_byte_never_reaches_the_hdf5_library(copy, monkeypatch):
    """Some damages of its structures end the process there."""
    content = bytearray(copy.read_bytes())
    monkeypatch.setattr(h5py, "File", lambda *_, **__: pytest.fail("was opened"))
    for place in random.Random(8).sample(range(len(content) - LENGTH), 50):
        copy.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        assert "this file is damaged" in refused(copy).problem


def test_a_full_disk_leaves_what_was_there(whole, copy):
    """The HDF5 library is told of no error, since it would end the process; the file is not replaced."""
    result, before = Result.load(whole), copy.read_bytes()
    code = """
import resource, sys
from hevesy import Result
result = Result.load(sys.argv[1])
for size in (100, 5000, 20000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))
    try:
        result.save(sys.argv[2])
    except OSError as error:
        print(error.strerror)
"""
    # -B: Python would write compiled forms of modules, no longer than that, for all processes after
    done = subprocess.run([sys.executable, "-B", "-c", code, whole, copy], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["File too large"] * 3 + [""] and not done.stderr
    assert copy.read_bytes() == before and [file.name for file in copy.parent.iterdir()] == ["result.h5"]
    assert everything(Result.load(result.save(copy))) == everything(result)
