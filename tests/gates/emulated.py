"""The emulated driver for tests: opened once, or skipped with what it lacks."""

from __future__ import annotations

from functools import lru_cache

from hevesy.tests.gates import needs
from hevesy.tools import driver


@lru_cache(maxsize=1)
def session() -> driver.Session:
    """The session of these sources; its kernels stay in the cache for the next tests."""
    needs.c_compiler()
    needs.present(driver.missing())
    return driver.Session(driver.usual_folder())
