"""Quantities of a lesion that are compared between visits."""

from __future__ import annotations

from typing import NamedTuple


class Quantity(NamedTuple):
    """What is compared between visits: key of the value, name, and symbol in tables."""

    key: str
    name: str
    symbol: str


QUANTITIES = (
    Quantity("ldpa_gy_per_gbq", "dose per activity", "LDpA"),
    Quantity("uptake_percent", "uptake at 24 h, %IA", "%IA"),
    Quantity("uptake_percent_per_g", "uptake at 24 h, %IA/g", "%IA/g"),
    Quantity("volume_ml", "volume", "volume"),
    Quantity("diameter_mm", "diameter", "diameter"),
    Quantity("effective_half_life_h", "effective half-life", "T_eff"),
)
