"""Result files that are damaged, or made to hurt: one message of our own, before anything large is read."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.results.result import Result
from hevesy.engine.simulation import simulate
from hevesy.tests.unit.results.older import without_digests
from hevesy.tests.unit.transport.test_problem import good


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("result") / "r.h5"
    simulate(good(), 200, backend="cpu").save(file)
    return without_digests(file)


def changed(whole: Path, folder: Path, change) -> Path:
    file = folder / "r.h5"
    shutil.copyfile(whole, file)
    with h5py.File(file, "a") as opened:
        change(opened)
    return file


def put(name, **dataset):
    """Replace a dataset."""

    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **dataset)

    return change


def point_outside(file: h5py.File) -> None:
    del file["density"]
    file["density"] = h5py.ExternalLink("/etc/hostname", "/density")


def point_inside(file: h5py.File) -> None:
    del file["density"]
    file["density"] = h5py.SoftLink("/dose/mc/mean")


def make_a_group(file: h5py.File) -> None:
    del file["density"]
    file.create_group("density")


def attribute(key, value):
    def change(file: h5py.File) -> None:
        file.attrs[key] = value

    return change


CHANGES = {
    "an external link": point_outside,
    "a soft link": point_inside,
    "a group for a dataset": make_a_group,
    "external storage": put("density", shape=(2, 3, 4), dtype="f4", external=[("/etc/hostname", 0, 96)]),
    "a huge shape": put("density", shape=(10**6,) * 3, dtype="f4", chunks=(1, 100, 100)),
    "a huge tally": put("tally/energy_quanta", shape=(10**6,) * 3, dtype="i8", chunks=(1, 100, 100)),
    "text for numbers": put("density", data="text"),
    "another shape": put("density", data=np.ones((2, 3), np.float32)),
    "other batches": put("tally/batch_ids", data=np.arange(3)),
    "one mean of another grid": put("dose/mc/mean", data=np.ones((1, 1, 1))),
    "floats for integers": put("tally/energy_quanta", data=np.ones((2, 3, 4))),
    "names that are a number": lambda file: file["tally/region_quanta"].attrs.__setitem__("names", "5"),
    "a seed that is text": attribute("seed", "x"),
    "a seed that is a list": attribute("seed", [1, 2]),
    "a time that is infinite": attribute("wall_time_s", np.inf),
    "assumptions that are a number": attribute("assumptions", 5),
    "assumptions that are no list": attribute("assumptions", "{}"),
    "deep JSON": attribute("warnings", "[" * 20_000 + "]" * 20_000),
    "physics that is a list": attribute("physics", "[]"),
    "spacing of one number": attribute("spacing_mm", 1.0),
    "spacing of nothing": attribute("spacing_mm", np.zeros(3)),
    "no direction": lambda file: file.attrs.__delitem__("direction"),
    "records that are a number": lambda file: file.create_dataset("lesions/records", data="5"),
    "records that are texts": lambda file: file.create_dataset("lesions/records", data='["a"]'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_no_result_is_refused(name, whole, tmp_path):
    file = changed(whole, tmp_path, CHANGES[name])
    with pytest.raises(InputError) as caught:
        Result.load(file)
    assert caught.value.why and caught.value.suggestion and str(file) in str(caught.value)


def test_no_damage_to_its_parts_gives_another_error(whole, tmp_path):
    """80 seeded changes of parts (not of bytes, on which HDF5 itself may fail): our own error, or a result."""
    rng = random.Random(5)
    names: list[str] = []
    with h5py.File(whole, "r") as opened:
        opened.visit(names.append)
        keys = list(opened.attrs)
    values = (1, -1, "x", b"\xff", np.zeros(3), np.array([b"a"]), "", 1e300, np.nan, "[]", "null", True)
    for number in range(80):

        def change(file: h5py.File) -> None:
            name, value = rng.choice(names), rng.choice(values)
            kind = rng.randrange(3)
            if kind == 0:
                file.attrs[rng.choice(keys)] = value
            elif kind == 1:
                del file[name]
            else:
                del file[name]
                file[name] = value

        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            Result.load(changed(whole, folder, change))
        except InputError as error:
            assert error.why and error.suggestion
