"""Whether CUDA can be used here, and if not, why, in terms that a user can act on.

What is usable is proved by use (``cuda_proof.py``), in a process of its own. That costs a start of Python, a second or
two where there is a GPU; a proof within this process would cost half of that. But nothing that a driver or a compiler
does there can stop a run: a crash of the other process, a driver that does not answer, and a device that a bad kernel
left in an error are reasons for the CPU like any other, and a run on the CPU holds no memory on a device.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

#: the oldest device that the CUDA 13 tools compile for
OLDEST = (7, 5)
INSTALL = "pip install '.[gpu]' in the checkout"
ROOT = Path(__file__).resolve().parents[2]
#: Longest wait for the proof [s]. A driver that starts a machine's eight devices one by one may take ten seconds.
PATIENCE_S = 30.0
#: What the other process starts with: the folders that this one imports from, and this very package.
START = """
import sys
root, known, sys.path[:] = sys.argv[1], sys.argv[2], sys.argv[3:]
import importlib.util
spec = importlib.util.spec_from_file_location("hevesy", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["hevesy"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["hevesy"])
from hevesy.kernels.backends import cuda_proof
cuda_proof.main({int(word) for word in known.split()})
"""


#: what ``cuda_proof`` tells, and the types of what follows the first word
FACTS = {"stack": [str, str], "count": [int], "device": [int, str, str, str]}


class CudaUnavailable(RuntimeError):
    """CUDA cannot run here.

    Parameters
    ----------
    why
        The reason, one clause.
    suggestion
        What to do about it.
    """

    def __init__(self, why: str, suggestion: str = "") -> None:
        self.why, self.suggestion = why, suggestion
        super().__init__(why)


class Survey(NamedTuple):
    """What the devices of this machine proved.

    Parameters
    ----------
    names
        Name of each device, by number.
    reasons
        Why a device cannot be used, by number, empty where it can.
    why, suggestion
        Why no device could be asked, and what to do about it; empty where they were asked.
    capabilities
        Compute capability of each device that told it.
    """

    names: dict[int, str]
    reasons: dict[int, str]
    why: str = ""
    suggestion: str = ""
    capabilities: Mapping[int, str] = MappingProxyType({})

    @property
    def usable(self) -> tuple[int, ...]:
        """Numbers of the devices that can be used."""
        return tuple(number for number, reason in self.reasons.items() if not reason)

    def refused(self) -> list[str]:
        """The other devices and why they cannot be used; those of one kind and one reason together."""
        groups: dict[tuple[str, str], list[int]] = {}
        for number, reason in self.reasons.items():
            if reason:
                groups.setdefault((self.names[number], reason), []).append(number)
        return [
            f"CUDA device {', '.join(map(str, numbers))} ({name}): {reason}"
            for (name, reason), numbers in groups.items()
        ]


def simulated() -> bool:
    """Whether Numba's CUDA simulator replaces a device (tests of the launch logic)."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def missing_packages() -> list[str]:
    """Packages of the extra ``gpu`` that are not installed."""
    names = {"numba_cuda": "numba-cuda", "cupy": "CuPy"}
    return [shown for module, shown in names.items() if importlib.util.find_spec(module) is None]


def _driver_missing() -> bool:
    """Whether the CUDA driver library is missing, tested without loading Numba or CuPy."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return True
    return False


@lru_cache(maxsize=1)
def devices() -> tuple[int, ...]:
    """Numbers of the usable devices; the log says which others there are, and why they are not used.

    Raises
    ------
    CudaUnavailable
        If there is none, with the reason.
    """
    if simulated():
        return (0,)
    missing = missing_packages()
    if missing:
        raise CudaUnavailable(f"{' and '.join(missing)} not installed", INSTALL)
    if _driver_missing():
        raise CudaUnavailable(
            "no NVIDIA driver on this machine (its CUDA library cannot be loaded)",
            "run where an NVIDIA GPU and its driver are, or use the CPU",
        )
    survey = survey_devices()
    if survey.why:
        raise CudaUnavailable(survey.why, survey.suggestion)
    refused = survey.refused()
    if not survey.usable:
        why = "; ".join(refused) or "the CUDA driver shows no device"
        raise CudaUnavailable(why, f"check `nvidia-smi` and the packages ({INSTALL}), or use --backend cpu")
    for text in refused:
        log.warning("not used: %s", text)
    return survey.usable


@lru_cache(maxsize=1)
def survey_devices() -> Survey:
    """Have every device prove that it can be used, once in the life of this process.

    A device that ends the other process, or hangs, is left out when the remaining ones are asked again.
    """
    names: dict[int, str] = {}
    reasons: dict[int, str] = {}
    capabilities: dict[int, str] = {}
    end = time.monotonic() + 2 * PATIENCE_S
    while True:
        facts, how = _ask(set(reasons), min(PATIENCE_S, end - time.monotonic()))
        count = None
        for kind, *fact in facts:
            if kind == "stack":
                return Survey({}, {}, *fact)
            if kind == "count":
                count = fact[0]
            else:
                names[fact[0]], reasons[fact[0]], capabilities[fact[0]] = fact[1:]
        if count is None:
            return Survey({}, {}, f"the proof that CUDA works {how}", "check `nvidia-smi`, or use the CPU")
        rest = sorted(set(range(count)) - set(reasons))
        if not rest:
            return Survey(names, dict(sorted(reasons.items())), capabilities=capabilities)
        # they are asked in turn, so the first without an answer is the one to blame
        names[rest[0]], reasons[rest[0]] = "of unknown name", f"its proof of use {how}"
        if time.monotonic() >= end:
            for number in rest[1:]:
                names[number], reasons[number] = "of unknown name", "no time was left to try it"


def _ask(known: set[int], patience_s: float) -> tuple[list[list[Any]], str]:
    """What ``cuda_proof`` says of the devices that are not yet known, and how its process ended."""
    command = [sys.executable or "", "-c", START, str(ROOT), " ".join(map(str, sorted(known))), *sys.path]
    try:
        # files, not pipes: what a process said before it was killed can be read on every platform, without waiting
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=errors)
            how = _wait(process, patience_s)
            lines, last = (_lines(file) for file in (said, errors))
    except OSError as error:
        return [], f"could not be started ({error})"
    facts = [fact for line in lines if (fact := _fact(line))]
    return facts, f"{how} ({last[-1].strip()[:200]})" if last and process.returncode else how


def _wait(process: subprocess.Popen[bytes], patience_s: float) -> str:
    """Wait for the end of a process, or make one; how it ended."""
    try:
        importlib.import_module("numba")  # which either backend needs, while the other process is at work
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return f"did not end within {patience_s:.0f} s"
    finally:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)  # a process that the driver holds may outlive its end
    return f"ended with exit status {process.returncode}" if process.returncode else "ended without an answer"


def _lines(file: Any) -> list[str]:
    """What a process wrote."""
    file.seek(0)
    return file.read().decode(errors="replace").splitlines()


def _fact(line: str) -> list[Any] | None:
    """A fact that ``cuda_proof`` told; None for what a library printed, or half a line."""
    try:
        fact = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fact, list) or not fact or not isinstance(fact[0], str):
        return None
    return fact if [type(part) for part in fact[1:]] == FACTS.get(fact[0]) else None


def why_not() -> str | None:
    """Why CUDA cannot be used, or None when it can; the simulator does not count as a device."""
    if simulated():
        return "Numba's CUDA simulator is on, which is not a device"
    try:
        devices()
    except CudaUnavailable as error:
        return error.why
    return None


def expected() -> bool:
    """Whether a user has reason to expect a GPU here: the packages and a driver are installed."""
    return not simulated() and not missing_packages() and not _driver_missing()


def driver_version() -> str:
    """Version of the NVIDIA driver, empty if it cannot be determined."""
    file = Path("/proc/driver/nvidia/version")
    try:
        version = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", file.read_text())
        if version:
            return version[1]
    except OSError:
        pass
    return _driver_version_from_smi()


def _driver_version_from_smi() -> str:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return ""
    try:
        answer = subprocess.run(
            [smi, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return (answer.stdout.split() or [""])[0]
