"""Files of compiled kernels: whatever has happened to them, a kernel is kept again or compiled, and nothing raised."""

from __future__ import annotations

import errno
import logging
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from hevesy.kernels import cache

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install '.[gates]'")

CODE = {"machine code": bytes(range(256)) * 20}
CODEGEN = SimpleNamespace(magic_tuple=lambda: ("target",))
CONTEXT = SimpleNamespace(refresh=lambda: None, codegen=lambda: CODEGEN)
KERNEL = SimpleNamespace(codegen=CODEGEN)


def kernel() -> None:
    """What is kept."""


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Kept kernels, of which one is stored and read as :data:`CODE`."""
    from hevesy.kernels.backends import cuda_kept
    from hevesy.kernels.backends.cuda_stack import cuda

    monkeypatch.setattr(cuda.config, "CACHE_DIR", str(tmp_path))
    made = cuda_kept.KeptKernels(kernel, tmp_path)
    made._impl = SimpleNamespace(
        locator=made._impl.locator, check_cachable=lambda _: True, reduce=lambda _: CODE, rebuild=lambda _, code: code
    )
    return made


def files(kept) -> list[Path]:
    return sorted(Path(kept.cache_path).glob("*.nbc"))


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "one bit": lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
    "noise": lambda content: random.Random(1).randbytes(len(content)),
    "zeros": lambda content: bytes(len(content)),
}


def test_a_kernel_is_kept(kept):
    assert kept.load_overload(("int64",), CONTEXT) is None
    kept.save_overload(("int64",), KERNEL)
    assert kept.load_overload(("int64",), CONTEXT) == CODE
    assert kept.load_overload(("int32",), CONTEXT) is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_replaced(kept, caplog, damage):
    kept.save_overload(("int64",), KERNEL)
    (file,) = files(kept)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with caplog.at_level(logging.INFO):
        assert kept.load_overload(("int64",), CONTEXT) is None
    assert "is damaged, and is made again" in caplog.text
    kept.save_overload(("int64",), KERNEL)
    assert kept.load_overload(("int64",), CONTEXT) == CODE


def test_a_file_that_cannot_be_written_is_not_kept(kept, caplog, monkeypatch):
    kept.save_overload(("int64",), KERNEL)

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(cache, "_write", full)
    monkeypatch.setattr(cache, "_said", set())
    with caplog.at_level(logging.INFO):
        kept.save_overload(("int32",), KERNEL)
    assert "No space left on device" in caplog.text
    assert kept.load_overload(("int32",), CONTEXT) is None
    assert kept.load_overload(("int64",), CONTEXT) == CODE


def test_a_file_of_another_signature_is_not_taken_for_this_one(kept):
    """As two processes leave it that number their files alike."""
    kept.save_overload(("int64",), KERNEL)
    (first,) = files(kept)
    kept.save_overload(("int32",), KERNEL)
    (second,) = set(files(kept)) - {first}
    second.write_bytes(first.read_bytes())
    assert kept.load_overload(("int32",), CONTEXT) is None
    assert kept.load_overload(("int64",), CONTEXT) == CODE


def test_a_folder_that_numba_replaces_is_refused(tmp_path, monkeypatch):
    """Numba keeps kernels beside the sources then, whatever their options."""
    from hevesy.kernels.backends import cuda_kept
    from hevesy.kernels.backends.cuda_stack import cuda

    folder = tmp_path / "file"
    folder.write_text("")
    monkeypatch.setattr(cuda.config, "CACHE_DIR", str(folder))
    with pytest.raises(OSError, match="cannot be written to"):
        cuda_kept.KeptKernels(kernel, folder)


def test_a_whole_file_that_something_else_wrote_is_made_again_alone(kept):
    kept.save_overload(("int64",), KERNEL)
    (other,) = files(kept)
    kept.save_overload(("int32",), KERNEL)
    (file,) = set(files(kept)) - {other}
    cache.store(file, b"no pickle")
    assert kept.load_overload(("int32",), CONTEXT) is None
    assert files(kept) == [other]
    assert kept.load_overload(("int64",), CONTEXT) == CODE
