"""Other methods or transport values in place of the case's own: what flags and arguments change."""

from __future__ import annotations

from typing import Any

from ..dose.methods import dose_methods
from ..units import DURATION, in_range
from ..until import Until
from .model import Case
from .transport import checked_transport


def with_changes(
    case: Case,
    *,
    method: str | tuple[str, ...] | None = None,
    until: Until | str | None = None,
    decays: Any = None,
    time_limit_s: float | None = None,
    seed: int | None = None,
    backend: str | None = None,
) -> Case:
    """The case with other methods or transport values, each through the case's own checks.

    Parameters
    ----------
    case
        The case to change; it stays as it is.
    method
        Names of dose methods, separated by commas or as a tuple.
    until
        Stop criterion, such as ``"lesions:1%"``.
    decays
        Maximum number of decays: a whole number, or text such as ``"1e6"``. It lifts the case's own ``until``.
    time_limit_s
        Longest transport of a visit [s].
    seed, backend
        Of the transport.

    Returns
    -------
    Case
        A new case, with the changes.

    Raises
    ------
    InputError
        Naming the value that cannot be.
    """
    requested = {"until": until, "decays": decays, "seed": seed, "backend": backend}
    changes = checked_transport({key: value for key, value in requested.items() if value is not None})
    if time_limit_s is not None:
        changes["time_limit_s"] = in_range(time_limit_s, DURATION, field="time_limit_s")
    if decays is not None and until is None:
        changes["until"] = None  # the user requested a number of decays, not a precision
    methods = None
    if method is not None:
        parts = method.split(",") if isinstance(method, str) else list(method)
        methods = dose_methods(part.strip() for part in parts)
    return case.with_transport(methods=methods, **changes)
