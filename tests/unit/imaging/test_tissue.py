"""CT numbers to density and composition."""

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, Volume
from hevesy.engine.imaging import tissue

CT_GRID = Grid((20, 40, 40), (3.0, 1.0, 1.0))
DOSE_GRID = Grid((15, 10, 10), (4.0, 4.0, 4.0), (0.5, 1.5, 1.5))


def ct(values, grid=CT_GRID):
    return Volume(grid, np.broadcast_to(np.asarray(values, np.float32), grid.shape).copy(), "HU")


def patient_like(seed=1):
    """Air outside, soft tissue with noise, some bone and lung."""
    rng = np.random.default_rng(seed)
    values = rng.normal(40.0, 15.0, CT_GRID.shape)
    values[:, :6] = -1000.0
    values[:, 10:16, 10:16] = 900.0
    values[5:12, 20:35, 5:20] = rng.normal(-820.0, 60.0, (7, 15, 15))
    return ct(values)


def test_schneider_density_at_the_papers_numbers():
    """The straight pieces of Schneider 2000, equations 17 to 21."""
    hu = np.array([-1000.0, -50.0, 0.0, 20.0, 60.0, 500.0, 1600.0])
    expected = [0.00121, 1.018 - 0.04465, 1.018, 1.03, 1.003 + 0.07014, 1.017 + 0.296, 1.017 + 0.9472]
    np.testing.assert_allclose(tissue.DEFAULT_CALIBRATION.density(hu), expected, atol=2e-4)


def test_compositions_are_24_and_whole():
    found = tissue.materials()
    assert len(found) == 24 and len({m.name for m in found}) == 24
    for material in found:
        assert sum(material.mass_fraction) == pytest.approx(1.0, abs=1e-12)
        assert len(material.Z) == len(material.mass_fraction)
    calcium = [dict(zip(m.Z, m.mass_fraction, strict=True)).get(20, 0.0) for m in found]
    assert calcium == sorted(calcium) and calcium[-1] == pytest.approx(0.225, abs=1e-3)


def test_bins_start_where_the_paper_says():
    names = [m.name for m in tissue.materials()]
    hu = np.array([-1000, -951, -950, -121, -120, 18, 19, 79, 80, 119, 120, 1499, 1500, 2900])
    expected = ["air", "air", "lung", "lung", "adipose_1", "adipose_5", "soft_tissue", "soft_tissue",
                "connective_tissue", "connective_tissue", "marrow_bone_1", "marrow_bone_14", "marrow_bone_15",
                "marrow_bone_15"]  # fmt: skip
    assert [names[i] for i in tissue.material_index(hu)] == expected


def test_mean_excitation_energy_against_estar():
    """ICRU 37 / ESTAR values; Bragg's rule is good to about 0.5 % here."""
    lung = [0.103, 0.105, 0.031, 0.749, 0.002, 0.002, 0.003, 0.003, 0.002]
    assert tissue.mean_excitation_ev((1, 6, 7, 8, 11, 15, 16, 17, 19), lung) == pytest.approx(75.17, rel=2e-3)
    bone = [0.047234, 0.14433, 0.04199, 0.446096, 0.0022, 0.10497, 0.00315, 0.20993, 0.0001]
    assert tissue.mean_excitation_ev((1, 6, 7, 8, 12, 15, 16, 20, 30), bone) == pytest.approx(106.4, rel=2e-3)
    assert tissue.mean_excitation_ev((1, 8), (0.111894, 0.888106)) == pytest.approx(75.0, rel=5e-3)


def test_mass_is_conserved_on_the_dose_grid():
    volume = patient_like()
    got = tissue.from_ct(volume, DOSE_GRID)
    hu = np.clip(volume.values.astype(float), -1000.0, 3000.0)
    mass = tissue.DEFAULT_CALIBRATION.density(hu).sum() * CT_GRID.voxel_volume_ml
    assert got.density_g_cm3.sum(dtype=float) * DOSE_GRID.voxel_volume_ml == pytest.approx(mass, rel=1e-4)
    assert got.density_g_cm3.dtype == np.float32 and got.material.dtype == np.uint8
    assert got.density_g_cm3.min() >= np.float32(tissue.AIR_G_CM3)


def test_density_is_averaged_not_hounsfield():
    """Half air, half bone: the mean density, and the bone's composition because it holds the mass."""
    values = np.full(CT_GRID.shape, -1000.0)
    values[:, :, 22:] = 1000.0  # the dose voxels 20..24 mm are half filled
    got = tissue.from_ct(ct(values), DOSE_GRID)
    half = got.density_g_cm3[3, 3, 5]
    assert half == pytest.approx(0.5 * (0.00121 + 1.609), rel=1e-3)
    assert got.materials[got.material[3, 3, 5]].name.startswith("marrow_bone")
    assert got.materials[got.material[3, 3, 0]].name == "air"


def test_outside_the_ct_is_air_and_said():
    wide = Grid((15, 10, 20), (4.0, 4.0, 4.0), (0.5, 1.5, 1.5))
    got = tissue.from_ct(ct(np.where(np.arange(40) < 39, 40.0, 41.0)), wide)
    np.testing.assert_allclose(got.density_g_cm3[..., 10:], tissue.AIR_G_CM3, rtol=1e-6)
    assert any("50 % of the dose grid lies outside the CT" in note for note in got.notes)


def test_metal_is_clipped_and_counted():
    volume = patient_like()
    volume.values[3, 30, 30] = 30000.0
    got = tissue.from_ct(volume, CT_GRID)
    assert got.density_g_cm3[3, 30, 30] == pytest.approx(2.793, rel=1e-3)
    assert any("1 CT voxel (" in note and "metal" in note for note in got.notes)


def test_padding_becomes_air():
    volume = patient_like()
    volume.values[:, :, 0] = -3024.0
    got = tissue.from_ct(volume, CT_GRID)
    assert np.all(got.density_g_cm3[:, :, 0] == np.float32(tissue.AIR_G_CM3))
    assert any("padding" in note for note in got.notes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v: np.where(np.arange(v.size).reshape(v.shape) == 5, np.nan, v), "1 CT voxel.* not a number"),
        (lambda v: v * 0 - 1200.0, "all of them air"),
        (lambda v: v + 1024.0, "tissue lies near"),
        (lambda v: np.clip((v + 1000.0) / 1000.0, 0, 2), "density or a normalised image"),
    ],
)
def test_values_that_cannot_be_hounsfield_are_refused(spoil, message):
    volume = patient_like()
    volume.values[...] = spoil(volume.values)
    with pytest.raises(InputError, match=message):
        tissue.from_ct(volume, DOSE_GRID)


def test_uniform_water_and_bone_phantoms_are_accepted():
    for hu in (0.0, 1000.0):
        tissue.from_ct(ct(hu), DOSE_GRID)


def test_no_overlap_is_an_error():
    far = Grid((5, 5, 5), (4.0, 4.0, 4.0), (500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="do not overlap"):
        tissue.from_ct(patient_like(), far)


def test_user_calibration_from_csv_and_pairs(tmp_path):
    path = tmp_path / "scanner.csv"
    path.write_text("HU,density\n-1000,0.001\n0,1.0\n1000,1.6\n")
    from_file = tissue.Calibration.read(path)
    from_pairs = tissue.Calibration.read([(-1000, 0.001), (0, 1.0), (1000, 1.6)])
    hu = np.array([-500.0, 0.0, 500.0, 2000.0])
    np.testing.assert_allclose(from_file.density(hu), [0.5005, 1.0, 1.3, 2.2])
    np.testing.assert_array_equal(from_file.density(hu), from_pairs.density(hu))
    got = tissue.from_ct(ct(np.where(np.arange(40) < 39, 0.0, 1.0)), DOSE_GRID, path)
    assert got.density_g_cm3[0, 0, 0] == pytest.approx(1.0)
    assert any("scanner.csv" in note for note in got.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-1000,0.001\n", "1 point"),
        ("0,1.0\n-1000,0.001\n", "goes back from 0 to -1000 HU"),
        ("-1000,0.001\n0,-1\n", "density of -1 g/cm3"),
        ("-1000,1.2\n0,1000\n", "reaches 1000 g/cm3"),
        ("-1000,0.001\n0,one\n", "line 2, density: 'one' is not a number"),
        ("-1000,0.001\n0,\n1000,1.6\n", "line 2, density: an empty cell"),
        ("HU,density\n-1000,0.001\n0,1,0\n1000,1,6\n", "3 cells for 2 columns(.|\n)*decimal commas"),
        ("0.001,-1000\n1.0,0\n1.6,1000\n", "swapped"),
        ("0.5,-500\n1.0,0\n1.6,1000\n", "swapped"),
        ("-1000,1.2\n0,1000\n1000,1600\n", "kg/m3"),
        ("24,0.001\n1024,1.0\n2024,1.6\n", "offset of 1000 or 1024"),
        ("0,0.001\n1024,1.0\n2024,1.6\n", "offset of 1000 or 1024"),
        ("-1000,0.001\n0,1.0\n500,0.5\n1000,1.6\n", "falls from 1 g/cm3 at 0 HU"),
        ("HU,RED\n-1000,0.001\n0,1.0\n1000,1.5\n", "no mass density"),
        ("HU,relative electron density\n-1000,0.001\n0,1.0\n1000,1.5\n", "no mass density"),
        ("NaN,0.001\n0,1.0\n1000,1.5\n", "line 1, HU: 'NaN' is not a number"),
        ("-1000;0,001\n0;1.0\n1000;1,6\n", "has a comma, and '1.0' in line 2 a point"),
        ("HU;density\n-1,000;1\n1,000;2\n", "thousands"),
    ],
)
def test_useless_calibrations_are_refused(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        tissue.Calibration.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf-1000,0.001\n0,1.0\n1000,1.6\n3000,2.8\n",
        "\u22121000,0.001\n0,1.0\n1000,1.6\n3000,2.8\n".encode(),
        b"-1000 0.001\n0   1.0\n1000 1.6\n3000 2.8\n",
        b"-1000;0,001\r\n0;1,0\r\n1000;1,6\r\n3000;2,8\r\n",
        b"-1000\t0,001\n0\t1,0\n1000\t1,6\n3000\t2,8\n",
        b"HU;density (kg/m3);;\n-1000;1;;\n0;1000;;\n1000;1600;;\n3000;2800;;\n",
        b"density [g/cm3],HU\n0.001,-1000\n1.0,0\n1.6,1000\n2.8,3000\n",
        b"HU,electron density,mass density\n-1000,1,0.001\n0,1,1.0\n1000,1,1.6\n3000,2,2.8\n",
        b"sep=;\n-1000;0.001\n0;1.0\n1000;1.6\n3000;2.8\n",
        "HU,density\n-1000,0.001\n0,1.0\n1000,1.6\n3000,2.8\n".encode("utf-16"),
        b'"-1000","0.001"\n"0","1.0"\n"1000","1.6"\n"3000","2.8"\n',
        b"# scanner\n\n  -1000 , 0.001 ,\n0,1.0,\n\n1000,1.6,\n3000,2.8,\n",
    ],
)
def test_one_calibration_in_many_writings(tmp_path, data):
    path = tmp_path / "scanner.csv"
    path.write_bytes(data)
    found = tissue.Calibration.read(path)
    assert found.hu == (-1000.0, 0.0, 1000.0, 3000.0)
    assert found.density_g_cm3 == pytest.approx((0.001, 1.0, 1.6, 2.8))


def test_a_calibration_that_leaves_lung_to_a_guess_says_so():
    curve = tissue.Calibration.read([(-100, 0.93), (0, 1.0), (1000, 1.6)])
    (note,) = curve.remarks(-1000.0, 900.0)
    assert note.weight == "critical" and "begins at -100 HU" in note
    assert not tissue.Calibration.read([(-1000, 0.001), (0, 1.0), (1000, 1.6)]).remarks(-1024.0, 900.0)


def test_missing_calibration_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        tissue.Calibration.read(tmp_path / "no.csv")


def test_rotated_ct_conserves_mass():
    c, s = np.cos(0.25), np.sin(0.25)
    rotated = Grid((20, 40, 40), (3.0, 1.0, 1.0), (0.0, 0.0, 0.0), (c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0))
    volume = Volume(rotated, patient_like().values, "HU")
    around = Grid((20, 22, 22), (4.0, 4.0, 4.0), (-6.0, -15.0, -25.0))
    got = tissue.from_ct(volume, around)
    mass = tissue.DEFAULT_CALIBRATION.density(np.clip(volume.values, -1000, 3000)).sum() * rotated.voxel_volume_ml
    air = (around.size * around.voxel_volume_ml - rotated.size * rotated.voxel_volume_ml) * tissue.AIR_G_CM3
    assert got.density_g_cm3.sum(dtype=float) * around.voxel_volume_ml == pytest.approx(mass + air, rel=1e-3)
