"""Everything that a case names opened, and found to be of one patient: compared in memory, kept nowhere."""

from __future__ import annotations

from ..case.model import Case, Visit
from ..imaging.dicom.find import Header
from ..imaging.identity import Person, require_one_patient
from ..imaging.source import Sources


def open_sources(case: Case) -> dict[str, Sources]:
    """The images and lesion files of every visit, by its name; each DICOM header is read once.

    Where the case states ``same_patient: true``, identities are not compared: studies that were de-identified one by
    one carry different ones.

    Parameters
    ----------
    case
        The case.

    Raises
    ------
    InputError
        Files of more than one patient, naming the elements that differ and the files; damaged headers.
    """
    opened = {visit.name: Sources() for visit in case.visits}
    if not case.same_patient:
        headers = [header for visit in case.visits for header in _identities(visit, opened[visit.name])]
        require_one_patient(
            headers,
            suggestion="name the files of one patient; if they are (studies de-identified one by one), write "
            "same_patient: true in the case",
        )
    return opened


def _identities(visit: Visit, sources: Sources) -> list[Header]:
    """One header for each way in which a file or folder of the visit names its patient; volume files name nobody."""
    paths = [path for scan in visit.scans for path in (scan.pet, scan.ct)] + list(visit.lesion_files)
    found: list[Header] = []
    for path in dict.fromkeys(paths):
        source = sources.open(path)
        if source.is_dicom and source.location.exists():  # what does not exist is refused where it is read
            found += {Person.of(header.dataset): header for header in reversed(source.headers)}.values()
    return found
