"""How much memory this machine has."""

from __future__ import annotations

import os


def memory_bytes() -> int | None:
    """Memory of this machine [bytes]; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


#: What a library that finds no memory for itself says.
_NOT_LOADED = ("failed to map", "annot allocate memory")
#: What Python says where there is no memory for the stack of a further thread, or no further thread is allowed.
_NO_THREAD = "can't start new thread"


def is_short(error: BaseException) -> bool:
    """Whether an error is that of a machine with too little memory, whichever library has met it.

    Parameters
    ----------
    error
        What was raised, with what led to it.

    Returns
    -------
    bool
        Also for a library that could not be loaded because there was no room for it.
    """
    one: BaseException | None = error
    while one is not None:
        texts = (_NO_THREAD,) if isinstance(one, RuntimeError) else _NOT_LOADED
        loading = isinstance(one, (ImportError, OSError, RuntimeError))
        if isinstance(one, MemoryError) or (loading and any(text in str(one) for text in texts)):
            return True
        one = one.__cause__ or one.__context__
    return False
