"""A plugin of pytest that has the tests of a GPU simulate a hundredth of their decays, for the emulated driver:

    python -m hevesy.tools.driver -- -m pytest -p hevesy.tools.driver.few_decays tests/gpu

What a test compares stays the same; only a test that needs many decays for its statistics says less.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

DIVISOR = 100
#: names of the modules' numbers of decays in a batch
CONSTANTS = ("PER_BATCH", "CPU_DECAYS", "GPU_DECAYS")
#: arguments of ``simulate`` that are numbers of decays
ARGUMENTS = ("decays", "batch_histories")


def fewer(module: Any) -> None:
    """Divide a test module's numbers of decays: constants, defaults that are one of them, arguments of ``simulate``."""
    large = {getattr(module, name) for name in CONSTANTS if hasattr(module, name)}
    for name in CONSTANTS:
        if hasattr(module, name):
            setattr(module, name, getattr(module, name) // DIVISOR)
    for thing in list(vars(module).values()):
        if getattr(thing, "__module__", "") == module.__name__ and getattr(thing, "__defaults__", None):
            thing.__defaults__ = tuple(
                d // DIVISOR if isinstance(d, int) and d in large else d for d in thing.__defaults__
            )
    simulate = getattr(module, "simulate", None)
    if simulate is not None:

        @wraps(simulate)
        def short(*values: Any, **options: Any) -> Any:
            return simulate(*values, **{k: v // DIVISOR if k in ARGUMENTS else v for k, v in options.items()})

        module.simulate = short


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Called by pytest when it has collected the tests."""
    for module in {item.module for item in items}:
        fewer(module)
