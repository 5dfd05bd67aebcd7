"""ZIP files given to ``hevesy import``: what is unpacked is what was packed, and lies in its own folder."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from pathlib import Path
from random import Random
from typing import Any

from ....engine.imaging.sorting.archives import holds_images, unpack
from ..damage import damaged
from ..sample import Kind, Reading, Sample

CONTENT = {
    "export/CT/1.dcm": bytes(128) + b"DICM" + bytes(range(256)),
    "export/CT/2.dcm": bytes(128) + b"DICM" + bytes(200),
    "export/pet.nii.gz": b"\x1f\x8b" + bytes(range(100)),
    "export/names.json": b'{"1": "a"}',
}
_TIME = (2026, 1, 5, 9, 0, 0)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_OUT = (
    "../evil", "/tmp/evil", "a/../../evil", "..\\evil", "C:\\evil", "C:evil", "..", "a/..", "\\\\host\\evil",
    "a/./../..", "export/../../evil.dcm", "//evil",
)  # fmt: skip


def packed(content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, more: Any = None) -> bytes:
    """A ZIP file; ``more`` adds to it what it likes."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as file:
        warnings.simplefilter("ignore")  # of an entry that is there twice
        for name, data in content.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = method
            file.writestr(info, data)
        if more is not None:
            more(file)
    return out.getvalue()


def generate(rng: Random) -> Sample:
    """A ZIP file changed in one way."""
    kind, method = rng.randrange(8), rng.choice(_METHODS)
    truth = {"files": dict(CONTENT)}
    if kind == 0:
        names = list(CONTENT)
        rng.shuffle(names)
        litter = rng.choice(({}, {"__MACOSX/export/._1.dcm": b"x"}, {".DS_Store": b"x"}))
        content = packed({**{name: CONTENT[name] for name in names}, **litter}, method)
        return Sample("the same files", {"all.zip": content}, truth, must="read")
    if kind == 1:
        name = rng.choice(_OUT)
        return Sample("a way out", {"all.zip": packed({**CONTENT, name: b"evil"}, method)}, must="refuse")
    if kind == 2:
        return _hostile(rng, method)
    # every entry has a checksum: what is unpacked is what was packed
    return Sample("bytes", {"all.zip": damaged(packed(CONTENT, method), rng)}, {"some": dict(CONTENT)})


def _hostile(rng: Random, method: int) -> Sample:
    def link(file: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("export/link", _TIME)
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, rng.choice(("/etc/passwd", "..", "1.dcm")))

    def twice(file: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("export/CT/1.dcm", _TIME)
        file.writestr(info, b"another")

    def below_a_file(file: zipfile.ZipFile) -> None:
        file.writestr(zipfile.ZipInfo("export/CT/1.dcm/inside", _TIME), b"x")

    changes = {"a link": link, "an entry twice": twice, "a file as a folder": below_a_file}
    change = rng.choice([*changes, "more than it states", "huge by its list"])
    if change in changes:
        return Sample(change, {"all.zip": packed(CONTENT, method, changes[change])}, must="refuse")
    bomb = bytearray(packed({**CONTENT, "export/big.dcm": bytes(200_000)}, zipfile.ZIP_DEFLATED))
    at = bomb.rfind(b"PK\1\2")
    size = 1000 if change == "more than it states" else rng.choice((4_000_000_000, 2_000_000_000))
    bomb[at + 24 : at + 28] = size.to_bytes(4, "little")
    return Sample(change, {"all.zip": bytes(bomb)}, must="refuse")


def read(folder: Path) -> Reading:
    """Content of the folder that was unpacked; nothing lies outside of it."""
    inside = folder / "in"
    inside.mkdir()
    before, outside = {path.name for path in folder.iterdir()}, Path("/tmp/evil")
    there = outside.exists()  # somebody else's
    holds_images(folder / "all.zip")
    try:
        made = unpack(folder / "all.zip", inside)
    finally:
        assert {path.name for path in folder.iterdir()} == before, "something was written outside"
        assert {path.name for path in inside.iterdir()} <= {"all"}, "something was left beside the folder"
        assert outside.exists() == there, "something was written outside"
    files = {str(path.relative_to(made.folder)): path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    assert not any(path.is_symlink() for path in made.folder.rglob("*")), "a link was made"
    some = dict(CONTENT) if files == CONTENT else {name: files.get(name) for name in CONTENT}
    return {"files": files, "some": some}


KIND = Kind("archive", generate, read, 8)
