"""No name, identifier, birth date, UID or folder of the input reaches any file of a run."""

from pathlib import Path

import h5py
import hevesy
import pydicom
import pytest
import yaml
from hevesy.engine.imaging.sorting.sort import sort_folder
from hevesy.phantoms.anatomy import DEFAULT_LESIONS
from hevesy.phantoms.patient import synthetic_patient

SECRETS = {
    "PatientName": "Quennevais^Zoltan",
    "PatientID": "MRN7731905",
    "PatientBirthDate": "19580317",
    "OtherPatientIDs": "NHS4410023",
    "AccessionNumber": "ACC90817",
    "InstitutionName": "Klinik Wolkenstein",
    "ReferringPhysicianName": "Prunelle^Ada",
    "StationName": "PETSTATION7",
    "PatientAddress": "Lindwurmgasse 12",
    "StudyID": "STUDY55123",
    "StudyDescription": "for Quennevais",
    "SeriesDescription": "MRN7731905 whole body",
    "StructureSetLabel": "drawn for MRN7731905",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of the output, and every word that must not be in it."""
    root = tmp_path_factory.mktemp("secretfolder")
    patient = synthetic_patient(seed=2, voxel_mm=8.0, lesions=DEFAULT_LESIONS[:2])
    images = patient.save_dicom(root / "images")
    words = {value.replace("^", " ") for value in SECRETS.values()}
    words |= {"Quennevais", "Zoltan", "Prunelle", "Wolkenstein", "secretfolder", str(root)}
    for file in sorted(images.rglob("*.dcm")):
        data = pydicom.dcmread(file)
        for keyword, value in SECRETS.items():
            if keyword in data or keyword.startswith(("Patient", "Other", "Accession", "Institution")):
                setattr(data, keyword, value)
        words |= {
            str(data[k].value)
            for k in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
            if k in data
        }
        data.save_as(file)
        # all in one folder: the case must then tell the series apart
        file.rename(images / "-".join(file.relative_to(images).parts))
    case = root / "case.yaml"
    data = sort_folder([images]).to_case_dict(root)
    data["transport"] = {"decays": 2000, "until": None}
    case.write_text(yaml.safe_dump(data))
    out = root / "out"
    hevesy.run(case, method="mc,local", out=out)
    return out, words


def texts(path: Path):
    """What a file says: its text, or for a compressed container the text of all its parts."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            said = [f"{k}={v}" for k, v in file.attrs.items()]

            def look(name, item):
                said.append(name)
                said.extend(f"{k}={v}" for k, v in item.attrs.items())
                if isinstance(item, h5py.Dataset) and (item.dtype.names or h5py.check_string_dtype(item.dtype)):
                    said.append(str(item[()]))

            file.visititems(look)
            return "\n".join(said)
    data = path.read_bytes()
    if path.name.endswith(".gz"):
        import gzip

        data = gzip.decompress(data)
    return data.decode("latin-1")


def test_no_identity_in_any_output(run):
    out, words = run
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    assert {"result.h5", "lesions.csv", "report.html", "log.txt", "case.resolved.yaml"} <= {p.name for p in files}
    found = {(path.name, word) for path in files for word in words if word.lower() in texts(path).lower()}
    assert not found


def test_the_test_would_see_it(run, tmp_path):
    """The same search finds what is there."""
    out, _ = run
    assert "hevesy-result" in texts(out / "result.h5")
    assert DEFAULT_LESIONS[0].name in texts(out / "result.h5")
    assert "P01" in texts(out / "case.resolved.yaml")


def test_resolved_case_of_dicom_can_be_run_again(run):
    out, _ = run
    case = hevesy.Case.load(out / "case.resolved.yaml")
    assert len(case.visits[0].scans) == 2
