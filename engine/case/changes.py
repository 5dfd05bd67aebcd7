"""Other methods or transport values in place of the case's own: what flags and arguments change."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..text import did_you_mean
from .model import METHODS, Case, checked_transport


def with_changes(
    case: Case,
    *,
    method: str | tuple[str, ...] | None = None,
    until: str | None = None,
    decays: Any = None,
    time_limit_s: float | None = None,
    seed: int | None = None,
    backend: str | None = None,
) -> Case:
    """The case with other methods or transport values, each through the case's own checks.

    Raises
    ------
    InputError
        Naming the value that cannot be.
    """
    limit = None if time_limit_s is None else f"{time_limit_s!r} s"
    given = {"until": until, "decays": decays, "time_limit": limit, "seed": seed, "backend": backend}
    changes = checked_transport({key: value for key, value in given.items() if value is not None})
    if decays is not None and until is None:
        changes["until"] = None  # asked for a number of decays, not for a precision
    methods = None
    if method is not None:
        parts = method.split(",") if isinstance(method, str) else list(method)
        methods = tuple(dict.fromkeys(part.strip() for part in parts))
        for part in methods:
            if part not in METHODS:
                raise InputError(
                    f"'{part}' is no method",
                    why="the methods are " + ", ".join(METHODS),
                    suggestion=did_you_mean(part, METHODS),
                    field="method",
                )
    return case.with_transport(methods=methods, **changes)  # type: ignore[arg-type]
