"""The case file: values, defaults, the resolved case, and the words of every refusal."""

import json

import pytest
import yaml
from hevesy.engine.case.model import Case
from hevesy.engine.errors import InputError
from hevesy.engine.series_path import SeriesPath
from hevesy.engine.text import did_you_mean

GOOD = """\
patient: 007
threshold: 20 Gy
therapy: {nuclide: I-131, activity: 7.4 GBq}
tracer: {nuclide: 124I, activity: 74 MBq, administered: 2026-01-05T09:00}
weight: 75 kg
visits:
  - name: baseline
    scans:
      - {pet: pet_24h.nii.gz, ct: ct_24h.nii.gz, after: 24 h}
      - {pet: pet_96h.nii.gz, ct: ct_96h.nii.gz, after: 4 days}
    lesions: lesions.nii.gz
kinetics: {model: auto}
recovery: {fwhm: 6 mm}
transport: {grid: pet, until: "lesions:1%", electron_cutoff: 10 keV, photon_cutoff: 1 keV}
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("pet_24h.nii.gz", "ct_24h.nii.gz", "pet_96h.nii.gz", "ct_96h.nii.gz", "lesions.nii.gz"):
        (tmp_path / name).touch()
    return tmp_path


def load(folder, text):
    path = folder / "case.yaml"
    path.write_text(text)
    return Case.load(path)


def refusal(folder, text):
    with pytest.raises(InputError) as caught:
        load(folder, text)
    return str(caught.value)


def test_values_are_in_the_unit_of_their_name(folder):
    case = load(folder, GOOD)
    assert case.patient == "007"
    assert case.threshold_gy == 20.0
    assert (case.therapy.nuclide, case.therapy.activity_mbq) == ("I-131", 7400.0)
    assert (case.tracer.nuclide, case.tracer.activity_mbq) == ("I-124", 74.0)
    assert case.tracer.administered.isoformat() == "2026-01-05T09:00:00"
    assert [s.after_h for s in case.visits[0].scans] == [24.0, 96.0]
    assert case.visits[0].scans[0].pet == folder / "pet_24h.nii.gz"
    assert case.transport.electron_cutoff_mev == pytest.approx(0.01)
    assert case.recovery.fwhm_mm == 6.0
    assert case.methods == ("mc", "local")


def test_a_case_cannot_be_changed(folder):
    case = load(folder, GOOD)
    with pytest.raises(Exception, match="frozen"):
        case.threshold_gy = 30.0


def test_resolved_case_reads_back_the_same(folder):
    case = load(folder, GOOD)
    for relative_to in (None, folder / "out"):
        path = folder / "out" / "case.resolved.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(case.to_yaml(relative_to))
        assert Case.load(path) == case
    assert yaml.safe_load(path.read_text())["visits"][0]["lesions"] == "../lesions.nii.gz"


def test_resolved_case_keeps_an_unlimited_stop_criterion(folder):
    case = load(folder, GOOD.replace('until: "lesions:1%"', "until: null, decays: 1e6"))
    assert case.transport.until is None
    assert case.transport.decays == 1_000_000
    assert Case.from_dict(yaml.safe_load(case.to_yaml()), base=folder) == case


def test_command_line_changes_give_another_case(folder):
    case = load(folder, GOOD)
    other = case.with_transport(methods=("local",), seed=5)
    assert (other.transport.seed, other.methods) == (5, ("local",))
    assert case.transport.seed == 1


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("threshold: 20 Gy", "treshold: 20 Gy", ["unknown key", "(line 2)", "did you mean 'threshold'?"]),
        ("ct: ct_96h.nii.gz", "ctt: ct_96h.nii.gz", ["scans[1].ctt", "(line 10)", "did you mean 'ct'?"]),
        ("after: 24 h", "after: 24", ["visits[0].scans[0].after", "24 has no unit", "24 h"]),
        ("7.4 GBq", "7.4", ["therapy.activity", "7.4 has no unit", "7.4 GBq"]),
        ("7.4 GBq", "-7.4 GBq", ["therapy.activity", "-7.4 GBq is out of range", "more than 0 MBq"]),
        ("7.4 GBq", "7.4 Gy", ["therapy.activity", "'Gy' is not a unit of activity"]),
        ("20 Gy", "20 Sv", ["threshold", "'Sv' is not a unit of dose"]),
        ("model: auto", "model: two-pont", ["kinetics.model", "'two-pont'", "did you mean 'two-point'?"]),
        ("pet_96h", "pet_69h", ["visits[0].scans[1].pet", "no such file or folder: pet_69h.nii.gz"]),
        (
            "lesions:1%",
            "lesion:1%",
            ["transport.until", "'lesion:1%' is not a valid stop criterion", "did you mean 'lesions'?"],
        ),
        ("grid: pet", "grid: 2", ["transport.grid", "2 has no unit"]),
        ("grid: pet", "grid: fine", ["transport.grid", "is not a dose grid"]),
        ("fwhm: 6 mm", "", ["recovery", "needs either 'fwhm' or 'curve'"]),
        ("weight: 75 kg", "weight: 75 kg\nweight: 80 kg", ["'weight' is listed twice", "line 6"]),
        ("nuclide: 124I", "nuclide: I-125x", ["tracer.nuclide"]),
        ("    lesions: lesions.nii.gz\n", "", ["visits[0].lesions", "is missing", "add 'lesions:'"]),
        ("kinetics: {", "kinetics: [", ["is not valid YAML", "line 12"]),
        ("administered: 2026-01-05T09:00", "administered: yesterday", ["tracer.administered", "'yesterday'"]),
        ("grid: pet", "decays: 0", ["transport.decays", "is not a number of decays"]),
    ],
)
def test_refusals_name_file_key_line_and_remedy(folder, old, new, parts):
    assert old in GOOD
    text = refusal(folder, GOOD.replace(old, new, 1))
    assert "case.yaml" in text.splitlines()[0]
    for part in parts:
        assert part in text


def test_several_mistakes_are_announced_together(folder):
    text = refusal(folder, GOOD.replace("20 Gy", "20").replace("75 kg", "75"))
    assert "threshold (line 2)" in text
    assert "1 more: weight" in text


def test_visit_names_differ(folder):
    visit = GOOD[GOOD.index("  - name") : GOOD.index("kinetics")]
    text = refusal(folder, GOOD.replace("kinetics", visit + "kinetics", 1))
    assert "'baseline' is used twice" in text


def test_missing_case_file(tmp_path):
    (tmp_path / "case.yaml").write_text("x: 1")
    with pytest.raises(InputError, match="no such file") as caught:
        Case.load(tmp_path / "csae.yaml")
    assert "did you mean 'case.yaml'?" in str(caught.value)


@pytest.mark.parametrize("content", ["", "just text", "- 1\n- 2\n"])
def test_file_that_is_not_a_mapping_is_refused(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a mapping"):
        Case.load(path)


def test_binary_file_is_refused(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\x89PNG\r\n\x00\x80")
    with pytest.raises(InputError, match="cannot be read as text"):
        Case.load(path)


def test_files_need_not_be_there_when_only_looking(folder):
    path = folder / "case.yaml"
    path.write_text(GOOD.replace("pet_96h", "gone"))
    assert Case.load(path, check_files=False).visits[0].scans[1].pet.name == "gone.nii.gz"


def test_series_of_a_mixed_folder(tmp_path):
    parse = SeriesPath.parse
    assert parse(tmp_path / "dicom#1.2.840.1") == (tmp_path / "dicom", "1.2.840.1")
    assert parse(str(tmp_path / "a#b" / "dicom#0123456789ab")) == (tmp_path / "a#b" / "dicom", "0123456789ab")
    for name in ("scan#two", "scan#", "#1.2.3", "a#1.2/dicom"):
        assert parse(tmp_path / name) == (tmp_path / name, None)
    (tmp_path / "scan#2").mkdir()  # a folder of that very name is that folder
    assert parse(tmp_path / "scan#2") == (tmp_path / "scan#2", None)


def test_json_schema_is_json_and_knows_the_outside_names():
    schema = json.loads(json.dumps(Case.json_schema()))
    assert {"patient", "threshold", "therapy", "tracer", "visits", "transport"} <= set(schema["properties"])
    assert schema["$defs"]["Therapy"]["properties"]["activity"]["type"] == "string"
    assert "7.4 GBq" in schema["$defs"]["Therapy"]["properties"]["activity"]["examples"]
    assert schema["additionalProperties"] is False


def test_did_you_mean_lists_all_when_nothing_is_near():
    assert did_you_mean("zzz", ["pet", "ct"]) == "known here: pet, ct"
