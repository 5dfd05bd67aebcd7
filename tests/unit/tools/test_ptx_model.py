"""Decays per second from counters: the queue, registers, spills and batches, each computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.benchmarks import page
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.world import build_world
from hevesy.kernels.backends import cpu
from hevesy.kernels.tables import COUNTERS
from hevesy.phantoms.problems import voxel_s
from hevesy.tools.ptx import batches, cards, counts, model_tables, speed

CARD = cards.Card("card", 10, 1.0, 128, 32)
UNITS = {"integer": 30.0, "float": 20.0, "multiply": 10.0, "special": 5.0, "memory": 10.0}
KIND = {"instructions": 1.0, "lanes": 2.0, "lines": 2.0, "passes": 1.0, "sectors": 2.0, "misses": 1.0}
COUNTS = counts.Counts(
    decays=100, slots=100.0, lanes=0.2, units=UNITS, cycles=900.0, passes=0.0,
    accesses=dict.fromkeys(("load", "local", "atomic"), KIND), fetches=4.0, fetch_misses=2.0,
)  # fmt: skip


def test_a_warp_alone_takes_its_cycles_and_many_are_bound_by_the_busiest_unit():
    assert speed.decays_per_cycle(COUNTS, CARD, 1) == pytest.approx(1 / 900)
    assert speed.decays_per_cycle(COUNTS, CARD, 1000) == pytest.approx(1 / 100, rel=2e-3)
    four = speed.decays_per_cycle(COUNTS, CARD, 4)
    assert 3.5 / 900 < four < 4 / 900
    assert speed.decays_per_second(COUNTS, CARD, 4) == pytest.approx(10 * 4 * 1e9 * four)
    special = COUNTS._replace(units=UNITS | {"special": 50.0})
    assert speed.decays_per_cycle(special, CARD, 1000) == pytest.approx(1 / 400, rel=2e-3)


def test_all_schedulers_share_the_first_level_cache():
    cached = COUNTS._replace(passes=200.0)
    assert speed.decays_per_cycle(cached, CARD, 1000) == pytest.approx(1 / (4 * 200), rel=2e-3)


def test_units_of_a_card():
    assert speed.unit_cycles(COUNTS, CARD) == {"issue": 100.0, "integer": 60.0, "float": 30.0, "special": 40.0}
    assert speed.unit_cycles(COUNTS, CARD._replace(float_lanes=16))["float"] == 60.0


@pytest.mark.parametrize(("registers", "warps"), [(128, 4), (121, 4), (112, 4), (96, 5), (80, 6), (64, 8), (168, 3)])
def test_registers_decide_how_many_warps_fit(registers, warps):
    assert speed.warps_of_scheduler(registers) == warps


def test_spills_cost_slots_passes_and_time():
    assumed = speed.Assumptions(counts.Multiprocessor(level_1=40), 0.5)
    found = speed.with_spills(COUNTS, speed.Spills(stores=20, loads=40, instructions=1000), assumed)
    # 100 slots a decay are a tenth of the code, half of it busy: 1 store and 2 loads
    assert (found.slots, found.passes, found.units["memory"]) == (103.0, 3.0, 13.0)
    assert found.cycles == 900.0 + 1.0 + 2 * 40.0


def test_the_last_lanes_of_a_batch():
    # four lanes, five decays of ten turns: one lane takes two. A turn lasts 0.4 s, with a quarter of them busy 0.175 s
    one = batches.batch(np.array([10]), 5, 4, rate=1.0, alone=0.1, gap=0.25)
    assert one.steady == 5.0
    assert one.tail == pytest.approx(10 * 0.4 + 10 * 0.175 - 5.0)
    assert one.last_turns == 10
    assert one.share == pytest.approx(5.0 / 6.0)
    assert batches.batch(np.array([10]), 8, 4, rate=1.0, alone=0.1, gap=0.0).share == pytest.approx(1.0)


def test_turns_are_those_of_the_batch():
    world = build_world(voxel_s("I-131", voxels=5), PhysicsOptions())
    flights, segments = batches.turns_of_decays(world, 300)
    found = cpu.Engine(world, 5, 1).run_batch(1, 300, np.zeros(world.density.size, np.int64))
    assert set(COUNTERS) >= {"photon_flights", "electron_segments"}
    assert (flights.sum(), segments.sum()) == (found["photon_flights"], found["electron_segments"])


def test_the_page_shows_a_model():
    rates = {"cautious": 1.5e8, "central": 2e8, "hopeful": 3e8}
    ceiling = {"registers": 64, "spill_stores": 8, "spill_loads": 4, "warps": 8, **rates}
    timed = {"decays": 2e6, "gap": 1e-3, "rate": 1e8, "tail": 2e-3, "steady": 6e-3}
    row = {
        "schedule": "interleaved", "name": "I-131 patient 4 mm", "counts": COUNTS._asdict(),
        "units": speed.unit_cycles(COUNTS, CARD), "cards": {card.name: rates for card in cards.CARDS},
        "ceilings": {"64": ceiling}, "batches": [timed],
    }  # fmt: skip
    told = {"cpu": "a processor", "cores": 2, "python": "3.11"}
    content = {"when": "today", "commit": "0" * 40, "machine": told, "packages": {"numba": "0.6"}, "rows": [row]}
    text = model_tables.tables(content)
    assert "2e8 (1.5e8 to 3e8); 8 warps, 12 B" in text
    assert "1e8 (tail 2.0 of 6.0 ms)" in text
    assert page.PARTS["model"][1](content) == text
