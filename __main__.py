"""``python -m hevesy``, and the command ``hevesy``: the command line."""

import os
import signal

#: What asks a command to end.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _stopped(number: int, frame: object) -> None:
    """End before the command line is loaded, with the same text and code as later."""
    try:
        os.write(2, b"stopped; no result was written\n")
    finally:
        os._exit(3)


def entry() -> None:
    """Run the command line."""
    for number in SIGNALS:
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stopped)
    from .cli.main import entry as command_line

    command_line()


if __name__ == "__main__":
    entry()
