"""In processes that ask for it: a wall clock that jumps by years, and an end at a call to the file system.

The monotonic clock goes on. Calls are counted whose first argument is below ``HEVESY_TEST_CALLS``; before the one of
the number ``HEVESY_TEST_KILL`` the process kills itself, else ``HEVESY_TEST_COUNT`` gets their number at the end.
"""

import atexit
import os
import signal
import sys
import time

if os.environ.get("HEVESY_TEST_CLOCK") == "jump":
    _real, _asked = time.time, 0

    def _jumping() -> float:
        global _asked
        _asked += 1
        return _real() + (-1) ** _asked * 1e8 * (_asked % 5)

    time.time = _jumping

if _below := os.environ.get("HEVESY_TEST_CALLS"):
    _last, _calls = int(os.environ.get("HEVESY_TEST_KILL", "0")), 0
    _events = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}

    def _count(event: str, arguments: tuple) -> None:
        global _calls
        if event in _events and arguments and str(arguments[0]).startswith(_below):
            _calls += 1
            if _calls == _last:
                os.kill(os.getpid(), signal.SIGKILL)

    def _tell() -> None:
        with open(os.environ["HEVESY_TEST_COUNT"], "w") as file:  # noqa: PTH123
            file.write(str(_calls))

    sys.addaudithook(_count)
    if not _last:
        atexit.register(_tell)
