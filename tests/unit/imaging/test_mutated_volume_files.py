"""Volume files with random changes end in a volume or in an InputError: no other error, no hang, bounded memory."""

import gzip
import tracemalloc
import zlib

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.volumes import read_file
from hevesy.phantoms.traps.volume_files import nifti, write_metaimage, write_nrrd

VALUES = np.random.default_rng(7).gamma(2.0, 500.0, (6, 7, 8)).astype(np.float32)
#: Bytes that a changed file of 1.3 kB may take while it is read: deflate makes at most 1032 bytes of one.
MOST_MEMORY = 40_000_000
NUMBERS = (
    "nan",
    "inf",
    "-1",
    "0",
    "1e300",
    "99999999999999999999",
    "",
    "x",
    "1 2",
    "3",
    "4",
    "16",
    "LOCAL",
    "../a",
    "é",
)


def packed(content):
    """Compressed without the time of day, so that each run changes the same bytes."""
    return gzip.compress(content, mtime=0)


def nrrd(folder, encoding):
    path = folder / "a.nrrd"
    fields = {"space": "LPS", "space directions": "(4,0,0) (0,4,0) (0,0,4)", "space origin": "(1,2,3)"}
    write_nrrd(path, VALUES, fields)
    head, _, body = path.read_bytes().partition(b"\n\n")
    if encoding == "gzip":
        return head.replace(b"raw", b"gzip") + b"\n\n" + packed(body)
    return head + b"\n\n" + body


def metaimage(folder, compressed):
    path = folder / "a.mha"
    write_metaimage(path, VALUES, 4.0, **({"CompressedData": "True"} if compressed else {}))
    head = path.read_bytes()[: -VALUES.nbytes]
    return head + (zlib.compress(VALUES.tobytes()) if compressed else VALUES.tobytes())


def flipped(content, rng, head):
    """Some bytes changed, most of them in the header; or cut, doubled, or extended."""
    out = bytearray(content)
    kind = rng.integers(10)
    if kind == 0:
        return bytes(out[: rng.integers(len(out))])
    if kind == 1:
        return bytes(out) + rng.bytes(int(rng.integers(1, 2000)))
    for _ in range(int(rng.integers(1, 6))):
        out[rng.integers(min(head, len(out)) if rng.random() < 0.8 else len(out))] = rng.choice([0, 1, 127, 128, 255])
    return bytes(out)


def reworded(content, rng):
    """One line of a text header with another value, twice, or gone."""
    lines = content.split(b"\n")
    last = max(i for i, line in enumerate(lines[:20]) if b":" in line or b"=" in line)
    at = int(rng.integers(last + 1))
    sign = b"=" if b"=" in lines[at] else b":"
    name = lines[at].partition(sign)[0]
    kind = rng.integers(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[at])
    else:
        words = lines[at].partition(sign)[2].split() or [b""]
        words[rng.integers(len(words))] = str(rng.choice(NUMBERS)).encode()
        lines[at] = name + sign + b" " + b" ".join(words)
    return b"\n".join(lines)


def end(path, content):
    """Read changed content: a volume with finite values, or an InputError of our own words."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        volume = read_file(path, "Bq/mL")
        assert np.isfinite(volume.values).all() and volume.values.shape == volume.grid.shape
        return 1
    except InputError as error:
        assert error.why and error.suggestion and "itk" not in str(error).lower()
        return 0
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MOST_MEMORY


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti(tmp_path, version, ending):
    rng = np.random.default_rng(version)
    clean = nifti(VALUES, 4.0, version=version)
    read = 0
    for number in range(150):
        content = flipped(clean, rng, 540)
        if ending == ".nii.gz":
            content = packed(content) if number % 2 else flipped(packed(clean), rng, 540)
        read += end(tmp_path / f"a{ending}", content)
    assert 0 < read < 150


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
def test_headers_of_text(tmp_path, name, compressed):
    rng = np.random.default_rng(len(name))
    nrrds = name[2] == "n"
    clean = nrrd(tmp_path, "gzip" if compressed else "raw") if nrrds else metaimage(tmp_path, compressed)
    read = 0
    for number in range(80):
        content = reworded(clean, rng) if number % 4 else flipped(clean, rng, 400)
        read += end(tmp_path / name, content)
    assert 0 < read < 80
