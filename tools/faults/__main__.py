"""Run the fault suite: ``python -m hevesy.tools.faults``, or ``make faults``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from . import around, damage, disk, kills  # noqa: F401  the cases enter themselves
from .ground import Ground
from .suite import Findings, Skipped, Suite, Undisturbed, chosen


def main(words: list[str] | None = None) -> int:
    """Run the chosen cases, print what each found and the count of all; 0 when nothing is wrong, lost or untold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form of the tests: fewer moments and places")
    parser.add_argument("--only", default="", metavar="TEXT", help="the cases whose names contain this")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--folder", type=Path, help="where to work, and leave all; else temporary")
    given = parser.parse_args(words)
    root = given.folder or Path(tempfile.mkdtemp(prefix="hevesy-faults-"))
    root.mkdir(parents=True, exist_ok=True)
    suite, total, skipped = Suite(Ground(root.resolve()), given.short, given.seed), Findings(), 0
    try:
        for name, function in chosen(given.only, given.short):
            found, begun, note = Findings(), time.monotonic(), ""
            try:
                function(suite, found)
            except Skipped as reason:
                note, skipped = f"skipped: {reason}", skipped + 1
            except Undisturbed as failure:
                found.untold.append(str(failure))
            print(
                f"{name}: {found.tried} faults, {len(found.wrong)} wrong, {len(found.lost)} lost, "
                f"{len(found.untold)} untold ({time.monotonic() - begun:.0f} s) {note}".rstrip(),
                flush=True,
            )
            for kind in ("wrong", "lost", "untold"):
                for text in getattr(found, kind):
                    print(f"  {kind.upper()} {text}", flush=True)
                    getattr(total, kind).append(text)
            total.tried += found.tried
    finally:
        if given.folder is None:
            shutil.rmtree(root, ignore_errors=True)
    print(
        f"{total.tried} faults: {len(total.wrong)} wrong, {len(total.lost)} lost, {len(total.untold)} untold"
        + (f"; {skipped} cases skipped" if skipped else "")
    )
    return 1 if total.wrong or total.lost or total.untold else 0


if __name__ == "__main__":
    sys.exit(main())
