"""Files of voxel S kernels: written, read back, read from published layouts, refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from hevesy.engine.dose.voxel_s import (
    KernelRequest,
    Told,
    VoxelKernel,
    make_kernel,
    medium_named,
    read_kernel,
    write_kernel,
)
from hevesy.engine.dose.voxel_s.symmetry import octant_of
from hevesy.engine.dose.voxel_s.told import unit_gy_per_decay
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.decay import nuclide

TOLD = Told(nuclide="I-131", voxel_size_mm=(3.0, 3.0, 3.0), medium="soft tissue", density_g_cm3=1.04)
#: 131I, 3 mm, soft tissue of 1.04 g/cm3 [mGy/(MBq s)]: invented values of the published size, i <= j <= k
SORTED = {
    (0, 0, 0): 0.9, (0, 0, 1): 0.03, (0, 1, 1): 0.0024, (1, 1, 1): 7.3e-4,
    (0, 0, 2): 4.6e-4, (0, 1, 2): 3.7e-4, (1, 1, 2): 3.1e-4, (0, 2, 2): 2.3e-4, (1, 2, 2): 2.0e-4, (2, 2, 2): 1.5e-4,
}  # fmt: skip


@pytest.fixture(scope="module")
def kernel() -> VoxelKernel:
    water, _ = medium_named("water")
    return make_kernel(
        KernelRequest(nuclide("I-131").emission, (3.27, 4.07, 4.07), water, 4.0, (2, 3, 4), decays=10_000)
    )


def table(path, lines, heading="i,j,k,S [mGy/(MBq s)]", comma=","):
    path.write_text("\n".join([heading, *(comma.join(map(str, line)) for line in lines)]).strip() + "\n")
    return path


def octant_lines(n=2):
    whole = {tuple(sorted(place)): value for place, value in SORTED.items()}
    axes = range(n + 1)
    return [(i, j, k, whole[tuple(sorted((i, j, k)))]) for i in axes for j in axes for k in axes]


def refused(path, told=TOLD) -> str:
    with pytest.raises(InputError) as caught:
        read_kernel(path, told)
    return str(caught.value)


# -------------------------------------------------------------------------------------------------- our own files


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".nii.gz", ".nii"])
def test_what_is_written_is_read_back(kernel, tmp_path, suffix):
    path = tmp_path / f"k{suffix}"
    written = write_kernel(kernel, path)
    assert written[0] == path
    assert all(file.is_file() for file in written)
    back = read_kernel(path)
    rel = {".npz": 0.0, ".csv": 1e-6}.get(suffix, 1e-12)
    assert np.allclose(back.energy_mev, kernel.energy_mev, rtol=rel, atol=0)
    assert np.allclose(
        back.standard_error_mev, kernel.standard_error_mev, rtol=1e-2 if suffix == ".csv" else rel, atol=0
    )
    assert back.voxel_size_mm == pytest.approx(kernel.voxel_size_mm, rel=1e-12)
    assert back.medium == kernel.medium
    assert back.density_g_cm3 == 4.0
    assert back.emission.nuclide == "I-131"
    assert back.emitted_mev == pytest.approx(kernel.emitted_mev, rel=1e-12)
    assert back.truncated_mev == pytest.approx(kernel.truncated_mev, rel=1e-5)


def test_npz_has_the_documented_keys_and_no_pickle(kernel, tmp_path):
    write_kernel(kernel, tmp_path / "k.npz")
    with np.load(tmp_path / "k.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == ["energy_mev", "facts", "standard_error_mev", "voxel_size_mm"]
        facts = json.loads(str(archive["facts"]))
        assert archive["energy_mev"].shape == (5, 7, 9)
        assert archive["energy_mev"].sum() + facts["truncated_mev"] == pytest.approx(facts["emitted_mev"])
    assert facts["voxel_size_mm"] == {"z": 3.27, "y": 4.07, "x": 4.07}
    assert facts["decays"] == 10_000
    assert facts["nuclide"] == "I-131"


def test_csv_states_its_facts_above_the_octant(kernel, tmp_path):
    write_kernel(kernel, tmp_path / "k.csv")
    lines = (tmp_path / "k.csv").read_text().splitlines()
    header = [line for line in lines if line.startswith("#")]
    for fact in ("# nuclide: I-131", "# voxel: 3.27 x 4.07 x 4.07 mm (z, y, x)", "# medium: WATER, LIQUID",
                 "# density: 4.0 g/cm3", "# truncated: "):  # fmt: skip
        assert any(line.startswith(fact) for line in header), fact
    rows = [line.split(",") for line in lines[len(header) :]]
    assert rows[0] == ["i", "j", "k", "S [mGy/(MBq s)]", "standard error [mGy/(MBq s)]"]
    assert len(rows) - 1 == 3 * 4 * 5
    by_place = {tuple(map(int, row[:3])): float(row[3]) for row in rows[1:]}
    energy = kernel.energy_mev[2 + 1, 3, 4 + 2]  # one along z, two along x
    mass_kg = 4.0 * 0.327 * 0.407 * 0.407 * 1e-3
    assert by_place[(1, 0, 2)] == pytest.approx(energy * 1.602176634e-13 / mass_kg * 1e3 * 1e6, rel=1e-6)


def test_nifti_is_a_map_of_s_in_millimetres(kernel, tmp_path):
    write_kernel(kernel, tmp_path / "k.nii.gz")
    image = sitk.ReadImage(str(tmp_path / "k.nii.gz"))
    assert image.GetSpacing() == pytest.approx((4.07, 4.07, 3.27), rel=1e-6)
    assert image.TransformIndexToPhysicalPoint((4, 3, 2)) == pytest.approx((0.0, 0.0, 0.0), abs=1e-4)
    assert image.GetMetaData("ITK_FileNotes").startswith("I-131 voxel S mGy/(MBq s) water, liquid 4")
    values = sitk.GetArrayFromImage(image)
    assert values[2, 3, 4] == pytest.approx(kernel.s_gy_per_decay[2, 3, 4] * 1e9, rel=1e-9)


def test_nifti_without_its_facts_needs_them_stated(kernel, tmp_path):
    write_kernel(kernel, tmp_path / "k.nii.gz")
    (tmp_path / "k.json").unlink()
    told = Told(nuclide="I-131", medium="water", density_g_cm3=4.0, unit="mGy/(MBq s)")
    back = read_kernel(tmp_path / "k.nii.gz", told)
    assert np.allclose(back.energy_mev, kernel.energy_mev, rtol=1e-6)
    assert "does not say its nuclide and medium" in refused(tmp_path / "k.nii.gz", Told())
    assert "its voxel is" in refused(
        tmp_path / "k.nii.gz", Told("I-131", voxel_size_mm=(3.0, 3.0, 3.0), medium="water", unit="mGy/(MBq s)")
    )


# ---------------------------------------------------------------------------------------------- published layouts


def test_octant_and_sorted_part_and_all_offsets_are_the_same_kernel(tmp_path):
    octant = read_kernel(table(tmp_path / "a.csv", octant_lines()), TOLD)
    part = read_kernel(table(tmp_path / "b.csv", [(*place, value) for place, value in SORTED.items()]), TOLD)
    signs = [(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    whole = sorted({(a * i, b * j, c * k, s) for i, j, k, s in octant_lines() for a, b, c in signs})
    both = read_kernel(table(tmp_path / "c.csv", whole), TOLD)
    assert octant.energy_mev.shape == (5, 5, 5)
    assert np.array_equal(octant.energy_mev, part.energy_mev)
    assert np.allclose(octant.energy_mev, both.energy_mev, rtol=1e-14)
    assert octant.s_mgy_per_mbq_s[2, 2, 3] == pytest.approx(0.03)
    # 0.9 mGy/(MBq s) in 28.08 mg: 0.9e-9 Gy * 28.08e-6 kg / 1.602e-13 J/MeV
    assert octant.energy_mev[2, 2, 2] == pytest.approx(0.9e-9 * 28.08e-6 / 1.602176634e-13)
    assert octant.truncated_mev == pytest.approx(octant.emitted_mev - octant.energy_mev.sum())
    assert not octant.standard_error_mev.any()


@pytest.mark.parametrize(
    ("heading", "comma"),
    [
        ("i,j,k,S [mGy/(MBq s)]", ","),
        ("i;j;k;S (mGy/MBq/s)", ";"),
        ("i\tj\tk\tmGy/MBq-s", "\t"),
        ("x y z S[mGy/MBq.s]", " "),
        ("z,y,x,voxel S values [mGy MBq-1 s-1]", ","),
        ("", " "),
        ("", "\t"),
        ("# a table of others", ","),
    ],
)
def test_headings_and_separators(tmp_path, heading, comma):
    from dataclasses import replace

    unit = None if "Gy" in heading else "mGy/(MBq s)"
    if heading.endswith("mGy/MBq-s"):
        heading = heading.replace("mGy", "S mGy")
    path = table(tmp_path / "t.txt", octant_lines(), heading, comma)
    kernel = read_kernel(path, replace(TOLD, unit=unit))
    assert kernel.s_mgy_per_mbq_s[2, 2, 2] == pytest.approx(0.9)


def test_units():
    for text in ("mGy/(MBq s)", "mGy/MBq/s", "mGy/MBq-s", "mGy/MBq·s", "mGy MBq-1 s-1", "mGy per MBq s", "nGy/(Bq s)"):
        assert unit_gy_per_decay(text) == pytest.approx(1e-9), text
    assert unit_gy_per_decay("Gy/(Bq s)") == 1.0
    assert unit_gy_per_decay("Gy/Bq/s") == 1.0
    assert unit_gy_per_decay("Gy per decay") == 1.0
    assert unit_gy_per_decay("Gy/(GBq s)") == pytest.approx(1e-9)
    assert unit_gy_per_decay("Sv/(Bq s)") is None
    assert unit_gy_per_decay("mGy/MBq/h") is None


def test_errors_of_a_table_are_read(tmp_path):
    lines = [(*line, 0.01 * line[3]) for line in octant_lines()]
    path = table(tmp_path / "t.csv", lines, "i,j,k,S [mGy/(MBq s)],standard error [mGy/(MBq s)]")
    kernel = read_kernel(path, TOLD)
    assert np.allclose(kernel.standard_error_mev, 0.01 * kernel.energy_mev)


def test_unequal_sides_are_not_permuted(tmp_path):
    from dataclasses import replace

    path = table(tmp_path / "t.csv", [(*place, value) for place, value in SORTED.items()])
    text = refused(path, replace(TOLD, voxel_size_mm=(3.0, 4.0, 5.0)))
    assert "has no value for 17 neighbours of 27" in text


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows: rows[:-1], r"has no value for 1 neighbour of 27, for example (2, 2, 2)"),
        (lambda rows: [*rows, (0, 0, 1, 0.04)], r"states S of (0, 0, 1) twice: 0.03 in line 3, 0.04"),
        (lambda rows: [*rows, (0, 0, -1, 0.01)], "the mean of its mirror images"),
        (lambda rows: [*rows, (0, 0, 0.5, 0.01)], "the offset '0.5'"),
        (lambda rows: [*rows, (0, 0, 5000, 0.01)], "the offset '5000'"),
        (lambda rows: [*rows, (0, 0, 3)], "3 cells in a table of 4 columns"),
        (lambda rows: [(i, j, k, -s) for i, j, k, s in rows], "values that are negative"),
        (lambda rows: [(i, j, k, s * 1e3) for i, j, k, s in rows], "times the 0.5746 MeV that a decay of I-131 emits"),
        (lambda rows: [(i, j, k, s * 1e-9) for i, j, k, s in rows], "another unit"),
        (lambda rows: [(2 - i, j, k, s) for i, j, k, s in rows], "largest value outside the middle"),
        (lambda rows: [*rows[:-1], (2, 2, 2, "n/a")], "'n/a' is not a number"),
        (lambda rows: [], "no values"),
    ],
)
def test_tables_that_cannot_be_are_refused(tmp_path, change, text):
    assert text in refused(table(tmp_path / "t.csv", change(octant_lines())))


def test_permutations_that_differ_do_not_fill_holes(tmp_path):
    rows = [(i, j, k, s) for i, j, k, s in octant_lines() if (i, j, k) != (2, 2, 1)]
    rows = [(i, j, k, s * (1.5 if (i, j, k) == (2, 1, 2) else 1.0)) for i, j, k, s in rows]
    assert "of its permutations on average" in refused(table(tmp_path / "t.csv", rows))


def test_unit_and_columns_must_be_known(tmp_path):
    from dataclasses import replace

    path = table(tmp_path / "t.csv", octant_lines(), "i,j,k,S")
    assert "does not say its unit" in refused(path)
    assert read_kernel(path, replace(TOLD, unit="mGy/MBq/s")).decays == 0
    assert "'rad/(uCi h)' is not a unit" in refused(path, replace(TOLD, unit="rad/(uCi h)"))
    path = table(tmp_path / "u.csv", octant_lines())
    assert "states the unit 'mGy/(MBq s)', and 'Gy/(Bq s)' is given" in refused(path, replace(TOLD, unit="Gy/(Bq s)"))
    assert "must be named once each" in refused(table(tmp_path / "v.csv", octant_lines(), "a,b,c,S [mGy/(MBq s)]"))
    bare = table(tmp_path / "w.csv", [(*line, 1.0) for line in octant_lines()], "")
    assert "5 columns without a heading" in refused(bare)


def test_our_own_table_may_not_contradict_what_is_stated(kernel, tmp_path):
    path = tmp_path / "k.csv"
    write_kernel(kernel, path)
    assert "its nuclide is I-131, and Lu-177 is stated" in refused(path, Told(nuclide="Lu-177"))
    assert "its voxel is 3.270 x 4.070 x 4.070 mm" in refused(path, Told(voxel_size_mm=(4.07, 4.07, 3.27)))
    assert "its medium is WATER, LIQUID" in refused(path, Told(medium="bone"))
    write_kernel(kernel, tmp_path / "k.npz")
    assert "its density is 4 g/cm3, and 1 g/cm3 is stated" in refused(tmp_path / "k.npz", Told(density_g_cm3=1.0))


def test_files_that_are_no_kernel_are_refused(kernel, tmp_path):
    assert "has the ending '.xlsx'" in refused(tmp_path / "k.xlsx")
    assert "no such file" in refused(tmp_path / "k.npz")
    assert "no such file" in refused(tmp_path / "k.csv")
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    assert "has no 'energy_mev'" in refused(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK not")
    assert "cannot be read as a kernel" in refused(tmp_path / "b.npz")
    write_kernel(kernel, tmp_path / "k.npz")
    with np.load(tmp_path / "k.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, value, text in (
        ("facts", np.array("{}"), "is of format None"),
        ("facts", np.array("{"), "no JSON"),
        ("facts", np.array(str(arrays["facts"]).replace('"1.0"', '"2.0"', 1)), "version '2.0'"),
        ("facts", np.array(str(arrays["facts"]).replace('"density_g_cm3": 4', '"rho": 4', 1)), "lacks a fact"),
        ("energy_mev", arrays["energy_mev"][:-1], "odd numbers of voxels"),
        ("energy_mev", -arrays["energy_mev"], "negative"),
        ("energy_mev", arrays["energy_mev"].astype(object), "pickled objects"),
    ):
        np.savez(tmp_path / "c.npz", **{**arrays, name: value})
        assert text in refused(tmp_path / "c.npz"), text
    with pytest.raises(InputError, match=r"has the ending '.txt'"):
        write_kernel(kernel, tmp_path / "k.txt")


def test_octant_of_a_read_kernel_is_its_positive_part(tmp_path):
    kernel = read_kernel(table(tmp_path / "t.csv", octant_lines()), TOLD)
    assert octant_of(kernel.s_mgy_per_mbq_s)[0, 1, 2] == pytest.approx(3.7e-4)
