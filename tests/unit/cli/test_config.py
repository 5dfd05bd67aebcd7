"""`hevesy config` and `hevesy import`: what a site knows stands in new cases, and nowhere else."""

import json

import numpy as np
import pytest
import yaml
from hevesy.cli import main
from hevesy.engine import imaging
from hevesy.engine.case.model import Case
from hevesy.engine.grid import Grid, write_image
from hevesy.tests.unit.dicom_factory import sphere_contours, write_pet, write_rtstruct, write_series
from hevesy.tests.unit.small_case import write_small_case

GRID = Grid((6, 10, 10), (4.0, 4.0, 4.0), (-10.0, -18.0, -18.0))
SCANNER = {"ManufacturerModelName": "Biograph128_mCT", "ReconstructionMethod": "PSF+TOF 3i21s",
           "ConvolutionKernel": "XYZ Gauss5.00"}  # fmt: skip


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Call the command line; answers (exit code, output, errors). The site's file is ``site.yaml``."""
    monkeypatch.setenv("HEVESY_CONFIG", str(tmp_path / "site.yaml"))

    def call(*words):
        monkeypatch.setattr("sys.argv", ["hevesy", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main.entry()
        return end.value.code or 0, *capsys.readouterr()

    return call


def pile(folder, **fields):
    """One PET/CT with a contour, as DICOM."""
    write_series(folder / "ct", np.full(GRID.shape, 40.0), GRID)
    write_pet(folder / "pt", np.random.default_rng(1).gamma(2.0, 1000.0, GRID.shape), GRID, **fields)
    write_rtstruct(folder / "rs.dcm", {"node": sphere_contours(7.0, (0.0, 0.0, 0.0), 2.0)})
    return folder


def imported(command, folder, case, *words):
    code, out, err = command("import", folder, "-o", case, "--force", *words)
    assert code == 0, err
    return yaml.safe_load(case.read_text()), out


def test_import_writes_the_scanners_typical_resolution_as_assumed(command, tmp_path):
    data, out = imported(command, pile(tmp_path / "pile", **SCANNER), tmp_path / "case.yaml")
    # by hand: 0.65 of 4.8 mm, 5 mm filter, 2.8 mm of the positrons
    width = float(data["recovery"]["fwhm"].split()[0])
    assert width == pytest.approx(np.sqrt((0.65 * 4.8) ** 2 + 5.0**2 + 2.8**2), abs=0.1)
    assert data["recovery"]["assumed"] is True and 0.5 < float(data["recovery"]["fwhm_sigma"].split()[0]) < 1.2
    (line,) = (line for line in out.splitlines() if line.startswith("assumed"))
    assert data["recovery"]["fwhm"] in line and "mCT" in line and "filter 5 mm" in line
    text = (tmp_path / "case.yaml").read_text()
    comment = text[: text.index("recovery:")].splitlines()[-4:]
    assert all(one.startswith("# ") for one in comment[-2:]) and "PSF+TOF 3i21s" in text and "phantom" in text
    case = Case.load(tmp_path / "case.yaml")
    assert case.recovery.assumed and Case.from_dict(case.to_dict(tmp_path), base=tmp_path).recovery == case.recovery


def test_import_of_an_unknown_scanner_and_of_volumes_writes_the_generic_value(command, tmp_path):
    unknown, _ = imported(command, pile(tmp_path / "pile"), tmp_path / "a.yaml")
    (tmp_path / "vol").mkdir()
    write_image(tmp_path / "vol" / "i124_pet_24h.nii.gz", GRID, np.full(GRID.shape, 100.0, np.float32))
    write_image(tmp_path / "vol" / "ct_24h.nii.gz", GRID, np.full(GRID.shape, 40.0, np.float32))
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2:4, 4:6, 4:6] = 1
    write_image(tmp_path / "vol" / "lesions.nii.gz", GRID, labels)
    volumes, _ = imported(command, tmp_path / "vol", tmp_path / "b.yaml")
    assert unknown["recovery"] == volumes["recovery"]
    assert unknown["recovery"]["assumed"] is True
    low, high = (float(unknown["recovery"][key].split()[0]) for key in ("fwhm_sigma", "fwhm"))
    assert 1.0 < low < 2.0 and 5.5 < high < 7.0
    assert imaging.sort_folder([tmp_path / "vol"]).to_case_dict(tmp_path)["recovery"] == volumes["recovery"]


def test_the_sites_own_values_replace_the_proposals(command, tmp_path):
    folder = pile(tmp_path / "pile", **SCANNER)
    for key, value in (
        ("uncertainty.calibration", "3 %"),
        ("therapy.activity", "3.7 GBq"),
        ("recovery.I-124", "{fwhm: 7 mm, fwhm_sigma: 0.9 mm}"),
        ("scanners.biograph128 mct.I-124", "{fwhm: 6.4 mm, fwhm_sigma: 0.4 mm}"),
        ("scanners.Discovery MI 2.1.F-18.fwhm", "5 mm"),
    ):
        code, _, err = command("config", "set", key, value)
        assert code == 0, err
    _, out = imported(command, folder, tmp_path / "case.yaml")
    case = Case.load(tmp_path / "case.yaml")
    assert (case.recovery.fwhm_mm, case.recovery.fwhm_sigma_mm, case.recovery.assumed) == (6.4, 0.4, False)
    assert case.uncertainty.calibration == 0.03 and case.uncertainty.per_scan == 0.08
    assert case.therapy.activity_mbq == 3700.0
    assert "uncertainty.calibration" in out and "scanners.biograph128 mct.I-124" in out and "assumed" not in out
    # another scanner, the same tracer
    command("config", "unset", "scanners.biograph128 mct")
    imported(command, folder, tmp_path / "case.yaml")
    case = Case.load(tmp_path / "case.yaml")
    assert (case.recovery.fwhm_mm, case.recovery.assumed) == (7.0, False)
    # a resolution for another tracer is not used
    command("config", "unset", "recovery")
    command("config", "set", "recovery.F-18.fwhm", "5 mm")
    data, _ = imported(command, folder, tmp_path / "case.yaml")
    assert data["recovery"]["assumed"] is True


def test_a_phantom_curve_is_found_from_any_case(command, tmp_path):
    (tmp_path / "spheres.csv").write_text("diameter_mm,recovery\n10,0.4\n13,0.5\n17,0.6\n22,0.7\n")
    code, _, err = command("config", "set", "recovery.I-124.curve", "spheres.csv")
    assert code == 0, err
    (tmp_path / "cases").mkdir()
    imported(command, pile(tmp_path / "pile"), tmp_path / "cases" / "case.yaml")
    assert Case.load(tmp_path / "cases" / "case.yaml").recovery.curve == tmp_path / "spheres.csv"


def test_show_set_unset_and_path(command, tmp_path):
    file = tmp_path / "site.yaml"
    code, out, _ = command("config", "--json")
    assert code == 0 and json.loads(out) == {"path": str(file), "exists": False, "defaults": {}}
    code, out, _ = command("config", "set", "threshold", "30 Gy", "--json")
    assert json.loads(out)["defaults"] == {"threshold": "30 Gy"} and file.exists()
    code, out, _ = command("config")
    assert code == 0 and str(file) in out and "threshold: 30 Gy" in out
    code, out, _ = command("config", "path")
    assert out.strip() == str(file)
    code, out, _ = command("config", "unset", "threshold")
    assert code == 0
    code, out, err = command("config", "--json")
    assert code == 0, err
    assert json.loads(out)["defaults"] == {}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("patient", "Jane", "belongs to one patient"),
        ("weight", "70 kg", "belongs to one patient"),
        ("uncertainty.calibraton", "3 %", "calibration"),
        ("uncertainty.calibration", "3", "unit"),
        ("recovery.I-124.fwhm", "6 apples", "not a unit"),
        ("recovery.I-124.fwhm_sigma", "1 mm", "needs either"),
        ("recovery.unobtainium.fwhm", "6 mm", "unobtainium"),
        ("recovery.I-124", "{fwhm: 6 mm, assumed: true}", "fwhm_sigma"),
        ("uncertainty", "{calibration: [", "cannot be read"),
        ("uncertainty.calibration", "", "empty"),
    ],
)
def test_what_a_case_refuses_is_refused(command, tmp_path, key, value, words):
    code, _, err = command("config", "set", key, value)
    assert code == 2 and words in err
    assert not (tmp_path / "site.yaml").exists()


def test_unset_of_what_is_not_set(command):
    code, _, err = command("config", "unset", "uncertainty.calibration")
    assert code == 2 and "not set" in err


def test_a_damaged_file_stops_import_and_not_run(command, tmp_path):
    (tmp_path / "site.yaml").write_text("uncertainty: {calibration: 3}\n")
    code, _, err = command("import", pile(tmp_path / "pile"), "-o", tmp_path / "case.yaml")
    assert code == 2 and "site.yaml" in err and not (tmp_path / "case.yaml").exists()
    case = write_small_case(tmp_path / "small")
    code, _, err = command("run", case, "--method", "local", "--out", tmp_path / "out", "-q")
    assert code == 0, err


def test_a_run_reads_its_case_alone(command, tmp_path):
    case = write_small_case(tmp_path / "small")
    command("run", case, "--method", "local", "--out", tmp_path / "one", "-q")
    command("config", "set", "uncertainty.calibration", "50 %")
    command("config", "set", "recovery.I-124", "{fwhm: 9 mm, fwhm_sigma: 1 mm}")
    command("run", case, "--method", "local", "--out", tmp_path / "two", "-q")
    one, two = (json.loads((tmp_path / name / "lesions.json").read_text()) for name in ("one", "two"))
    assert one == two
