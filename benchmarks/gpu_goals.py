"""Rates of transport that the GPU is to reach, and what the model of its speed expects (docs/performance.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hevesy.tools.ptx import cards

RESULTS = Path(__file__).resolve().parent / "results"
#: decays per second of the patients at 4 mm on an H200-class device
TARGETS = {"lu177_patient_4mm": 3.0e8, "i131_patient_4mm": 1.5e8}
#: the same patients, by the model's names
MODELLED = {"lu177_patient_4mm": "Lu-177 patient 4 mm", "i131_patient_4mm": "I-131 patient 4 mm"}
#: the card that the model is of: its name there, its multiprocessors and its clock [GHz]
CARD, MULTIPROCESSORS, GHZ, *_ = cards.CARDS[0]


def expected(patient: str, schedule: str, max_registers: int | None, size: int, ghz: float) -> float | None:
    """Decays per second that the model expects of a card; None if it was not asked.

    The newest ``results/model-*.json`` is read, which ``python -m hevesy.tools.ptx.model`` writes; the rate of its card
    is scaled with multiprocessors and clock.

    Parameters
    ----------
    patient
        Name of the patient, one of :data:`TARGETS`.
    schedule, max_registers
        The build of the kernel.
    size
        Multiprocessors of the card.
    ghz
        Its clock [GHz].
    """
    model = newest_model()
    for row in model["rows"] if model else ():
        if (row["name"], row["schedule"]) == (MODELLED[patient], schedule):
            rate = _rate(row, max_registers)
            return None if rate is None else rate * size / MULTIPROCESSORS * ghz / GHZ
    return None


def newest_model() -> dict[str, Any] | None:
    """What ``python -m hevesy.tools.ptx.model`` wrote last; None where it was never run."""
    files = sorted(RESULTS.glob("model-*.json"))
    return json.loads(files[-1].read_text()) if files else None


def _rate(row: dict[str, Any], max_registers: int | None) -> float | None:
    ceiling = row["ceilings"].get(str(max_registers or 0))
    return None if ceiling is None else ceiling["central"]
