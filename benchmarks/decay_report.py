"""Profiles of decays with the bounds that follow from them: ``python -m hevesy.benchmarks.decay_report``.

Measures (some five minutes; no GPU needed), writes benchmarks/results/decay-*.json and prints the tables that
docs/performance.md holds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from hevesy.benchmarks import cases, decay, machine, report

NAMES = ("I-131 patient 4 mm", "Lu-177 patient 4 mm", "Y-90 patient 4 mm")
#: bytes that a scattered access moves: one sector
SECTOR = 32


class Card(NamedTuple):
    """A GPU by its data sheet: single-precision TFLOPS (two a fused instruction) and memory bandwidth [TB/s]."""

    name: str
    tflops: float
    tb_per_s: float

    @property
    def issue(self) -> float:
        """Instructions of single threads a second, all lanes busy: as many as fused multiply-adds."""
        return 0.5e12 * self.tflops


CARDS = (Card("H100 SXM", 67.0, 3.35), Card("H200 SXM", 67.0, 4.8), Card("RTX A4000", 19.2, 0.448))
RESOURCES = {
    "issue": "instruction issue", "special": "special functions", "integer multiply": "integer multiplies",
    "memory": "device memory, without any cache",
}  # fmt: skip
#: issue slots of one instruction: special functions run on an eighth of the lanes, integer multiplies on half
SLOTS = {"special": 8.0, "integer multiply": 2.0}


def bounds(profile: dict[str, Any], card: Card) -> dict[str, float]:
    """Decays a second that a card cannot exceed, by resource, with every lane of every warp busy all the time."""
    kinds, ratio = profile["gpu"]["kinds"], profile["sass_per_ptx"]
    found = {"issue": card.issue / (profile["gpu"]["total"] * ratio)}
    for kind, slots in SLOTS.items():
        found[kind] = card.issue / (slots * max(kinds.get(kind, 0.0), 1e-9))
    accesses = kinds.get("global load", 0.0) + 2.0 * kinds.get("atomic", 0.0)
    found["memory"] = card.tb_per_s * 1e12 / (SECTOR * accesses)
    found["arithmetic"] = min(found["issue"], *(found[kind] for kind in SLOTS))
    return found


def measure(names: tuple[str, ...], traced: int, decays: int, count: bool) -> dict[str, Any]:
    """Profiles of all problems; CPU instructions are counted for the first."""
    from hevesy.tools import cuda_offline

    with tempfile.TemporaryDirectory() as folder:
        found = cuda_offline.resources((9, 0), cuda_offline.HISTORIES, Path(folder))
    static = sum(sum(c.values()) for c in decay.count_lines(decay.ptx_with_lines()).values())
    content: dict[str, Any] = {"format": "hevesy-decay", "format_version": 1, **machine.provenance()}
    content["kernel"] = {"registers": found.registers, "machine_instructions": found.code_bytes // 16, "ptx": static}
    content["profiles"] = []
    for number, name in enumerate(names):
        one = decay.profile(name, traced, decays, (1000, 301_000) if count and number == 0 else None)
        content["profiles"].append(one | {"sass_per_ptx": found.code_bytes / 16 / static})
    return content


def tables(content: dict[str, Any]) -> str:
    """Events and calls, instructions by kind and function, bounds."""
    profiles = content["profiles"]
    head = tuple(p["name"] for p in profiles)

    def lines(part: str) -> list[tuple[str, ...]]:
        named = profiles[0][part]
        return [(what.replace("_", " "), *(report.number(p[part][what]) for p in profiles)) for what in named]

    events = lines("events")
    virtual = [p["events"]["photon_flights"] - p["events"]["photon_collisions"] for p in profiles]
    events.insert(2, ("flights that end in no collision", *(report.number(v) for v in virtual)))
    kernel = content["kernel"]
    gpu = [("all", *(report.number(p["gpu"]["total"]) for p in profiles))]
    for kind in sorted(profiles[0]["gpu"]["kinds"], key=lambda k: -profiles[0]["gpu"]["kinds"][k]):
        gpu.append((kind, *(report.number(p["gpu"]["kinds"].get(kind, 0.0)) for p in profiles)))
    functions = [
        (name, *(f"{100 * p['gpu']['functions'].get(name, 0.0) / p['gpu']['total']:.1f} %" for p in profiles))
        for name in list(profiles[0]["gpu"]["functions"])[:12]
    ]
    limits = []
    for card in CARDS:
        for what, shown in RESOURCES.items():
            limits.append((card.name, shown, *(report.number(bounds(p, card)[what]) for p in profiles)))
        limits.append(
            (card.name, "**arithmetic / 10**", *(report.number(bounds(p, card)["arithmetic"] / 10) for p in profiles))
        )
    cpu = [("decays per CPU second", *(report.number(p["decays_per_cpu_s"]) for p in profiles))]
    counted = profiles[0]["cpu"]
    if counted:
        rest = ["-"] * (len(head) - 1)
        cpu.append((f"instructions per decay ({counted['by']})", report.number(counted["per_decay"]), *rest))
    parts = [
        report.heading(content),
        "Per decay, counted in compiled runs:", report.table(("event", *head), events),
        f"Per decay, calls in {profiles[0]['traced']} traced decays:", report.table(("call", *head), lines("calls")),
        "CPU, one thread:", report.table(("", *head), cpu),
        f"GPU, PTX instructions per decay (sm_90; the kernel has {kernel['ptx']} of them, "
        f"{kernel['machine_instructions']} in machine code, {kernel['registers']} registers):",
        report.table(("kind", *head), gpu),
        "Share of functions in them:", report.table(("function", *head), functions),
        "Upper limit of decays/s with every lane busy:", report.table(("card", "resource", *head), limits),
    ]  # fmt: skip
    return "\n\n".join(parts)


def main(words: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", default=",".join(NAMES))
    parser.add_argument("--traced", type=int, default=400, help="decays traced in plain Python")
    parser.add_argument("--decays", type=int, default=100_000, help="decays of a batch of the compiled run")
    parser.add_argument("--no-count", action="store_true", help="leave the CPU's instructions uncounted (quicker)")
    parser.add_argument("-o", "--output", type=Path, default=machine.RESULTS)
    given = parser.parse_args(words)
    names = tuple(given.problems.split(","))
    assert all(cases.load(name) is not None for name in names)
    content = measure(names, given.traced, given.decays, not given.no_count)
    file = machine.write("decay", content, given.output)
    sys.stdout.write(tables(content) + f"\n\nwritten: {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
