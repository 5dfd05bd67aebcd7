"""How the kernel is compiled and launched on a device, and the file in which what was measured on a card is kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

from ..cache import cache_root

log = logging.getLogger(__name__)

#: ceilings of registers per thread that the gates assemble: None leaves the number to the assembler
REGISTER_CEILINGS = (None, 96, 80, 64)
#: most threads of a block: with 255 registers each, which is the most that a thread can have, they still fit
MOST_THREADS = 256
#: order in which a thread advances its histories unless a card's options say otherwise: the fastest by the model
#: (docs/decisions/0011-gpu-speed.md)
SCHEDULE = "voted"
#: Ceiling of registers per thread unless a card's options say otherwise: 20 warps fit on a multiprocessor instead of
#: 16, and the default kernel keeps one to three rarely used numbers in memory for it, on most architectures none
MAX_REGISTERS = 96
#: What the assembler is told: no product and sum in one rounding but where the PTX has them so. It would choose them by
#: the code around, so that two schedules of the same histories rounded differently; a percent more instructions.
ASSEMBLER = "-fmad=false"
WARP = 32


class CudaOptions(NamedTuple):
    """What may differ between cards without changing a history.

    Two builds with other options may round differently, as two models of GPU do; the result's provenance names both.

    Parameters
    ----------
    schedule
        Order in which a thread advances its histories: a key of ``cuda_target.SCHEDULES``.
    max_registers
        Ceiling of registers per thread, one of :data:`REGISTER_CEILINGS`. A lower one lets more threads run at a
        time and makes each keep more in memory.
    threads
        Threads of a block: four warps, so that registers are allocated in small portions.
    histories_per_launch
        Histories of one launch at most; None: in proportion to the multiprocessors (``cuda_lane``).
    """

    schedule: str = SCHEDULE
    max_registers: int | None = MAX_REGISTERS
    threads: int = 128
    histories_per_launch: int | None = None

    def describe(self) -> str:
        """The build: schedule and registers."""
        ceiling = "" if self.max_registers is None else f", at most {self.max_registers} registers"
        return f"{self.schedule}{ceiling}"

    def provenance(self) -> str:
        """The build, and what else is not the default, for the provenance of a result."""
        parts = [self.describe()]
        if self.threads != DEFAULT.threads:
            parts.append(f"blocks of {self.threads} threads")
        if self.histories_per_launch != DEFAULT.histories_per_launch:
            parts.append(f"at most {self.histories_per_launch} histories per launch")
        return ", ".join(parts)


DEFAULT = CudaOptions()
#: Key of the digest beside the options of a card.
_DIGEST = "sha256"


def options_file() -> Path:
    """The file with the options of each card that was measured: {"<device name>": {"schedule": ..., ...}}."""
    return cache_root() / "cuda-options.json"


def check(options: CudaOptions) -> CudaOptions:
    """The same options, if a kernel can be compiled and launched with them.

    Raises
    ------
    ValueError
        With the value that is wrong and those that are possible.
    """
    from .cuda_target import SCHEDULES

    histories = options.histories_per_launch
    if not isinstance(options.schedule, str) or options.schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, not {options.schedule!r}")
    ceiling = options.max_registers
    if ceiling is not None and (not _whole(ceiling) or ceiling not in REGISTER_CEILINGS):
        raise ValueError(f"max_registers must be one of {REGISTER_CEILINGS}, not {ceiling!r}")
    if not _whole(options.threads) or options.threads % WARP or not WARP <= options.threads <= MOST_THREADS:
        raise ValueError(f"threads must be a multiple of {WARP} up to {MOST_THREADS}, not {options.threads!r}")
    if histories is not None and (not _whole(histories) or histories < 1):
        raise ValueError(f"histories_per_launch must be a positive whole number or null, not {histories!r}")
    return options


def options_for(device_name: str) -> CudaOptions:
    """The options that were found best on this card, else the defaults; a file that cannot be used is logged."""
    try:
        given = _read(options_file()).get(device_name)
        if given is None:
            return DEFAULT
        return _options(device_name, given)
    except ValueError as error:
        log.warning("options of %s ignored, the defaults are used: %s: %s", device_name, options_file(), error)
        return DEFAULT


def save(device_name: str, options: CudaOptions) -> Path:
    """Keep the options of a card, beside those of other cards; returns the file.

    Raises
    ------
    ValueError
        Options that no kernel can have.
    OSError
        If the file cannot be written; what was there remains.
    """
    check(options)
    file = options_file()
    try:
        contents = _read(file)
    except ValueError as error:
        log.warning("%s is replaced: %s", file, error)
        contents = {}
    contents[device_name] = options._asdict() | {_DIGEST: _digest(device_name, options._asdict())}
    _write(file, contents)
    return file


def forget(device_name: str) -> bool:
    """Remove the options of a card, so that it runs with the defaults; whether there were any.

    Raises
    ------
    OSError
        If the file cannot be written; what was there remains.
    """
    file = options_file()
    try:
        contents = _read(file)
    except ValueError:  # nothing is read from such a file
        return False
    if contents.pop(device_name, None) is None:
        return False
    _write(file, contents)
    return True


def _write(file: Path, contents: dict[str, Any]) -> None:
    # whole or not at all: another process may be reading it
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(contents, indent=1, sort_keys=True) + "\n")
        fresh.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise OSError(f"{file} cannot be written: {error.strerror or error}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        if not os.path.lexists(file):
            return {}
        if not file.is_file():  # to open a pipe would wait for whoever writes to it
            raise ValueError("is not a file")
        contents = json.loads(file.read_text())
    except (OSError, RecursionError, ValueError) as error:
        raise ValueError(f"cannot be read as JSON ({error})") from error
    if not isinstance(contents, dict):
        raise ValueError("must hold one object with a key per device")
    return contents


def _options(device_name: str, given: Any) -> CudaOptions:
    if not isinstance(given, dict):
        raise ValueError(f"options must be an object, not {given!r}")
    given = dict(given)
    stated = given.pop(_DIGEST, None)  # none in what was written by hand
    if stated is not None and stated != _digest(device_name, given):
        raise ValueError("they are not what was written, by their SHA-256: measure again, or remove the file")
    unknown = sorted(set(given) - set(CudaOptions._fields))
    if unknown:
        raise ValueError(f"unknown option {unknown[0]!r}; there are {', '.join(CudaOptions._fields)}")
    return check(CudaOptions(**given))


def _digest(device_name: str, options: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([device_name, options], sort_keys=True).encode()).hexdigest()


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
