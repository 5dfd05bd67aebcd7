"""Processes under the emulated driver: what their environment holds, and what they did to the driver."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...kernels.backends import cpu
from ...kernels.backends.cuda_cache import versions
from ...kernels.loader import cache_root, source_hash
from .. import cuda_offline
from ..ptx.emulator import compiler

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Longest time of a process [s]: one that hangs is a failure, and a driver without a device is slow.
LONGEST_S = 7200.0
#: How long a run waits for the proof that a device can be used [s]: as long as any machine needs to emulate it.
PATIENCE_S = 300.0


def missing() -> str:
    """What the emulated driver lacks here beyond a C compiler, empty when nothing."""
    lacks = [lacking] if (lacking := cuda_offline.missing()) else []
    places = importlib.util.find_spec("nvidia")
    folders = list(places.submodule_search_locations or ()) if places else []
    if not any(list(Path(p).glob("*/lib*/libnvJitLink*")) for p in folders):
        lacks.append("nvJitLink (nvidia-nvjitlink)")
    return ", ".join(lacks)


class Settings(NamedTuple):
    """What a process finds; the driver library reads it from the environment.

    Parameters
    ----------
    devices
        Number of devices.
    multiprocessors
        Of each device: few, so that a launch has few threads to emulate.
    capability
        Compute capability.
    version
        CUDA version of the driver: 13000 is 13.0.
    memory
        Bytes of a device.
    others
        Bytes that another process takes as soon as the free memory has been asked for.
    latency_us
        How long a launch takes at least [us].
    faults
        Errors to return: name of an entry point to code, or to (code, number of the first call that fails). The name
        ``kernel`` stands for a kernel that fails after its launch.
    """

    devices: int = 1
    multiprocessors: int = 1
    capability: str = "9.0"
    version: int = 13000
    memory: int = 80 << 30
    others: int = 0
    latency_us: int = 0
    faults: Mapping[str, int | tuple[int, int]] = {}

    def variables(self) -> dict[str, str]:
        """Environment variables of the driver library."""
        values = {f"HEVESY_DRIVER_{name.upper()}": str(value) for name, value in self._asdict().items()}
        ordered = []
        for name, fault in self.faults.items():
            code, first = (fault, 1) if isinstance(fault, int) else fault
            ordered.append(f"{name}={code}@{first}")
        return values | {"HEVESY_DRIVER_FAULTS": ",".join(ordered)}


USUAL = Settings()


class Outcome(NamedTuple):
    """How a process ended, and what the driver counted in it and in the processes that it started.

    Parameters
    ----------
    code, out, err
        Exit status, standard output and standard error.
    calls
        How often each entry point of the driver was called.
    bytes_at_end, peak_bytes
        Device memory that was still allocated at the end, and the most at a time [bytes].
    """

    code: int
    out: str
    err: str
    calls: Counter[str]
    bytes_at_end: int
    peak_bytes: int


class Session:
    """A folder with the driver library and the registry of kernels.

    Parameters
    ----------
    folder
        Where all of it is written; used again, it holds the emulated kernels already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.kernels, self.cache = self.folder / "kernels", self.folder / "cache"
        for place in (self.kernels, self.cache):
            place.mkdir(parents=True, exist_ok=True)
        build_library(self.folder)
        self._share_cpu_kernels()

    def _share_cpu_kernels(self) -> None:
        """Have runs on the CPU find the kernels of this machine's own cache: only code for devices is kept apart."""
        usual = cpu.cache_folder()
        usual.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (self.cache / usual.name).symlink_to(usual)

    def environment(self, settings: Settings = USUAL, **more: str) -> dict[str, str]:
        """Environment of a process under the driver: this one's, the settings, and ``more`` variables."""
        paths = [str(HERE / "inside"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        libraries = [str(self.folder), *filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))]
        own = {
            "PYTHONPATH": os.pathsep.join(paths),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "HEVESY_CACHE": str(self.cache),
            "HEVESY_DRIVER_KERNELS": str(self.kernels),
            "HEVESY_DRIVER_PATIENCE": str(PATIENCE_S),
        }
        usual = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
        return usual | own | settings.variables() | more

    def run(
        self, command: Sequence[str], settings: Settings = USUAL, timeout: float = LONGEST_S, **more: str
    ) -> Outcome:
        """Run Python with these arguments under the driver.

        Parameters
        ----------
        command
            Arguments of Python: a file, or ``-c`` and code, or ``-m`` and a module, with its own arguments.
        settings
            The driver that it meets.
        timeout
            Longest time [s].
        more
            Further environment variables.
        """
        # a folder for this run alone: reports are named by process, and numbers of processes come again
        with tempfile.TemporaryDirectory(prefix="hevesy-driver-") as folder:
            ended = subprocess.run(
                [sys.executable, *command],
                env=self.environment(settings, HEVESY_DRIVER_REPORTS=folder, **more),
                capture_output=True, text=True, timeout=timeout, check=False,
            )  # fmt: skip
            reports = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
        calls: Counter[str] = Counter()
        for report in reports:
            calls.update(report["calls"])
        left, peak = (sum(report[key] for report in reports) for key in ("bytes", "peak_bytes"))
        return Outcome(ended.returncode, ended.stdout, ended.stderr, calls, left, peak)


def usual_folder() -> Path:
    """Folder in the cache for these kernels, this translator and this driver: emulated kernels are built once."""
    sources = [path for tool in (HERE, HERE.parent / "ptx") for path in sorted(tool.rglob("*")) if path.is_file()]
    texts = [path.read_text() for path in sources if path.suffix in (".py", ".c", ".h")]
    return cache_root() / f"emulated-driver-{source_hash(*texts, *versions())[:24]}"


def build_library(folder: Path) -> Path:
    """Compile the driver library into a folder, unless it is there and newer than its sources."""
    library = folder / "libcuda.so.1"
    sources = sorted((HERE / "library").glob("*.c"))
    newest = max(path.stat().st_mtime for path in (HERE / "library").iterdir())
    if library.exists() and library.stat().st_mtime > newest:
        return library
    command = compiler()
    if command is None:
        raise FileNotFoundError("no C compiler: $CC, cc, gcc or clang")
    draft = library.with_suffix(f".{os.getpid()}")
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden"]
    subprocess.run([*command, *options, "-o", str(draft), *map(str, sources), "-ldl", "-lpthread"], check=True)
    draft.replace(library)
    return library
