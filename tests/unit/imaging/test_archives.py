"""ZIP files of an import: what is unpacked where, and what is refused before a byte is written."""

import os
import stat
import zipfile

import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.sorting import archives
from hevesy.engine.imaging.sorting.archives import holds_images, unpack
from hevesy.engine.imaging.sorting.pile import pile_of

#: A time stamp that does not change with the clock: each run flips the same bytes.
TIME = (2026, 1, 5, 9, 0, 0)
IMAGE = bytes(128) + b"DICM" + bytes(50)


def packed(path, *entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            entry = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name, TIME)
            archive.writestr(entry, content, method)
    return path


def test_files_come_out_as_they_were(tmp_path):
    path = packed(tmp_path / "study.zip", ("a/x.dcm", IMAGE), ("a/b/y", b"hello"), ("__MACOSX/a/._x.dcm", b"no"))
    (tmp_path / "beside").mkdir()
    first = unpack(path, tmp_path / "beside")
    assert (first.folder / "a" / "x.dcm").read_bytes() == IMAGE and (first.folder / "a" / "b" / "y").is_file()
    assert sorted(p.name for p in first.folder.rglob("*") if p.is_file()) == ["x.dcm", "y"]
    assert "2 files" in first.note and sorted(p.name for p in (tmp_path / "beside").iterdir()) == ["study"]
    assert "before" in unpack(path, tmp_path / "beside").note


def test_a_changed_file_is_not_overwritten(tmp_path):
    path = packed(tmp_path / "study.zip", ("x.dcm", IMAGE))
    unpack(path, tmp_path)
    (tmp_path / "study" / "x.dcm").write_bytes(IMAGE[:-1] + b"x")
    with pytest.raises(InputError, match="without the file 'x.dcm' as in the ZIP file"):
        unpack(path, tmp_path)


def link(name):
    entry = zipfile.ZipInfo(name, TIME)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../x.dcm", "leads outside"),
        ("a/../../x.dcm", "leads outside"),
        ("..\\x.dcm", "leads outside"),
        ("/x.dcm", "leads outside"),
        ("\\x.dcm", "leads outside"),
        ("C:\\x.dcm", "leads outside"),
        ("c:x.dcm", "leads outside"),
        (link("a/x.dcm"), "is a link"),
    ],
)
def test_entries_that_lead_elsewhere(tmp_path, name, message):
    path = packed(tmp_path / "in" / "study.zip" if (tmp_path / "in").mkdir() else tmp_path / "study.zip", (name, IMAGE))
    with pytest.raises(InputError, match=message):
        unpack(path, tmp_path)
    assert not (tmp_path / "study").exists() and not (tmp_path / "x.dcm").exists()


def test_a_file_that_is_a_folder_too(tmp_path):
    path = packed(tmp_path / "study.zip", ("a", IMAGE), ("a/x.dcm", IMAGE))
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(path, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.zip"]


def test_one_entry_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = packed(tmp_path / "study.zip", ("x.dcm", IMAGE), ("x.dcm", IMAGE))
    with pytest.raises(InputError, match="is there twice"):
        unpack(path, tmp_path)


def test_sizes_are_looked_at_before(tmp_path, monkeypatch):
    path = packed(tmp_path / "study.zip", ("x.dcm", bytes(2_000_000)))
    monkeypatch.setattr(archives, "SMALL_BYTES", 1000)
    with pytest.raises(InputError, match="states a content of 2 MB"):
        unpack(path, tmp_path)
    monkeypatch.setattr(archives, "SMALL_BYTES", 1 << 30)
    monkeypatch.setattr(archives, "SPARE_BYTES", 1 << 60)
    with pytest.raises(InputError, match="are free on the disk"):
        unpack(path, tmp_path)
    monkeypatch.setattr(archives, "MOST_FILES", 0)
    with pytest.raises(InputError, match="lists 1 entries"):
        unpack(path, tmp_path)


def test_an_entry_longer_than_it_states(tmp_path):
    path = packed(tmp_path / "study.zip", ("x.dcm", bytes(100_000)))
    data = bytearray(path.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = (100).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(path, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.zip"]


@pytest.mark.parametrize("where", range(0, 100, 7))
def test_flipped_bytes_end_in_a_result_or_a_refusal(tmp_path, where):
    path = packed(tmp_path / "study.zip", ("a/x.dcm", IMAGE), ("a/y.dcm", IMAGE * 3), ("b/z", b"text"))
    data = bytearray(path.read_bytes())
    for offset in range(where * len(data) // 100, len(data), 37):
        changed = bytearray(data)
        changed[offset] ^= 0xFF
        path.write_bytes(bytes(changed))
        beside = tmp_path / f"{offset}"
        beside.mkdir()
        try:
            if holds_images(path):
                unpack(path, beside)
        except InputError as error:
            assert error.why and error.suggestion


def test_an_archive_without_images_is_left_packed(tmp_path):
    packed(tmp_path / "in.zip", ("readme.txt", b"x"))
    pile = pile_of([tmp_path], tmp_path)
    assert [item.skipped for item in pile.left] == ["it holds no images"] and not (tmp_path / "in").exists()


def test_names_that_are_no_text(tmp_path):
    (tmp_path / "pile").mkdir()
    with open(os.path.join(os.fsencode(tmp_path / "pile"), b"x\xff.dcm"), "wb") as stream:  # noqa: PTH118, PTH123
        stream.write(IMAGE)
    (item,) = pile_of([tmp_path / "pile"]).left
    assert "not valid UTF-8" in item.skipped and item.maybe_scan
    item.line().encode()
