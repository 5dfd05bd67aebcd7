"""What a device reports, as one of two errors with the reason in plain words."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator

#: errors of the driver, the runtime and the linker, by their names in numba-cuda, cuda-core and CuPy: none of the three
#: need be installed, and no base class is shared
REPORTED = frozenset(
    {"CudaDriverError", "CudaAPIError", "LinkerError", "CUDAError", "CUDARuntimeError", "CUDADriverError"}
)
#: CuPy's refusal of an allocation, and how the others name the same
NO_MEMORY = frozenset({"OutOfMemoryError"})
NO_MEMORY_WORDS = ("OUT_OF_MEMORY", "MemoryAllocation")
#: words in a report, and what they mean to a user
MEANINGS = {
    "LAUNCH_TIMEOUT": "the driver ended a launch that a display was waiting for",
    "LaunchTimeout": "the driver ended a launch that a display was waiting for",
    "ILLEGAL_ADDRESS": "a bad memory access, which is a bug",
    "IllegalAddress": "a bad memory access, which is a bug",
    "ECC": "a memory error of the device",
}


class CudaMemoryError(RuntimeError):
    """The device has no memory for what was asked for; the message says for what."""


class CudaTooLarge(CudaMemoryError):
    """The problem does not fit the device; the message gives the numbers of the plan."""


class CudaFailure(RuntimeError):
    """The device or its driver failed: what is on the device is lost."""


@contextlib.contextmanager
def reported(doing: str) -> Iterator[None]:
    """Raise what the driver reports as a :class:`CudaMemoryError` or a :class:`CudaFailure`.

    Parameters
    ----------
    doing
        What was being done, for the message: "allocating 1.2 GiB".
    """
    try:
        yield
    except Exception as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        if not names & (REPORTED | NO_MEMORY):
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        if names & NO_MEMORY or any(word in text for word in NO_MEMORY_WORDS):
            raise CudaMemoryError(f"no memory for {doing}: {text}") from error
        meaning = next((f" ({meaning})" for word, meaning in MEANINGS.items() if word in text), "")
        raise CudaFailure(f"{doing} failed: {text}{meaning}") from error


def let_go(error: BaseException | None) -> None:
    """Drop the arrays that the frames of an error hold, so that their memory can be returned while it is handled."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
