"""Names of the kinetic models; no array library, so that a case loads fast."""

from __future__ import annotations

MODELS = (
    "two-point",
    "mono-exponential",
    "linear-exponential",
    "bi-exponential",
    "physical-decay",
    "single-time-point",
)
