"""Text tables and lists of names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .patient import write_patient, write_volumes
from .trap import Right, Trap

#: The patient as it is: what a table that is read rightly leaves unchanged.
_LESION = {"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}}
#: The body cropped out of the air around it; air that is taken for tissue makes it larger.
_GRID = (20, 30, 30)
_SPHERES = ((10, 0.35), (13, 0.5), (17, 0.65), (22, 0.78), (28, 0.86), (37, 0.93))
_CURVE = "diameter_mm,recovery\n" + "".join(f"{d},{rc}\n" for d, rc in _SPHERES)
_WESTERN = "".join(f"{d};{rc}\r\n" for d, rc in _SPHERES).replace(".", ",")
_SCANNER = "-1000,0.001\n0,1.0\n1000,1.6\n3000,2.8\n"
_SAMPLES = "time_h,whole_body_percent,blood_percent_per_l\n2,95,4\n24,60,1.5\n48,35,0.7\n96,12,0.2\n"


def _with(name: str, data: str | bytes, more: str) -> Callable[[Path], None]:
    """The patient with a table beside the case, and the lines of the case that name it."""

    def make(folder: Path) -> None:
        write_patient(folder, case={"more": more})
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    return make


def _curve(data: str | bytes) -> Callable[[Path], None]:
    return _with("rc.csv", data, "recovery: {curve: rc.csv}\n")


def _scanner(data: str | bytes) -> Callable[[Path], None]:
    return _with("cal.csv", data, "tissue: {calibration: cal.csv}\n")


def _samples(data: str | bytes) -> Callable[[Path], None]:
    return _with("blood.csv", data, "    retention: blood.csv\nheight: 170 cm\nsex: female\n")


def _named(data: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write_volumes(folder)
        (folder / "lesions.json").write_bytes(data)

    return make


def _refused(*says: str) -> Right:
    return Right(refused=True, says=says)


_READ = Right(lesions=_LESION, grid=_GRID)

TRAPS: tuple[Trap, ...] = (
    Trap(
        "calibration-with-a-byte-order-mark",
        "The CT calibration was saved by a spreadsheet as 'CSV UTF-8' (byte order mark), without a heading.",
        "All four points are read: air has 0.001 g/cm3, and the grid is cropped to the body.",
        _scanner(b"\xef\xbb\xbf" + _SCANNER.encode()),
        _READ,
        source="report",
    ),
    Trap(
        "calibration-with-a-typeset-minus",
        "The first CT number of the calibration has the minus sign of a word processor (U+2212).",
        "All four points are read.",
        _scanner(_SCANNER.replace("-", "\u2212")),
        _READ,
    ),
    Trap(
        "calibration-with-semicolons-and-decimal-commas",
        "A spreadsheet of a country with decimal commas saved the calibration with semicolons and trailing ones.",
        "All four points are read.",
        _scanner("HU;Dichte;\r\n" + _SCANNER.replace(",", ";").replace(".", ",").replace("\n", ";\r\n")),
        _READ,
    ),
    Trap(
        "calibration-with-columns-swapped",
        "The calibration has the density first, and names its columns.",
        "The names decide: all four points are read.",
        _scanner("density (g/cm3),HU\n0.001,-1000\n1.0,0\n1.6,1000\n2.8,3000\n"),
        _READ,
    ),
    Trap(
        "calibration-in-kilograms-per-cubic-metre",
        "The calibration gives densities in kg/m3, and says so in its heading.",
        "The unit of the heading counts: water has 1 g/cm3.",
        _scanner("HU,density (kg/m3)\n-1000,1\n0,1000\n1000,1600\n3000,2800\n"),
        _READ,
    ),
    Trap(
        "calibration-of-swapped-columns-without-names",
        "The calibration has the density first and no heading.",
        "Refused: the columns may be swapped.",
        _scanner("0.001,-1000\n1.0,0\n1.6,1000\n2.8,3000\n"),
        _refused("cal.csv", "swapped"),
    ),
    Trap(
        "calibration-without-a-unit-in-kilograms",
        "The calibration gives densities in kg/m3 without saying so.",
        "Refused: no implant has 2800 g/cm3.",
        _scanner("-1000,1\n0,1000\n1000,1600\n3000,2800\n"),
        _refused("cal.csv", "kg/m3"),
    ),
    Trap(
        "calibration-with-an-offset",
        "The CT numbers of the calibration are stored values, 1024 above HU.",
        "Refused: water lies at 0 HU.",
        _scanner("24,0.001\n1024,1.0\n2024,1.6\n4024,2.8\n"),
        _refused("cal.csv", "1024"),
    ),
    Trap(
        "calibration-with-decimal-commas-between-commas",
        "Decimal commas stand in a table that is separated by commas.",
        "Refused: it can be read in two ways.",
        _scanner("HU,density\n-1000,0,001\n0,1,0\n1000,1,6\n"),
        _refused("cal.csv", "line 2", "semicolons"),
    ),
    Trap(
        "calibration-of-electron-densities",
        "The second column is called relative electron density.",
        "Refused: dose is energy per mass.",
        _scanner("HU,relative electron density\n-1000,0.001\n0,1.0\n1000,1.5\n"),
        _refused("cal.csv", "mass density"),
    ),
    Trap(
        "calibration-without-air-and-lung",
        "The calibration begins at -100 HU.",
        "Used, and the first box says that everything below was taken as 0.93 g/cm3.",
        _scanner("-100,0.93\n0,1.0\n1000,1.6\n3000,2.8\n"),
        Right(lesions=_LESION, says=("begins at -100 HU", "0.93 g/cm3")),
    ),
    Trap(
        "recovery-with-a-sigma-of-zero",
        "One coefficient of the recovery curve has a standard uncertainty of 0.",
        "Refused with file and line: it would outweigh all others.",
        _curve("diameter_mm,recovery,sigma\n10,0.35,0.03\n13,0.5,0\n17,0.65,0.03\n22,0.78,0.03\n"),
        _refused("rc.csv: line 3, sigma"),
        source="report",
    ),
    Trap(
        "recovery-with-an-empty-sigma",
        "One coefficient of the recovery curve has no standard uncertainty.",
        "Refused with file and line.",
        _curve("diameter_mm,recovery,sigma\n10,0.35,0.03\n13,0.5,\n17,0.65,0.03\n22,0.78,0.03\n"),
        _refused("rc.csv: line 3, sigma"),
    ),
    Trap(
        "recovery-of-centimetres-called-millimetres",
        "The diameters of the recovery curve are in cm under a heading of mm.",
        "Refused: no phantom has spheres of 1 mm.",
        _curve("diameter_mm,recovery\n1.0,0.35\n1.3,0.5\n1.7,0.65\n2.2,0.78\n2.8,0.86\n3.7,0.93\n"),
        _refused("rc.csv: line 2", "diameter_cm"),
        source="report",
    ),
    Trap(
        "recovery-of-large-spheres-in-centimetres",
        "The recovery curve holds the large spheres alone, in cm under a heading of mm.",
        "Said in the first box: the curve is that of a resolution of 0.8 mm, and the lesion is far outside its sizes.",
        _curve("diameter_mm,recovery\n2.2,0.7\n2.8,0.76\n3.7,0.83\n"),
        Right(
            lesions=_LESION, says=("The sizes may have another unit", "far outside the sizes of the phantom's spheres")
        ),
    ),
    Trap(
        "recovery-with-its-unit-in-the-heading",
        "Diameters in cm and recovery in per cent, as the heading says.",
        "Both units are understood.",
        _curve("Sphere;diameter (cm);recovery [%]\n1;1,0;35\n2;1,3;50\n3;1,7;65\n4;2,2;78\n5;2,8;86\n6;3,7;93\n"),
        Right(lesions=_LESION, unsaid=("outside the sizes", "another unit")),
    ),
    Trap(
        "recovery-without-a-unit",
        "The recovery curve has a column 'diameter'.",
        "Refused: the unit is asked for.",
        _curve(_CURVE.replace("diameter_mm", "diameter")),
        _refused("rc.csv", "states no unit", "diameter_mm"),
    ),
    Trap(
        "recovery-in-per-cent-called-a-share",
        "The recovery coefficients are per cent under a heading without a unit.",
        "Refused: 35 is no share.",
        _curve("diameter_mm,recovery\n10,35\n13,50\n17,65\n22,78\n"),
        _refused("rc.csv: line 2", "recovery_percent"),
    ),
    Trap(
        "recovery-that-falls",
        "The recovery coefficients fall as the spheres grow: spill-out was entered for recovery.",
        "Refused: a larger sphere shows more of its activity.",
        _curve("diameter_mm,recovery\n10,0.65\n13,0.5\n17,0.35\n22,0.22\n28,0.14\n"),
        _refused("rc.csv", "recovery falls"),
    ),
    Trap(
        "recovery-with-volumes-that-contradict",
        "Diameters and volumes of the spheres contradict each other.",
        "Refused: which of the two counts is not known.",
        _curve("diameter_mm,volume_ml,recovery\n10,0.52,0.35\n13,2.3,0.5\n17,2.6,0.65\n22,5.6,0.78\n"),
        _refused("rc.csv: line 3", "1.15 mL, not 2.3 mL"),
    ),
    Trap(
        "recovery-that-nobody-measures",
        "The resolution of the case is 30 mm: 16 mm lesions show a tenth of their activity.",
        "The correction is limited, and the first box says so; no factor of 20 passes unseen.",
        lambda folder: write_patient(folder, case={"more": "recovery: {fwhm: 30 mm}\n"}) and None,
        Right(lesions=_LESION, says=("the correction was limited to a factor of 10",)),
    ),
    Trap(
        "samples-in-minutes",
        "The times of the blood samples are minutes under a heading of hours.",
        "Refused: no sample is taken after 720 h.",
        _samples("time_h,whole_body_percent\n120,95\n1440,60\n2880,35\n5760,12\n"),
        _refused("blood.csv", "time_min"),
    ),
    Trap(
        "samples-as-fractions",
        "The whole-body retention is a fraction under a heading of per cent.",
        "Refused: at 2 h the body holds more than 1 %.",
        _samples("time_h,whole_body_percent\n2,0.95\n24,0.6\n48,0.35\n96,0.12\n"),
        _refused("blood.csv", "whole_body_fraction"),
    ),
    Trap(
        "samples-above-what-was-given",
        "The whole-body retention is 250 % at 2 h.",
        "Refused: more than was administered.",
        _samples("time_h,whole_body_percent\n2,250\n24,160\n48,90\n96,30\n"),
        _refused("more than was administered"),
    ),
    Trap(
        "samples-with-decimal-commas",
        "The samples come from a spreadsheet with semicolons and decimal commas, in UTF-16.",
        "Read as they are meant.",
        _samples(_SAMPLES.replace(",", ";").replace(".", ",").encode("utf-16")),
        Right(lesions=_LESION),
    ),
    Trap(
        "calibration-of-a-german-spreadsheet",
        "The heading of the calibration is Dichte (g/cm³) in Windows-1252, the numbers have decimal commas.",
        "All four points are read.",
        _scanner(("HU;Dichte (g/cm³)\r\n" + _SCANNER.replace(",", ";").replace(".", ",")).encode("cp1252")),
        _READ,
        source="report",
    ),
    Trap(
        "recovery-of-a-french-spreadsheet",
        "The heading of the recovery curve is diamètre (mm) in Windows-1252, the numbers have decimal commas.",
        "Read as it is meant.",
        _curve(("diamètre (mm);RC mean\r\n" + _WESTERN).encode("cp1252")),
        Right(lesions=_LESION, says=("phantom curve rc.csv",)),
        source="report",
    ),
    Trap(
        "recovery-in-microlitres-of-windows",
        "The heading of the volumes is volume (µl) in Windows-1252.",
        "Read as it is meant.",
        _curve(
            "volume (µl);recovery\r\n".encode("cp1252")
            + "".join(f"{d**3 * 0.5235988:.1f};{rc}\r\n" for d, rc in _SPHERES).encode()
        ),
        Right(lesions=_LESION, says=("phantom curve rc.csv",)),
    ),
    Trap(
        "recovery-in-bytes-that-are-no-text",
        "The recovery curve holds bytes that no table has.",
        "Refused, and how to save it is said.",
        _curve(_CURVE.encode() + b"40,0.9\x81\x07\n"),
        _refused("rc.csv", "saved as UTF-8"),
    ),
    Trap(
        "samples-without-a-whole-body",
        "The samples are of blood alone.",
        "Refused, and the missing column is named.",
        _samples("time_h,blood_percent_per_l\n2,4\n24,1.5\n48,0.7\n96,0.2\n"),
        _refused("blood.csv", "no whole-body measurements", "whole_body_percent"),
        source="report",
    ),
    Trap(
        "names-with-a-byte-order-mark",
        "The names of the lesions were saved with a byte order mark.",
        "Read: the lesion is called neck.",
        _named(b"\xef\xbb\xbf" + json.dumps({"1": "neck"}).encode()),
        Right(lesions={"neck": {"volume_ml": 4.096, "mean_bq_ml": 1e5}}),
        source="report",
    ),
    Trap(
        "names-that-are-no-list",
        "The file of the lesions' names holds a number where the names should be.",
        "Refused, naming the file.",
        _named(b'{"lesions": 5}'),
        _refused("lesions.json"),
    ),
)
