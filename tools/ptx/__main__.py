"""A table of the kernels executed on the CPU, beside the compiled CPU target.

Run as ``python -m hevesy.tools.ptx [PROBLEM...]``: every kernel, on the architectures of the gates, on every problem
whose file is there; some ten minutes. The gate (``tests/gates/test_ptx_kernels.py``) does less of the same. With
``--partings`` the table is that of ``transport.PARTINGS``, from which the gate takes what rounding may do; two minutes.
"""

from __future__ import annotations

import argparse
import sys

from hevesy.benchmarks import gpu_problems
from hevesy.tools.cuda_offline import ARCHITECTURES

from . import transport

NAMES = (transport.SHEET, transport.SHEET_TRACK_LENGTH, *gpu_problems.NAMES)
SEED = (7 << 32) + 5
#: none of the gate's batches are among those that its limits are measured with
PARTINGS_SEED = (3 << 32) + 11


def rows(name: str, decays: int, errors: int) -> list[str]:
    """Lines of the table of one problem, and whether the integers of each kernel are those of the first."""
    world = transport.prepared(name)
    if world is None:
        return [f"| {name} | no file of it here | | | | | |"]
    *_, reference = transport.on_cpu(world, SEED, 1, decays)
    first, out = None, []
    for cc in ARCHITECTURES:
        for i, kernel in enumerate(transport.kernels_of(world)):
            launch = transport.LAUNCHES[i % len(transport.LAUNCHES)]
            outcome = transport.run(kernel, world, SEED, 0, decays, launch, cc, jitter=errors)
            first = first or outcome
            differ = {k: (n, outcome.events[k]) for k, n in reference.events.items() if n != outcome.events[k]}
            distance = abs(outcome.tally - reference.tally).sum() / reference.tally.sum()
            cells = (
                name, kernel, f"sm_{cc[0]}{cc[1]}", outcome.imbalance() == (0, 0) and not outcome.nan,
                outcome.same(first), f"{distance:.1e}", ", ".join(f"{k} {a} / {b}" for k, (a, b) in differ.items()),
            )  # fmt: skip
            out.append("| " + " | ".join(str(c) for c in cells) + " |")
    return out


def partings(name: str, batches: int) -> str:
    """A line: batches of a problem that part from the CPU's without and with errors of the hardware's functions."""
    world = transport.prepared(name)
    if world is None:
        return f"| {name} | no file of it here | | |"
    kernel, events, parted = transport.kernels_of(world)[0], 0, [0, 0]
    for batch, reference in enumerate(transport.on_cpu(world, PARTINGS_SEED, batches, transport.BATCH_DECAYS)):
        events += sum(reference.events.values())
        for errors in (0, 1):
            outcome = transport.run(
                kernel, world, PARTINGS_SEED, batch, transport.BATCH_DECAYS, (1, 64, 0), jitter=errors * (batch + 1)
            )
            parted[errors] += transport.parted(outcome, reference)
    return f"| {name} | {batches} | {events} | {parted[0]} | {parted[1]} |"


def main(words: list[str] | None = None) -> int:
    """Print the table: 1 if a balance is not exact or a kernel gives other integers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", default=NAMES, help="names of problems (default: all)")
    parser.add_argument("--decays", type=int, default=8000, help="decays of each run")
    parser.add_argument("--errors", type=int, default=0, help="seed of random errors of the hardware's functions")
    parser.add_argument("--partings", action="store_true", help="count the batches that part from the CPU's instead")
    given = parser.parse_args(words)
    if given.partings:
        print("| problem | batches | events | parted | with errors |\n|---|---|---|---|---|")
        for name in transport.PARTINGS:
            print(partings(name, transport.MEASURED), flush=True)
        return 0
    print("| problem | kernel | architecture | balances | same integers | distance to the CPU | events CPU / PTX |")
    print("|---|---|---|---|---|---|---|")
    failed = False
    for name in given.problems:
        for row in rows(name, given.decays, given.errors):
            print(row, flush=True)
            failed |= "| False |" in row
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
