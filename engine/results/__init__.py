"""Results: doses with the integers behind them, merged, saved, resumed; and their provenance."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Result": "result",
        "Balance": "balance",
        "Provenance": "provenance",
    },
)
