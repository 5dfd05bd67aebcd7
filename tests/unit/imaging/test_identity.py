"""Whether objects are of one patient, by what their headers state."""

from pathlib import Path

import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.dicom.find import Header
from hevesy.engine.imaging.identity import Person, patients_of, require_one_patient
from pydicom.dataset import Dataset


def header(number="", name="", born="", folder="a", file="1.dcm"):
    data = Dataset()
    data.PatientID, data.PatientName, data.PatientBirthDate = number, name, born
    return Header(Path(folder) / file, data)


@pytest.mark.parametrize(
    ("one", "other", "patients"),
    [
        (("1", "Doe^Jane"), ("1", "Doe^Jane"), 1),
        (("1", "Doe^Jane"), ("2", "Doe^Jane"), 2),
        (("1", "Doe^Jane"), ("", "Doe^Jane"), 1),
        (("1", "Doe^Jane"), ("", ""), 1),
        (("1", "Doe^Jane"), ("", "Roe^John"), 2),
        (("", "Doe^Jane"), ("", "Roe^John"), 2),
        (("", "Doe^Jane"), ("", "Doe^John"), 2),
        (("", "Doe^Jane"), ("", "JANE DOE"), 1),
        (("", "Müller^Jörg^^"), ("", "Muller^Jorg"), 1),
        (("", "Doe^Jane", "19700101"), ("", "Doe^Jane", "19710101"), 2),
        (("1", "Doe^Jane"), ("1", "Smith^Jane"), 1),
        (("1", "Doe^Jane"), ("1", "Roe^John"), 2),
        (("1", "Doe^Jane", "19700101"), ("1", "Roe^John", "19700101"), 1),
        (("1", "Doe^Jane", "19700101"), ("1", "Doe^Jane", "19700110"), 1),
        (("0012", "Doe^Jane"), ("12", "Doe^Jane"), 1),
        (("12 ", "Doe^Jane"), ("12", "Doe^Jane"), 1),
        (("ANONYMOUS", "A"), ("", "B"), 2),
        (("ANONYMOUS", "Anonymous"), ("7", "Doe^Jane"), 1),
        (("", "", "19700101"), ("", "", "19710101"), 2),
        (("0", "Doe^Jane"), ("1", "Doe^Jane"), 2),
    ],
)
def test_pairs(one, other, patients):
    assert len(patients_of([header(*one), header(*other)])) == patients
    assert len(patients_of([header(*other), header(*one)])) == patients


def test_a_refusal_counts_files_and_names_nobody():
    headers = [header("1", "Doe^Jane", file=f"{i}.dcm") for i in range(3)] + [header("2", "Roe^John", folder="b")]
    with pytest.raises(InputError) as caught:
        require_one_patient(headers)
    text = str(caught.value)
    assert "2 patients by PatientID: patient A: 3 files in a; patient B: 1 file (b/1.dcm)" in text
    assert "Doe" not in text and "Roe" not in text
    require_one_patient(headers[:3])
    require_one_patient([])


def test_a_person_is_not_shown():
    assert "Doe" not in repr(Person.of(header("1", "Doe^Jane").dataset))
    assert "Doe" not in repr(patients_of([header("1", "Doe^Jane")]))
