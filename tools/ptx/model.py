"""Speed on a GPU by model: ``python -m hevesy.tools.ptx.model``. No GPU is needed, and nothing here is measured on one.

Compiles the kernel of every schedule, executes its PTX on real problems as one multiprocessor would (`counts.py`), and
turns the counters into decays per second (`speed.py`) and the time of a batch (`batches.py`). Writes
benchmarks/results/model-*.json, which `python -m hevesy.benchmarks.page` puts into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.benchmarks import cases, machine
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.world import build_world
from hevesy.kernels.backends import cuda_options, cuda_target
from hevesy.tools import cuda_offline

from . import batches, counts, speed
from .cards import CARDS, Card
from .model_tables import tables

NAMES = ("I-131 patient 4 mm", "Lu-177 patient 4 mm")
CC = (9, 0)
#: ceilings of registers; 0: what the assembler takes
CEILINGS = tuple(n or 0 for n in cuda_options.REGISTER_CEILINGS)
#: decays of a batch, and gap between two launches [s], that are compared
BATCHES, GAPS = (2_000_000, 8_000_000), (1e-3, 1e-4)
#: single decays whose turns are counted for the tail: fewer miss the longest, of which a batch of 2e6 has some
SAMPLED = 1_000_000


class Model:
    """Counts of kernels on problems, each made once.

    Parameters
    ----------
    folder
        Where translated and assembled code is kept.
    counted
        Decays of a lane that are counted.
    files
        PTX of schedules that is read from a file instead of compiled.
    """

    def __init__(self, folder: Path, counted: int, files: dict[str, Path] | None = None) -> None:
        self.folder, self.counted, self.files = folder, counted, files or {}
        self.count = cache(self._count)
        self.ptx = cache(self._ptx)
        self.world = cache(self._world)
        self.turns = cache(self._turns)

    def _ptx(self, schedule: str) -> str:
        if schedule in self.files:
            return self.files[schedule].read_text()
        return cuda_offline.ptx(CC, cuda_offline.Kernel(schedule=schedule))

    def _world(self, name: str) -> Any:
        problem = cases.load(name)
        assert problem is not None, name
        return build_world(problem, PhysicsOptions.from_dict(problem.physics))

    def _turns(self, name: str) -> np.ndarray:
        flights, segments = batches.turns_of_decays(self.world(name), SAMPLED)
        return flights + segments

    def _count(self, name: str, schedule: str, warps: int, hardware: counts.Multiprocessor) -> counts.Counts:
        run = counts.Run(warps=speed.SCHEDULERS * warps, counted=self.counted)
        return counts.count(self.ptx(schedule), self.folder, self.world(name), run, hardware)[0]

    def rates(self, name: str, schedule: str, card: Card, assumptions: Sequence[str]) -> dict[str, float]:
        """Decays per second with as many warps as the default ceiling of registers leaves, by set of assumptions."""
        out = {}
        for key in assumptions:
            counted = self.count(name, schedule, speed.WARPS, speed.hardware_of(card, speed.ASSUMPTIONS[key]))
            out[key] = speed.decays_per_second(counted, card, speed.WARPS)
        return out

    def ceiling(self, name: str, schedule: str, registers: int) -> dict[str, Any]:
        """Rate of the first card with a ceiling of registers, central; spills on the whole path and on none of it."""
        card, assumed = CARDS[0], speed.ASSUMPTIONS["central"]
        name_of_code = f"sm_{CC[0]}{CC[1]}"
        used = cuda_offline.assemble(self.ptx(schedule), name_of_code, self.folder / "model", registers or None)
        warps = speed.warps_of_scheduler(used.registers)
        spills = speed.Spills(used.spill_stores // 4, used.spill_loads // 4, used.code_bytes // 16)
        counted = self.count(name, schedule, warps, speed.hardware_of(card, assumed))
        rates = {
            key: speed.decays_per_second(
                speed.with_spills(counted, spills, assumed._replace(spill_share=other.spill_share)), card, warps
            )
            for key, other in speed.ASSUMPTIONS.items()
        }
        return {**used._asdict(), "warps": warps, **rates}

    def batch(self, name: str, schedule: str) -> list[dict[str, float]]:
        """Time of batches on the first card, central assumptions."""
        card, assumed = CARDS[0], speed.ASSUMPTIONS["central"]
        rate = self.rates(name, schedule, card, ["central"])["central"]
        hardware = speed.hardware_of(card, assumed)
        turn = counts.turn_alone(self.ptx(schedule), self.folder, self.world(name), hardware=hardware)
        lanes = card.multiprocessors * speed.SCHEDULERS * speed.WARPS * counts.LANES
        out = []
        for decays in BATCHES:
            one = batches.batch(self.turns(name), decays, lanes, rate, turn / card.ghz * 1e-9, 0.0)
            for gap in GAPS:
                whole = one._replace(gap=gap)
                out.append({"decays": decays, "turn_alone": turn, **whole._asdict(), "rate": rate * whole.share})
        return out


def measure(model: Model, names: Sequence[str], schedules: Sequence[str], ceilings: Sequence[int]) -> dict[str, Any]:
    """All numbers of the page."""
    content: dict[str, Any] = {"format": "hevesy-model", "format_version": 1, **machine.provenance()}
    content["schedules"], content["names"] = list(schedules), list(names)
    content["rows"] = [row(model, name, schedule, ceilings) for schedule in schedules for name in names]
    return content


def row(model: Model, name: str, schedule: str, ceilings: Sequence[int]) -> dict[str, Any]:
    """Numbers of a schedule on a problem; ceilings and batches of those that lanes share decays in."""
    first = CARDS[0]
    shared = schedule != "histories"
    counted = model.count(name, schedule, speed.WARPS, speed.hardware_of(first, speed.ASSUMPTIONS["central"]))
    cards = {card.name: model.rates(name, schedule, card, ("central",)) for card in CARDS}
    cards[first.name] = model.rates(name, schedule, first, tuple(speed.ASSUMPTIONS))
    return {
        "schedule": schedule,
        "name": name,
        "counts": counted._asdict(),
        "units": speed.unit_cycles(counted, first),
        "cards": cards,
        "ceilings": {str(n): model.ceiling(name, schedule, n) for n in ceilings if shared},
        "batches": model.batch(name, schedule) if shared else [],
    }


def main(words: Sequence[str] | None = None) -> int:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", default=",".join(NAMES))
    parser.add_argument("--schedules", default=",".join(sorted(cuda_target.SCHEDULES)))
    parser.add_argument("--registers", default=",".join(map(str, CEILINGS)), help="ceilings; 0: none")
    parser.add_argument("--counted", type=int, default=100, help="decays of a lane that are counted")
    parser.add_argument("--ptx", action="append", default=[], metavar="SCHEDULE=FILE", help="PTX to read")
    parser.add_argument("--code", type=Path, default=None, help="folder that keeps translated code")
    parser.add_argument("-o", "--output", type=Path, default=machine.RESULTS)
    given = parser.parse_args(words)
    files = {name: Path(file) for name, _, file in (item.partition("=") for item in given.ptx)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.code or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        model = Model(folder, given.counted, files)
        ceilings = [int(n) for n in given.registers.split(",")]
        content = measure(model, given.problems.split(","), given.schedules.split(","), ceilings)
    file = machine.write("model", content, given.output)
    sys.stdout.write(tables(content) + f"\n\nwritten: {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
