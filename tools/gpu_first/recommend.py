"""Which options a card should run with, from what was measured on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

#: a build is chosen over the default when it is faster by more than this: less may be chance
LEAST_GAIN = 0.03
RULE = (
    f"fastest build (median of the repeats, geometric mean over the patients), if its integers equal the default's on "
    f"every patient and it is more than {LEAST_GAIN:.0%} faster; else the default"
)
#: what tells one build and its launch from another
KEY = ("schedule", "max_registers", "threads")

Key = tuple[Any, ...]


class Choice(NamedTuple):
    """The recommended build.

    Parameters
    ----------
    key
        Values of :data:`KEY`.
    gain
        How many times the default's rate it has; 1 for the default.
    why
        One sentence.
    differing
        Builds whose integers are not the default's.
    measured
        Whether the default was measured, without which nothing can be recommended.
    """

    key: Key
    gain: float
    why: str
    differing: tuple[Key, ...]
    measured: bool


def key_of(values: Mapping[str, Any]) -> Key:
    """Values of :data:`KEY`."""
    return tuple(values[name] for name in KEY)


def rates_by_key(facts: Iterable[Mapping[str, Any]]) -> dict[Key, dict[str, Mapping[str, Any]]]:
    """Measurements of each build, by patient; a rate that no clock can give is none."""
    found: dict[Key, dict[str, Mapping[str, Any]]] = {}
    for fact in facts:
        if math.isfinite(fact["decays_per_s"]) and fact["decays_per_s"] > 0.0:
            found.setdefault(key_of(fact), {})[fact["patient"]] = fact
    return found


def choose(facts: Iterable[Mapping[str, Any]], default: Key, patients: Sequence[str]) -> Choice:
    """Apply :data:`RULE`.

    Parameters
    ----------
    facts
        Measurements: the options, ``patient``, ``decays_per_s`` and ``digest`` of the integers.
    default
        Key of the default options.
    patients
        Those on which a build must have been measured to be chosen.
    """
    measured = rates_by_key(facts)
    usual = measured.get(default, {})
    if not all(name in usual for name in patients):
        return Choice(default, 1.0, "the default was not measured on every patient: nothing to compare with", (), False)
    differing, gains = [], {default: 1.0}
    for key, of in measured.items():
        if any(of[name]["digest"] != usual[name]["digest"] for name in patients if name in of):
            differing.append(key)
        elif all(name in of for name in patients):
            ratios = [of[name]["decays_per_s"] / usual[name]["decays_per_s"] for name in patients]
            gains[key] = math.exp(sum(map(math.log, ratios)) / len(ratios))
    best = max(gains, key=lambda key: gains[key])
    if gains[best] > 1.0 + LEAST_GAIN:
        return Choice(best, gains[best], f"{gains[best]:.2f} times the default's rate", tuple(differing), True)
    why = "the default is the fastest" if best == default else f"nothing is more than {LEAST_GAIN:.0%} faster"
    return Choice(default, 1.0, why, tuple(differing), True)
