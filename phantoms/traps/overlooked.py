"""Scans that an import could overlook: linked, hidden, packed, or in a format that is not read."""

from __future__ import annotations

import bz2
import gzip
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .choice import BOTH, ONLY_IMPORT, bare_patient, trap
from .patient import in_box, pet_truth, write_volume, write_volumes
from .trap import Right, Trap


def _lacking(*words: str) -> Right:
    """A case of the scan that is there, which says what it lacks."""
    return Right(says=("left out", "the kinetics rest on 1 scan alone", *words), exits=(1,))


def _linked(folder: Path) -> None:
    """The pile links to the folder of a scan that lies elsewhere, and to itself and the folder above."""
    pile = folder / "pile"
    bare_patient(pile)
    (pile / "PET24").rename(folder / "archive")
    (pile / "PET24").symlink_to("../archive")
    (pile / "CT" / "above").symlink_to("..")
    (pile / "PET96" / "again").symlink_to(".")


def _link_to_nothing(folder: Path) -> None:
    bare_patient(folder)
    shutil.rmtree(folder / "PET96")
    (folder / "PET96").symlink_to("/nowhere/PET96")


def _hidden_folder(folder: Path) -> None:
    bare_patient(folder)
    (folder / "PET96").rename(folder / ".PET96")


def _hidden_slices(folder: Path) -> None:
    bare_patient(folder)
    for path in sorted((folder / "PET96").iterdir()):
        path.rename(path.with_name(f".{path.name}"))


def _hidden_copy(folder: Path) -> None:
    """A snapshot of the pile in a hidden folder."""
    bare_patient(folder)
    shutil.copytree(folder / "PET96", folder / ".snapshot" / "PET96")
    (folder / "PET96" / "._PT000.dcm").write_bytes(b"\0\5\x16\7" + bytes(200))


def _packed(ending: str, pack: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """The patient whose second scan has its slices compressed one by one."""

    def make(folder: Path) -> None:
        bare_patient(folder)
        for path in sorted((folder / "PET96").iterdir()):
            path.with_name(path.name + ending).write_bytes(pack(path.read_bytes()))
            path.unlink()

    return make


def _zipped(name: str, cut: bool = False) -> Callable[[Path], None]:
    """The patient whose second scan is a ZIP file of some name, perhaps in two parts."""

    def make(folder: Path) -> None:
        bare_patient(folder)
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((folder / "PET96").iterdir()):
                archive.write(path, f"PET96/{path.name}")
        shutil.rmtree(folder / "PET96")
        if cut:
            data = (folder / name).read_bytes()
            for number, part in enumerate((data[: len(data) // 2], data[len(data) // 2 :]), 1):
                (folder / f"{name}.{number:03d}").write_bytes(part)
            (folder / name).unlink()

    return make


def _documents(folder: Path) -> None:
    """Files that hold no scan: a document that is a ZIP file, a compressed text."""
    bare_patient(folder)
    with zipfile.ZipFile(folder / "letter.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    (folder / "log.txt.gz").write_bytes(gzip.compress(b"exported\n"))


def _other_format(name: str, head: bytes = b"") -> Callable[[Path], None]:
    """The patient whose second scan is a volume of a format that is not read."""

    def make(folder: Path) -> None:
        bare_patient(folder, late=False)
        values = pet_truth(0.4).astype("<f4").tobytes()
        content = head + values
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".mgz") else content)

    return make


def _nameless_volume(folder: Path) -> None:
    bare_patient(folder, late=False)
    write_volume(folder / "second.nii.gz", pet_truth(0.4).astype(np.float32), 4.0)


def _map_of_each(folder: Path, organs: bool = False) -> None:
    """A folder with a map of each lesion, called after its place, or of each organ beside a lesion map."""
    write_volumes(folder, ("pet_i124_24h.nii.gz", "pet_i124_96h.nii.gz"))
    (folder / "case.yaml").unlink()
    own = folder / ("segmentations" if organs else "masks")
    own.mkdir()
    lower, upper = ((8.0, 24.0), (-8.0, 8.0), (32.0, 40.0)), ((8.0, 24.0), (-8.0, 8.0), (40.0, 48.0))
    for name in ("liver", "spleen", "kidney_left", "urinary_bladder") if organs else ("left_neck", "right_neck"):
        box = upper if name == "right_neck" else lower
        write_volume(own / f"{name}.nii.gz", in_box(2.0, box).astype(np.uint8), 2.0)
    if not organs:
        (folder / "lesions.nii.gz").unlink()


_NOT_READ = "A case of the first scan, and exit code 1: the file is named with what to do."

TRAPS: tuple[Trap, ...] = (
    trap(
        "scan-behind-a-link", "The folder of a scan is a link to a place outside the pile; others go in circles.",
        "The link is followed, each folder is read once.", _linked, BOTH,
        commands=("import pile -o case.yaml", "check case.yaml"), source="report",
    ),
    trap(
        "scan-behind-a-link-to-nothing", "The folder of the second scan is a link whose target was not copied.",
        "A case of the first scan, and exit code 1.", _link_to_nothing,
        _lacking("a link to something that is not there"), commands=ONLY_IMPORT,
    ),
    trap(
        "scan-in-a-hidden-folder", "The name of the second scan's folder begins with a dot.",
        "A case of the first scan, and exit code 1: what is hidden is counted and named.",
        _hidden_folder, _lacking("hidden .PET96", "20 files"), commands=ONLY_IMPORT, source="report",
    ),
    trap(
        "scan-of-hidden-slices", "The names of the second scan's slices begin with a dot.",
        "A case of the first scan, and exit code 1: what is hidden is counted and named.",
        _hidden_slices, _lacking("hidden PET96", "DICOM of modality PT"), commands=ONLY_IMPORT, source="report",
    ),
    trap(
        "hidden-copy-of-a-scan", "A hidden folder holds a snapshot of a scan that is in sight.",
        "Nothing is lacking.", _hidden_copy, BOTH,
    ),
    trap(
        "slices-compressed-one-by-one", "Each slice of the second scan is a .dcm.gz.", _NOT_READ,
        _packed(".gz", gzip.compress), _lacking("a compressed DICOM file: uncompress it"), commands=ONLY_IMPORT,
        source="report",
    ),
    trap(
        "slices-compressed-by-bzip2", "Each slice of the second scan is a .dcm.bz2.", _NOT_READ,
        _packed(".bz2", bz2.compress), _lacking("a compressed DICOM file: uncompress it"), commands=ONLY_IMPORT,
    ),
    trap(
        "zip-without-an-ending", "The second scan is a ZIP file called PET96a.", "It is unpacked and read.",
        _zipped("PET96a"), BOTH, source="report",
    ),
    trap(
        "zip-called-dat", "The second scan is a ZIP file called export.dat.", "It is unpacked and read.",
        _zipped("export.dat"), BOTH,
    ),
    trap(
        "zip-in-two-parts", "The second scan is a ZIP file in two parts.", _NOT_READ,
        _zipped("PET96.zip", cut=True), _lacking("a part of an archive: join the parts"), commands=ONLY_IMPORT,
        source="report",
    ),
    trap(
        "documents-that-are-archives", "A document that is a ZIP file and a compressed text lie in the pile.",
        "They hold no scan: nothing is lacking.", _documents, BOTH,
    ),
    *(
        trap(
            f"second-scan-in-{word}", f"The second scan is {name}.", _NOT_READ, _other_format(name, head),
            _lacking(f"{name}, may hold a scan", "export it as DICOM or NIfTI"), commands=ONLY_IMPORT, source=source,
        )
        for word, name, head, source in (
            ("ecat", "pet_96h.v", b"MATRIX72v", "report"),
            ("ecat-without-an-ending", "pet_96h", b"MATRIX72v", "variant"),
            ("analyze", "pet_96h.hdr", b"", "report"),
            ("interfile", "pet_96h.h33", b"!INTERFILE :=\n", "report"),
            ("minc", "pet_96h.mnc", b"\x89HDF\r\n", "report"),
            ("freesurfer", "pet_96h.mgz", b"", "report"),
            ("matlab", "pet_96h.mat", b"MATLAB 5.0", "report"),
            ("tiff", "pet_96h.tif", b"II*\0", "report"),
        )
    ),
    trap(
        "map-of-each-lesion-in-a-folder", "A folder called masks holds a map of each lesion, named after its place.",
        "The folder is taken: the lesions have the names of their files.", _map_of_each,
        Right(hours=(24.0, 96.0), lesions={"left_neck": {"volume_ml": 2.048}, "right_neck": {"volume_ml": 2.048}}),
        commands=("import . -o case.yaml --activity 74MBq", "check case.yaml"), source="report",
    ),
    trap(
        "map-of-each-organ-in-a-folder", "A folder called segmentations holds maps of organs, beside a lesion map.",
        "The organs are left out by name, the lesion map is taken.", lambda folder: _map_of_each(folder, True),
        Right(says=("outlines of organs", "lesions.nii.gz")), commands=ONLY_IMPORT,
    ),
    trap(
        "second-scan-in-a-volume-without-a-kind", "The second scan is second.nii.gz: its name says nothing.",
        "A case of the first scan, and exit code 1: the volume may be a scan.", _nameless_volume,
        _lacking("its name indicates neither PET, CT nor lesions"), commands=ONLY_IMPORT,
    ),
)  # fmt: skip
