"""Archives, media and volumes that an import is given."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from .choice import BOTH, ONLY_IMPORT, bare_patient, trap
from .patient import in_box, save, uid, write_volume, write_volumes
from .trap import Right, Trap

_ZIP = ("import all.zip -o case.yaml", "check case.yaml")


def _packed(folder: Path) -> zipfile.ZipFile:
    """The patient's files in all.zip, which is returned open, and nowhere else."""
    bare_patient(folder)
    archive = zipfile.ZipFile(folder / "all.zip", "w")
    for name in ("CT", "PET24", "PET96", "RS"):
        for path in sorted((folder / name).iterdir()):
            archive.write(path, f"export/{name}/{path.name}")
        shutil.rmtree(folder / name)
    return archive


def _with(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> Callable[[Path], None]:
    """The patient in a ZIP file with further entries."""

    def make(folder: Path) -> None:
        with _packed(folder) as archive:
            for name, content in entries:
                archive.writestr(name, content)

    return make


def _link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("export/CT/link.dcm")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


def _encrypted(folder: Path) -> None:
    """Sets the flag of encryption in every entry: what is behind it is not looked at."""
    _with()(folder)
    data = bytearray((folder / "all.zip").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for place in _places(bytes(data), mark):
            data[place + offset] |= 1
    (folder / "all.zip").write_bytes(bytes(data))


def _places(data: bytes, mark: bytes) -> Iterator[int]:
    place = data.find(mark)
    while place >= 0:
        yield place
        place = data.find(mark, place + 1)


def _bomb(folder: Path) -> None:
    """Directory entries that state 40 GB for a few bytes."""
    with _packed(folder) as archive:
        archive.writestr("export/huge.dcm", bytes(1000), zipfile.ZIP_DEFLATED)
    data = bytearray((folder / "all.zip").read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (4_000_000_000).to_bytes(4, "little")
    (folder / "all.zip").write_bytes(bytes(data))


def _cut(folder: Path) -> None:
    _with()(folder)
    data = (folder / "all.zip").read_bytes()
    (folder / "all.zip").write_bytes(data[: len(data) // 2])


def _occupied(folder: Path) -> None:
    _with()(folder)
    (folder / "all").mkdir()
    (folder / "all" / "notes.txt").write_text("mine", encoding="utf-8")


def _nested(folder: Path) -> None:
    _with()(folder)
    with zipfile.ZipFile(folder / "outer.zip", "w") as outer:
        outer.write(folder / "all.zip", "all.zip")
        outer.writestr("README.dcm", bytes(128) + b"DICM")
    (folder / "all.zip").unlink()


def _tar(folder: Path) -> None:
    bare_patient(folder)
    shutil.make_archive(str(folder / "second"), "gztar", folder / "PET96")
    shutil.rmtree(folder / "PET96")


def _medium(folder: Path, lost: str = "") -> None:
    """The patient with a DICOMDIR that lists its files."""
    bare_patient(folder)
    index = Dataset()
    index.SOPClassUID, index.SOPInstanceUID = "1.2.840.10008.1.3.10", uid("index")
    index.FileSetID = "TRAP"
    records = []
    for path in sorted(folder.rglob("*.dcm")):
        record = Dataset()
        record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", list(path.relative_to(folder).parts)
        records.append(record)
    index.DirectoryRecordSequence = Items(records)
    save(index, folder / "DICOMDIR")
    if lost:
        shutil.rmtree(folder / lost)


def _named_suv(folder: Path) -> None:
    write_volumes(folder, ("suv_i124_24h.nii.gz", "suv_i124_96h.nii.gz"), 1.117e-3)
    (folder / "case.yaml").unlink()


def _two_maps(folder: Path) -> None:
    write_volumes(folder, ("pet_i124_24h.nii.gz", "pet_i124_96h.nii.gz"))
    (folder / "lesions.nii.gz").unlink()
    (folder / "case.yaml").unlink()
    lower = ((8.0, 24.0), (-8.0, 8.0), (32.0, 40.0))
    upper = ((8.0, 24.0), (-8.0, 8.0), (40.0, 48.0))
    for name, box in (("gtv1", lower), ("gtv2", upper)):
        write_volume(folder / f"{name}.nii.gz", in_box(2.0, box).astype(np.uint8), 2.0)
        (folder / f"{name}.json").write_text(json.dumps({"1": name}), encoding="utf-8")


def _unnamed_tracer(folder: Path) -> None:
    write_volumes(folder, ("pet_a.nii.gz", "pet_b.nii.gz"))
    (folder / "case.yaml").unlink()


def _bids(folder: Path) -> None:
    """The patient as a BIDS data set: a session for each scan, times and tracer in the sidecars."""
    write_volumes(folder, ("pet_24h.nii.gz", "pet_96h.nii.gz"))
    (folder / "case.yaml").unlink()
    for session, hours in (("early", 24), ("late", 96)):
        own = folder / "sub-01" / f"ses-{session}"
        (own / "pet").mkdir(parents=True)
        (own / "ct").mkdir()
        stem = f"sub-01_ses-{session}"
        (folder / f"pet_{hours}h.nii.gz").rename(own / "pet" / f"{stem}_trc-NaI_pet.nii.gz")
        shutil.copy(folder / "ct.nii.gz", own / "ct" / f"{stem}_ct.nii.gz")
        sidecar = {
            "TracerName": "NaI", "TracerRadionuclide": "I124", "InjectedRadioactivity": 74,
            "InjectedRadioactivityUnits": "MBq", "TimeZero": "09:00:00", "InjectionStart": 0,
            "ScanStart": hours * 3600, "Units": "Bq/mL", "ImageDecayCorrected": True,
            "ImageDecayCorrectionTime": hours * 3600,
        }  # fmt: skip
        (own / "pet" / f"{stem}_trc-NaI_pet.json").write_text(json.dumps(sidecar), encoding="utf-8")
    masks = folder / "derivatives" / "sub-01"
    masks.mkdir(parents=True)
    (folder / "lesions.nii.gz").rename(masks / "sub-01_label-L1_mask.nii.gz")
    (folder / "ct.nii.gz").unlink()


def _two_subjects(folder: Path) -> None:
    _bids(folder)
    (folder / "sub-02").mkdir()
    shutil.copy(next((folder / "sub-01").rglob("*_pet.nii.gz")), folder / "sub-02" / "sub-02_pet.nii.gz")


def _odd_names(folder: Path) -> None:
    bare_patient(folder)
    for old, new in (
        ("CT", "-CT: a #1, 'é'"),
        ("PET24", "PET#24.5"),
        ("PET96", 'null "x" 96%'),
        ("RS", "[rs] {1} & *"),
    ):
        (folder / old).rename(folder / new)


def _hash_and_plain(folder: Path) -> None:
    bare_patient(folder)
    (folder / "PET96").rename(folder / "PET24#96.1")


_REFUSED = "Refusal that names the entry."

TRAPS: tuple[Trap, ...] = (
    trap(
        "zip-of-an-export", "One ZIP file holds the whole export.", "It is unpacked beside the case and read.",
        _with(), BOTH, source="report",
    ),
    trap(
        "zip-named-alone", "The ZIP file itself is named, with the litter of macOS in it.",
        "It is unpacked beside the case and read.",
        _with(("__MACOSX/export/._CT000.dcm", b"\0\5\x16\7"), ("export/.DS_Store", b"x")), BOTH, commands=_ZIP,
    ),
    trap(
        "zip-made-on-windows", "The names in a ZIP file have backslashes.", "They are folders.",
        _with((r"more\reports\a.txt", b"x")), BOTH, commands=_ZIP,
    ),
    trap(
        "zip-that-leads-outside", "An entry of a ZIP file is named ../evil.dcm.", _REFUSED,
        _with(("../evil.dcm", b"x")), Right(refused=True, says=("leads outside the archive", "../evil.dcm")),
        commands=("import all.zip -o case.yaml",),
    ),
    trap(
        "zip-of-an-absolute-path", "An entry of a ZIP file is named /tmp/evil.dcm.", _REFUSED,
        _with(("/tmp/evil.dcm", b"x")), Right(refused=True, says=("leads outside the archive",)),
        commands=("import all.zip -o case.yaml",),
    ),
    trap(
        "zip-of-a-link", "An entry of a ZIP file is a symbolic link.", _REFUSED,
        lambda folder: _with((_link(), b"/etc/passwd"))(folder), Right(refused=True, says=("is a link",)),
        commands=("import all.zip -o case.yaml",),
    ),
    trap(
        "zip-with-a-password", "A ZIP file is encrypted.", "Refusal that says so.",
        _encrypted, Right(refused=True, says=("the ZIP file is encrypted",)), commands=("import all.zip -o case.yaml",),
    ),
    trap(
        "zip-bomb", "A ZIP file of a few MB states a content of 4 GB.", "Refusal before anything is written.",
        _bomb, Right(refused=True, says=("states a content of",)), commands=("import all.zip -o case.yaml",),
    ),
    trap(
        "zip-cut-short", "A ZIP file is truncated.", "Refusal that says so.",
        _cut, Right(refused=True, says=("the ZIP file cannot be read",)), commands=("import all.zip -o case.yaml",),
    ),
    trap(
        "zip-whose-folder-is-there", "A folder of the ZIP file's name holds other files.", "Nothing is overwritten.",
        _occupied, Right(refused=True, says=("the folder all/ is there",)), commands=("import all.zip -o case.yaml",),
    ),
    trap(
        "zip-in-a-zip", "A ZIP file holds another one.", "Refusal that names the inner one.",
        _nested, Right(refused=True, says=("all.zip", "an archive: unpack it")),
        commands=("import outer.zip -o case.yaml",),
    ),
    trap(
        "second-scan-in-a-tar", "The second scan is in a .tar.gz beside the first.",
        "A case of the first scan, and exit code 1: the archive may hold a scan.",
        _tar, Right(says=("left out: archive second.tar.gz",), exits=(1,)), commands=ONLY_IMPORT,
    ),
    trap(
        "dicomdir-beside", "The folder is a medium with a DICOMDIR.", "The index is left out, the files are read.",
        _medium, BOTH,
    ),
    trap(
        "dicomdir-named", "The DICOMDIR itself is named.", "Its folder is read.",
        _medium, BOTH, commands=("import DICOMDIR -o case.yaml", "check case.yaml"),
    ),
    trap(
        "dicomdir-of-missing-files", "A DICOMDIR lists a scan that was not copied.",
        "A case of the first scan, and exit code 1: files of the medium are missing.",
        lambda folder: _medium(folder, "PET96"), Right(says=("20 are not there", "PET96/PT000.dcm"), exits=(1,)),
        commands=ONLY_IMPORT,
    ),
    trap(
        "volumes-named-suv", "Volumes whose names say SUV, and nothing states a unit.", "They are not taken as Bq/mL.",
        _named_suv, Right(refused=True, says=("no sidecar states its unit",)), commands=ONLY_IMPORT, source="report",
    ),
    trap(
        "two-label-maps", "Two lesions are in a label map each.", "Both are taken.",
        _two_maps, Right(hours=(24.0, 96.0), lesions={"gtv1": {"volume_ml": 2.048}, "gtv2": {"volume_ml": 2.048}}),
        commands=("import . -o case.yaml --activity 74MBq", "check case.yaml"), source="report",
    ),
    trap(
        "bids-data-set", "Scans, CTs and lesions are laid out as BIDS: a folder for each, facts in sidecars.",
        "They are read, each PET with the CT of its session.",
        _bids, Right(hours=(24.0, 96.0), lesions={"lesion 1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}}, only=False),
        source="report",
    ),
    trap(
        "bids-of-two-subjects", "A BIDS data set holds a second subject.", "Refusal that names the two.",
        _two_subjects, Right(refused=True, says=("2 subjects: sub-01, sub-02",)), commands=ONLY_IMPORT,
    ),
    trap(
        "volumes-of-an-unstated-tracer", "The names of the volumes give neither the tracer nor the times.",
        "The user states them.",
        _unnamed_tracer, Right(hours=(24.0, 96.0), lesions={"lesion 1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}}),
        commands=(
            "import . -o case.yaml --tracer I-124 --activity 74MBq --after pet_a.nii.gz=24h --after pet_b.nii.gz=96h",
            "check case.yaml",
        ),
    ),
    trap(
        "folders-of-odd-names", "Names of folders hold #, quotes, colons, brackets, accents and a leading dash.",
        "The case that import writes is read.", _odd_names, BOTH,
    ),
    trap(
        "folder-named-like-a-series", "A folder PET24#96.1 lies beside the folder PET24.", "Both are read.",
        _hash_and_plain, BOTH, source="report",
    ),
)  # fmt: skip
