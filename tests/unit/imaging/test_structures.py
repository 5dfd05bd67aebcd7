"""Structures of a file: how contours of a plane combine, what is a lesion, which images a file refers to."""

import random

import numpy as np
import pydicom
import pytest
from hevesy.engine.case.structures import Structures
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid
from hevesy.engine.imaging.dicom.find import read_header
from hevesy.engine.imaging.masks.names import Content, clean_name, kind_of, settled
from hevesy.engine.imaging.masks.read import open_masks, structures_of
from hevesy.engine.imaging.masks.references import CaseImage, Referenced, frame_of, referenced
from hevesy.engine.imaging.masks.regions import combined, common_area
from hevesy.phantoms.traps.patient import FRAME, box_contours, uid, write_structures
from hevesy.phantoms.traps.segments import TRAPS as SEGMENTS

CT = Grid((40, 64, 64), (2.0, 2.0, 2.0), (1.0, -63.0, -63.0))
PET = Grid((20, 32, 32), (4.0, 4.0, 4.0), (2.0, -62.0, -62.0))


def box(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


@pytest.mark.parametrize(
    ("contours", "area"),
    [
        ([box(0, 0, 16, 16), box(4, 4, 12, 12)], 192.0),
        ([box(0, 0, 16, 16), box(8, 8, 24, 24)], 448.0),
        ([box(0, 0, 16, 16), box(16, 0, 32, 16)], 512.0),
        ([box(0, 0, 40, 40), box(5, 5, 35, 35), box(10, 10, 20, 20), box(15, 15, 25, 25)], 1600 - 900 + 175),
        ([box(0, 0, 20, 20), box(10, 0, 30, 20), box(12, 5, 18, 15)], 600.0 - 60.0),
        ([box(0, 0, 16, 16)] * 3, 256.0),
    ],
    ids=["hole", "union", "touching", "union in a hole", "hole in both of a union", "copies"],
)
def test_contours_of_a_plane(contours, area):
    rng = random.Random(3)
    for _ in range(4):
        rng.shuffle(contours)
        assert combined(contours).area_mm2 == pytest.approx(area, rel=2e-3)


def test_common_area_is_zero_for_neighbours():
    assert common_area(box(0, 0, 16, 16), box(16, 0, 32, 16)) == 0.0
    assert common_area(box(0, 0, 16, 16), box(8, 8, 24, 24)) == pytest.approx(64.0, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("liver", "organ"), ("LIVER_L", "organ"), ("Lung-Left", "organ"), ("left lung", "organ"), ("lungR", "organ"),
        ("liver met", "lesion"), ("lung nodule L", "lesion"), ("Lung_R_met", "lesion"), ("liver 1", "lesion"),
        ("thyroid", "lesion"), ("sternum", "lesion"), ("L1", "lesion"), ("BODY", "body"), ("CouchSurface", "aid"),
        ("PTV70", "margin"), ("CTV", "clinical"), ("isocentre", "aid"), ("background", "background"),
        ("Lungs-GTV", "derived"), ("Liver not GTV", "derived"), ("NTRing1", "derived"), ("SpinalCord+5mm", "derived"),
        ("95%", "derived"), ("GTV+5mm", "margin"), ("zPTV", "margin"), ("GTV_60Gy", "lesion"), ("L1-GTV", "lesion"),
        ("Brain - mets", "lesion"), ("External_1", "body"), ("CouchOuter", "aid"), ("Metal", "aid"), ("Leber", "organ"),
        ("Normal Liver", "organ"), ("string lesion", "lesion"), ("GTV minus bone", "lesion"), ("CTVn", "clinical"),
    ],
)  # fmt: skip
def test_what_a_name_says(name, kind):
    assert kind_of(name) == kind


def test_a_type_beats_the_name():
    assert [kind_of("Brain target", t) for t in ("AVOIDANCE", "EXTERNAL", "GTV")] == ["organ", "body", "lesion"]


def test_an_exact_name_beats_a_pattern(tmp_path):
    (tmp_path / "rs.dcm").touch()
    names = {"L*": "target", "l2": {"role": "organ", "limit": "30 mGy"}}
    structures = Structures.model_validate({"file": tmp_path / "rs.dcm", "names": names})
    assert [structures.of(name).role for name in ("L1", "L2", "L22")] == ["target", "organ", "target"]


def test_a_map_of_the_anatomy_has_bones():
    assert kind_of("sternum", anatomy=True) == "organ" and kind_of("vertebrae_L1", anatomy=True) == "organ"
    assert kind_of("lung_nodules", anatomy=True) == "lesion"


def test_a_type_that_all_have_tells_nothing():
    both = [Content("a", "organ"), Content("Heart", "organ")]
    assert [one.kind for one in settled(both, ["ORGAN", "ORGAN"])] == ["lesion", "organ"]
    assert [one.kind for one in settled(both, ["ORGAN", "AVOIDANCE"])] == ["organ", "organ"]


def test_names_are_one_line_of_plain_characters():
    assert clean_name("a\0b\x1b[31mred\u202e\nx", "ROI 1") == "a bred x"
    assert clean_name(" \0\n", "ROI 3") == "ROI 3"
    assert len(clean_name("y" * 300, "")) <= 120


def test_structures_of_a_header(tmp_path):
    path = write_structures(tmp_path / "rs.dcm", [("L1", box_contours()), ("Heart", box_contours()), ("E", [])])
    lesions, others = structures_of(read_header(path))
    assert lesions == ["L1"] and [name for name, _ in others] == ["Heart", "E"] and others[0][1] == "organs"
    assert structures_of(path) == (lesions, others)


def test_what_a_file_refers_to(tmp_path):
    found = referenced(read_header(write_structures(tmp_path / "rs.dcm")).dataset)
    assert found.frames == {FRAME} and found.series == {uid("CT")} and found.instances == {uid("CT", 1)}
    assert found.kinds == ("ct",)


def test_the_frame_of_a_structure():
    """The images that contours refer to come first, then what the file agrees on; a listed frame is believed."""
    ct = CaseImage("ct", PET, "1.1", frozenset({"s"}), frozenset({"i"}))
    none = frozenset()

    def refers(frames, series=none):
        return Referenced(frozenset(frames), frozenset(series), none)

    assert frame_of("1.9", [ct], refers({"1.9"}), frozenset({"i"})) == ("1.1", True)
    assert frame_of("1.9", [ct], refers({"1.1"}), none) == ("1.1", True)
    assert frame_of("1.9", [ct], refers({"1.9", "1.1"}, {"s"}), none) == ("1.9", False)
    assert frame_of("1.9", [ct], refers({"1.9"}, {"s"}), none) == ("1.1", True)
    assert frame_of("1.9", [ct], refers({"1.9"}), none) == ("1.9", False)
    assert frame_of("", [ct], refers({"1.1"}), none) == ("1.1", False)
    assert frame_of("1.1", [ct], refers({"1.9"}), none) == ("1.1", False)
    assert frame_of("1.9", [], refers({"1.1"}), none) == ("1.9", False)


def _places(data):
    """Every element of a data set, with the data set that holds it."""
    for element in list(data):
        yield data, element.tag
        if element.VR == "SQ":
            for item in list(element.value)[:2]:
                yield from _places(item)


def _changed(data, rng):
    """The data set with one or two elements deleted, emptied or replaced by something else."""
    for owner, tag in rng.sample(list(_places(data)), rng.choice((1, 2))):
        if tag not in owner:
            continue
        kind, text = rng.choice(
            [("", ""), ("LT", "rubbish"), ("DS", "1e30"), ("LO", "-5"), ("SQ", [pydicom.Dataset()]), ("SQ", [])]
            + [("LO", ["1", "2", "x"]), ("LT", "nan\\inf\\1e400"), ("LT", "16.0\0\0.43"), ("LO", "")]
        )
        if kind:
            owner.add_new(tag, kind, text)
        else:
            del owner[tag]
    return data


@pytest.mark.parametrize("seed", range(4))
def test_damaged_structures_are_read_or_refused(tmp_path, seed):
    """Forty changed files each: none ends in another exception than the program's own."""
    rng = random.Random(seed)
    path = write_structures(
        tmp_path / "rs.dcm", [("L1", box_contours()), ("L2", box_contours(((-8, 8),) * 2 + ((8, 24),)))]
    )
    images = [CaseImage("pet", PET, FRAME, frozenset({uid("PET24")}), frozenset({uid("PET24", 1)}))]
    for _ in range(40):
        data = _changed(pydicom.dcmread(path), rng)
        try:
            pydicom.dcmwrite(tmp_path / "changed.dcm", data)
        except Exception:
            continue  # what cannot be written is no file
        try:
            opened = open_masks(tmp_path / "changed.dcm", images)
            assert opened.drawn_on(PET, PET) in ("ct", "pet", None)
            opened.masks(PET, FRAME)
        except InputError:
            pass


@pytest.mark.parametrize("seed", range(2))
def test_damaged_segmentations_are_read_or_refused(tmp_path, seed):
    """Fifty changed files each: none ends in another exception than the program's own."""
    rng = random.Random(seed)
    next(trap for trap in SEGMENTS if trap.name == "seg-with-organs").make(tmp_path)
    path = tmp_path / "RS" / "seg.dcm"
    images = [CaseImage("ct", CT, FRAME, frozenset({uid("CT")}), frozenset({uid("CT", 1)}))]
    for _ in range(50):
        data = _changed(pydicom.dcmread(path), rng)
        try:
            pydicom.dcmwrite(tmp_path / "changed.dcm", data)
        except Exception:
            continue  # what cannot be written is no file
        try:
            opened = open_masks(tmp_path / "changed.dcm", images)
            assert opened.drawn_on(PET, PET) in ("ct", "pet", None)
            assert all(opened.notes)
            opened.masks(PET, FRAME)
        except InputError:
            pass
