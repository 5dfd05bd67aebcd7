"""The result file: exact there and back, refused when foreign, truncated or newer, merged exactly."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hevesy.engine.constants import QUANTUM_MEV
from hevesy.engine.errors import InputError
from hevesy.engine.export.tables import read_lesions_json, write_lesions_csv, write_lesions_json
from hevesy.engine.grid import Grid
from hevesy.engine.lesions.columns import BY_NAME, header
from hevesy.engine.lesions.metrics import DoseContext, DoseMaps, LesionParts, MeanDoseErrors, summarise
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics.material import Material
from hevesy.engine.results.balance import Balance
from hevesy.engine.results.hdf5 import FORMAT_VERSION
from hevesy.engine.results.merge import merge
from hevesy.engine.results.provenance import problem_hash
from hevesy.engine.results.result import Result
from hevesy.engine.statistics import square_limbs
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.tally import Tally
from hevesy.tests.unit.results.older import without_digests

SHAPE, PER_BATCH = (9, 11, 12), 500
WATER = Material("water", (1, 8), (0.111894, 0.888106), 78.0, 1.0)


def problem(scale: float = 1.0) -> Problem:
    density = np.full(SHAPE, 1.0, dtype=np.float32)
    density[0] = 0.0012
    source = np.zeros(SHAPE, dtype=np.float32)
    source[2, 3, 3] = scale
    return Problem(
        density,
        np.zeros(SHAPE, np.uint8),
        (WATER,),
        (4.0, 3.0, 2.0),
        source,
        Emission("test", electron_lines=np.array([[0.2, 1.0]])),
    )


def batch(b: int) -> np.ndarray:
    return np.random.default_rng([7, b]).integers(0, 2**44, size=SHAPE)


def tally(batches: range, **changes) -> Tally:
    """Batches whose integers follow from their number, as the transport's do: any shards of one run agree."""
    out = Tally.empty(
        SHAPE,
        2,
        PER_BATCH,
        7,
        backend="cpu",
        device="2 cores",
        wall_time_s=1.5,
        region_names=("A", "B"),
        options={"photon_cutoff_mev": 0.001},
    )
    for b in batches:
        quanta = batch(b)
        regions = np.array([quanta[1].sum() * 255, quanta[2, 2, 2] * 100])
        deposited = int(quanta.sum())
        escaped = 3 * 2**61
        counters = {"emitted": deposited + escaped, "deposited": deposited, "escaped": escaped, "steps": 10}
        out.add_batch(b, quanta, regions, counters)
    return replace(out, **changes)


def shard(batches: range, p: Problem | None = None, **changes) -> Result:
    return Result.from_tally(p or problem(), tally(batches, **changes))


@pytest.fixture(scope="module")
def whole() -> Result:
    return shard(range(60))


def same(a: Result, b: Result) -> None:
    for name in ("energy_quanta", "energy_quanta_squared", "region_quanta", "batch_ids"):
        left, right = getattr(a.tally, name), getattr(b.tally, name)
        assert left.dtype == right.dtype and np.array_equal(left, right), name
    assert a.tally.balance == b.tally.balance and a.tally.counters == b.tally.counters
    assert np.array_equal(a.dose_gy_per_decay, b.dose_gy_per_decay)
    assert np.array_equal(a.sigma_gy_per_decay, b.sigma_gy_per_decay)


def test_dose_and_sigma_are_the_textbook_values(whole):
    batches = np.stack([batch(b) for b in range(60)])
    per_decay = batches / 2**26 / PER_BATCH * 1.602176634e-13 / (0.024e-3 * problem().density_g_cm3)
    np.testing.assert_allclose(whole.dose_gy_per_decay, per_decay.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(whole.sigma_gy_per_decay, per_decay.std(axis=0, ddof=1) / 60**0.5, rtol=1e-6)
    assert (whole.backend, whole.device, whole.seed, whole.histories) == ("cpu", "2 cores", 7, 60 * PER_BATCH)
    assert whole.grid == Grid(SHAPE, (4.0, 3.0, 2.0)) and whole.kind == "simulate" and whole.complete


def test_region_doses_come_from_batch_totals(whole):
    mass = np.array([132 * 0.024 * 255, 0.024 * 100])
    mean, sigma = whole.region_dose_gy_per_decay(mass)
    layer = np.array([batch(b)[1].sum() for b in range(60)])
    gy = layer / 2**26 / PER_BATCH * 1.602176634e-13 / (132 * 0.024e-3)
    assert mean[0] == pytest.approx(gy.mean(), rel=1e-12)
    assert sigma[0] == pytest.approx(gy.std(ddof=1) / 60**0.5, rel=1e-9)
    assert mean[1] == pytest.approx(whole.dose_gy_per_decay[2, 2, 2], rel=1e-12)


def test_balance_is_exact_and_reads_both_ways(whole):
    balance = whole.balance
    assert balance.residual_quanta == 0 and balance.emitted_quanta > 2**64
    assert (
        balance["deposited"]
        == balance.deposited
        == pytest.approx(whole.tally.energy_quanta.sum() * QUANTUM_MEV / whole.histories)
    )
    assert dict(balance) == {"emitted": balance.emitted, "deposited": balance.deposited, "escaped": balance.escaped}
    assert Balance(10, 6, 3, 1).residual_quanta == 1


def test_air_gets_no_dose_when_a_patient_asks_for_it():
    result = Result.from_tally(problem(), tally(range(20)), decays=1e12, air_density_g_cm3=0.01)
    assert result.kind == "case" and result.doses["mc"].unit == "Gy"
    assert not result.doses["mc"].mean[0].any() and result.doses["mc"].mean[1].all()
    plain = shard(range(20))
    np.testing.assert_allclose(result.dose_gy_per_decay[1:], plain.dose_gy_per_decay[1:], rtol=1e-14)


def full(whole: Result) -> Result:
    """A result with everything in it."""
    mask = np.zeros((1, *SHAPE), np.uint8)
    mask[0, 2, 2:5, 2:5] = 255

    class Mask:
        name, fraction = "Läsion 1", mask[0] / np.float32(255)

    case = Result.from_tally(
        problem(),
        tally(range(60)),
        grid=Grid(SHAPE, (4.0, 3.0, 2.0), (-5.0, 6.5, 7.0)),
        decays=3e12,
        assumptions=("physical decay only",),
        warnings=("a warning",),
        case_yaml="patient: P1\n",
        lesion_masks=mask,
        lesion_names=("Läsion 1",),
    )
    case.tia_bq_h_ml = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    case.ct_hu = np.full(SHAPE, -1024.0)
    case.lesions = [
        summarise(
            DoseMaps(case.doses["mc"].mean, case.density_g_cm3, case.grid),
            Mask,
            DoseContext("P1", "baseline", therapy_activity_gbq=7.4, threshold_gy=20.0),
            errors=MeanDoseErrors(0.1),
            parts=LesionParts({"times_h": [24, 96]}),
        )
    ]
    return case


def test_everything_comes_back_from_the_file(whole, tmp_path):
    made = full(whole)
    path = made.save(tmp_path / "run" / "result.h5")
    back = Result.load(path)
    same(made, back)
    for name in (
        "kind",
        "grid",
        "lesion_names",
        "assumptions",
        "warnings",
        "case_yaml",
        "complete",
        "stopped",
        "provenance",
    ):
        assert getattr(back, name) == getattr(made, name), name
    for name in ("density_g_cm3", "tia_bq_h_ml", "lesion_masks", "ct_hu"):
        assert np.array_equal(getattr(back, name), getattr(made, name)), name
    assert [lesion.to_row() for lesion in back.lesions] == [lesion.to_row() for lesion in made.lesions]
    assert back.lesions[0].kinetics == {"times_h": [24, 96]}
    assert back.doses["mc"].unit == "Gy" and back.doses["mc"].decays == 3e12
    assert sorted(item.name for item in path.parent.iterdir()) == ["result.h5"]


def test_the_file_is_what_the_format_page_says(whole, tmp_path):
    path = full(whole).save(tmp_path / "result.h5")
    with h5py.File(path) as file:
        root = dict(file.attrs)
        assert root["format"] == "hevesy-result" and root["format_version"] == FORMAT_VERSION
        assert root["seed"] == 7 and root["backend"] == "cpu" and root["wall_time_s"] == 1.5
        assert root["history_range"].tolist() == [[0, 60 * PER_BATCH]]
        assert root["input_hash"] == problem_hash(problem()) and len(root["input_hash"]) == 64
        assert json.loads(root["physics"]) == {"photon_cutoff_mev": 0.001}
        assert all(len(digest) == 64 for digest in json.loads(root["table_hashes"]).values())
        assert file["tally/energy_quanta"].dtype == np.int64 and file["tally/energy_quanta"].shape == SHAPE
        assert file["tally/energy_quanta_squared"].dtype == np.uint64
        table = file["lesions/table"]
        assert table.dtype.names == header() and table["lesion"][0] == "Läsion 1".encode()
        units, meanings = (json.loads(table.attrs[name]) for name in ("units", "descriptions"))
        assert tuple(units) == tuple(meanings) == header() and all(meanings.values())
        assert units["dose_gy"] == units["dose_sigma_gy"] == "Gy" and units["volume_ml"] == "mL"
        assert meanings["d95_gy"] == BY_NAME["d95_gy"].description
        datasets = []
        file.visititems(lambda name, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
        assert {
            "dose/mc/mean",
            "dose/mc/sigma",
            "density",
            "activity/tia",
            "lesions/mask",
            "lesions/table",
            "balance",
        } <= {item.name.lstrip("/") for item in datasets}
        for item in datasets:
            assert "unit" in item.attrs and item.attrs["description"], item.name


def test_a_failed_write_leaves_the_old_file_and_no_other(whole, tmp_path, monkeypatch):
    path = whole.save(tmp_path / "result.h5")
    before = path.read_bytes()

    def disk_is_full(*arguments):
        raise OSError("full")

    monkeypatch.setattr("hevesy.engine.results.hdf5._write_tally", disk_is_full)
    with pytest.raises(OSError, match="full"):
        whole.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def broken(path, how):
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "text":
        path.write_text("dose: 20 Gy\n" * 100)
    elif how == "damaged":
        with h5py.File(path) as file:
            place = file["tally/energy_quanta"].id.get_chunk_info(0).byte_offset
        content = bytearray(path.read_bytes())
        content[place + 20] ^= 0xFF
        path.write_bytes(bytes(content))
    else:
        with h5py.File(path, "r+") as file:
            if how == "foreign":
                file.attrs["format"] = "statepoint"
            elif how == "plain":
                del file.attrs["format"]
            elif how == "newer":
                file.attrs["format_version"] = "2.0"
            elif how == "incomplete":
                del file["density"]
        if how == "incomplete":
            without_digests(path)


@pytest.mark.parametrize(
    "how, problem_text",
    [
        ("missing", "no such file"),
        ("truncated", "cannot be read as HDF5"),
        ("text", "cannot be read as HDF5"),
        ("damaged", "this file is damaged"),
        ("foreign", "this HDF5 file is of format 'statepoint'"),
        ("plain", "this HDF5 file is not a hevesy result"),
        ("newer", f"the result has format version 2.0; this is {FORMAT_VERSION}"),
        ("incomplete", "part of the result is missing"),
    ],
)
def test_files_that_are_no_whole_result_are_refused(whole, tmp_path, how, problem_text):
    path = whole.save(tmp_path / "result.h5")
    broken(path, how)
    with pytest.raises(InputError) as error:
        Result.load(path)
    assert problem_text in error.value.problem and error.value.file == str(path) and error.value.suggestion


def test_shards_merge_into_the_very_result_of_one_run(whole):
    a, b, c = shard(range(20, 45)), shard(range(0, 20)), shard(range(45, 60))
    for order in ((a, b, c), (c, a, b)):
        merged = merge(order)
        same(merged, whole)
        assert merged.wall_time_s == 4.5 and merged.tally.history_range.tolist() == [[0, 30_000]]
    same(merge([merge([a, c], partial=True), b]), whole)
    same(merge([whole]), whole)


def test_shards_survive_the_file(whole, tmp_path):
    paths = [shard(r).save(tmp_path / f"{r.start}.h5") for r in (range(0, 13), range(13, 60))]
    same(merge([Result.load(path) for path in paths]), whole)


def test_a_case_merges_with_its_dose_scale_and_air(whole):
    parts = [
        Result.from_tally(problem(), tally(r), decays=1e12, air_density_g_cm3=0.01)
        for r in (range(0, 30), range(30, 60))
    ]
    merged = merge(parts)
    assert merged.doses["mc"].unit == "Gy" and not merged.doses["mc"].mean[0].any()
    np.testing.assert_allclose(merged.doses["mc"].mean[1:], whole.dose_gy_per_decay[1:] * 1e12, rtol=1e-14)


def changed(name: str) -> Result:
    if name == "input hash":
        return shard(range(20, 40), problem(2.0))
    if name == "batch size":
        return shard(range(20, 40), batch_histories=501)
    if name == "physics":
        return shard(range(20, 40), options={"photon_cutoff_mev": 0.002})
    if name == "table hashes":
        other = shard(range(20, 40))
        other.provenance = replace(other.provenance, table_hashes={"physics.h5": "0" * 64})
        return other
    if name == "regions":
        return shard(range(20, 40), region_names=("A", "C"))
    if name == "decays":
        return Result.from_tally(problem(), tally(range(20, 40)), decays=2.0, kind="simulate")
    return shard(range(20, 40), **{name: {"seed": 8, "backend": "cuda"}[name]})


@pytest.mark.parametrize(
    "name", ["input hash", "batch size", "physics", "table hashes", "regions", "decays", "seed", "backend"]
)
def test_shards_of_different_runs_are_refused(name):
    with pytest.raises(InputError) as error:
        merge([shard(range(20)), changed(name)])
    assert f"results differ in their {name}" in error.value.problem and error.value.field == name


def test_histories_in_common_are_refused():
    with pytest.raises(InputError) as error:
        merge([shard(range(20)), shard(range(19, 40))])
    assert error.value.problem == "decays 9500 to 9999 are in more than one of the results: result 1 and result 2"
    with pytest.raises(InputError, match="nothing to merge"):
        merge([])


def test_merged_sums_that_do_not_fit_are_an_error_not_a_wrap():
    parts = []
    for b in range(2):
        t = tally(range(b, b + 1))
        t.energy_quanta[:] = 2**62
        t.energy_quanta_squared = square_limbs(t.energy_quanta)
        parts.append(Result.from_tally(problem(), t))
    with pytest.raises(InputError, match="does not fit into 64 bits"):
        merge(parts)


def test_an_interrupted_run_says_so(tmp_path):
    stopped = shard(range(5), complete=False, stopped_by="interrupt")
    back = Result.load(stopped.save(tmp_path / "r.h5"))
    assert not back.complete and back.stopped == "interrupt"
    assert np.isnan(back.sigma_gy_per_decay).all(), "five batches give no standard error"
    assert not merge([shard(range(5, 20)), back]).complete


def test_a_result_without_transport_says_so():
    empty = Result("simulate", Grid(SHAPE, (1, 1, 1)), np.ones(SHAPE, np.float32))
    for ask in (lambda: empty.dose_gy_per_decay, lambda: empty.balance):
        with pytest.raises(InputError, match="no Monte Carlo dose"):
            ask()


def test_input_hash_sees_every_part_of_a_problem():
    p = problem()
    dense = p.density_g_cm3.copy()
    dense[1, 1, 1] = np.nextafter(np.float32(1), np.float32(2))
    others = [
        replace(p, density_g_cm3=dense),
        replace(p, material=np.ones(SHAPE, np.uint8)),
        replace(p, materials=(replace(WATER, mean_excitation_ev=75.0),)),
        replace(p, voxel_size_mm=(4.0, 3.0, 2.1)),
        replace(p, source=p.source * 2),
        replace(p, emission=Emission("test", electron_lines=np.array([[0.2, 0.9]]))),
        replace(p, emission=Emission("test", photon_lines=np.array([[0.2, 1.0]]))),
        replace(p, physics={"photons": "off"}),
    ]
    hashes = {problem_hash(other) for other in [p, problem(), *others]}
    assert len(hashes) == 1 + len(others)


def test_lesion_tables_are_read_back_and_foreign_ones_refused(whole, tmp_path):
    lesions = full(whole).lesions
    lines = write_lesions_csv(lesions, tmp_path / "lesions.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split(",") == list(header()) and lines[1].startswith("P1,baseline,Läsion 1,0.216,0.216,")
    again = read_lesions_json(write_lesions_json(lesions, tmp_path / "lesions.json"))
    assert [a.to_row() for a in again] == [a.to_row() for a in lesions]
    content = json.loads((tmp_path / "lesions.json").read_text(encoding="utf-8"))
    assert content["verdicts"][0]["patient"] == "P1"
    (tmp_path / "lesions.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="not a lesion file of hevesy"):
        read_lesions_json(tmp_path / "lesions.json")
    with pytest.raises(InputError, match="no such file"):
        read_lesions_json(tmp_path / "nothing.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lesions.csv", "lesions.json"]
