"""Fuzz everything that hevesy reads: ``python -m hevesy.tools.fuzz --inputs 100000 --seconds 3600``.

The state lies in ``--out``: the same command goes on where it was stopped. Inputs that do not end as they may are kept
there, with how they ended, under ``faults/``. Exit code 1 when there are any.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .guided import TARGETS, guide
from .registry import KINDS
from .run import Run

_HEAD = ("kind", "inputs", "read", "refused", "messages", "mutations", "unexpected")


def main() -> int:
    """Run, and print what became of the inputs of each kind."""
    options = _parser().parse_args()
    if options.show:
        return _show(*options.show)
    begun = time.monotonic()
    run = Run(options.out, options.inputs, tuple(options.kind))
    run.go(options.seconds, options.jobs)
    rows = run.table()
    total = {key: sum(row[key] for row in rows) for key in _HEAD[1:]}
    for row in [*rows, {"kind": "all", **total}]:
        print(" | ".join(str(row[key]).rjust(10) if key != "kind" else str(row[key]).ljust(15) for key in _HEAD))
    faults = int(total["unexpected"])
    for target in TARGETS if options.guided else ():
        executed, found = guide(target, options.guided, options.out / "guided")
        print(f"coverage-guided {target.ljust(15)} {executed} inputs, {found or 'nothing'} unexpected")
        faults += bool(found)
    print(f"{total['inputs']} inputs in {time.monotonic() - begun:.0f} s, {faults} unexpected")
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hevesy.tools.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="in all, by the shares of the kinds")
    parser.add_argument("--seconds", type=float, default=7200.0, help="stop after this time; go on later")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--kind", action="append", default=[], choices=list(KINDS), help="this one alone; repeatable")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="folder of the state and the faults")
    parser.add_argument("--guided", type=float, default=0.0, metavar="S", help="seconds with atheris for each parser")
    parser.add_argument("--show", nargs=2, metavar=("KIND", "NUMBER"), help="read one input again, and say how it ends")
    return parser


def _show(name: str, number: str) -> int:
    """Read one input in a folder that stays."""
    import tempfile

    from .judge import judge
    from .registry import sample_of

    folder = Path(tempfile.mkdtemp(prefix=f"hevesy-fuzz-{name}-{number}-"))
    sample = sample_of(KINDS[name], int(number))
    outcome = judge(KINDS[name], sample, folder)
    print(f"{folder}\n{sample.change}: {outcome.word}: {outcome.text}")
    return 0 if outcome.right else 1


if __name__ == "__main__":
    sys.exit(main())
