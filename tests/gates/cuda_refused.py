"""Run under the emulated driver with errors ordered from it: what is chosen and refused, in how much processor time.

Prints one JSON object.
"""

from __future__ import annotations

import json
import logging
import resource


class Lines(logging.Handler):
    """Keeps what hevesy logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        if record.name.startswith("hevesy."):
            self.lines.append(record.getMessage())


def cpu_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended [s]."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    from hevesy.engine.errors import InputError
    from hevesy.engine.transport import engines

    import_s = cpu_seconds()
    log = Lines()
    logging.getLogger().addHandler(log)
    logging.getLogger().setLevel(logging.INFO)
    chosen = engines.chosen_backend("auto")
    found = {"chosen": chosen, "log": log.lines, "cpu_s": cpu_seconds() - import_s}
    try:
        engines.check_usable("cuda")
    except InputError as error:
        found["refusal"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
