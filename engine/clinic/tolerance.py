"""Maximum tolerable activity: the blood dose limit and the 48 h retention limits of Benua and Leeper."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

#: Blood dose that must not be exceeded [Gy].
BLOOD_LIMIT_GY = 2.0
#: Largest whole-body activity at 48 h (120 mCi), and with diffuse lung metastases (80 mCi) [GBq].
RETENTION_LIMIT_GBQ = 4.44
LUNG_RETENTION_LIMIT_GBQ = 2.96


@dataclass(frozen=True)
class MaximumActivity:
    """Maximum tolerable activity and the rule that sets it.

    Attributes
    ----------
    activity_gbq
        The smallest of the limits [GBq].
    limiting_rule
        ``"blood dose"``, ``"48 h retention"`` or ``"48 h retention, diffuse lung metastases"``.
    by_rule_gbq
        Every rule that could be applied, with its activity [GBq].
    """

    activity_gbq: float
    limiting_rule: str
    by_rule_gbq: dict[str, float]


def maximum_activity(
    dose_gy_per_gbq: float,
    retention_48h: float | None,
    *,
    diffuse_lung: bool = False,
    blood_limit_gy: float = BLOOD_LIMIT_GY,
    retention_limit_gbq: float = RETENTION_LIMIT_GBQ,
    lung_limit_gbq: float = LUNG_RETENTION_LIMIT_GBQ,
) -> MaximumActivity:
    """Smallest of the blood dose limit and the whole-body 48 h retention limit.

    Parameters
    ----------
    dose_gy_per_gbq
        Blood dose per administered activity [Gy/GBq].
    retention_48h
        Physical whole-body retention of the therapy nuclide at 48 h, in (0, 1]; None when not measured.
    diffuse_lung
        Whether there are diffuse lung metastases: the lower retention limit then replaces the other.
    blood_limit_gy, retention_limit_gbq, lung_limit_gbq
        The limits: 2 [Gy], 4.44 (120 mCi) and 2.96 (80 mCi) [GBq].

    Returns
    -------
    MaximumActivity
        The activity [GBq], the rule that sets it, and what each rule allows.

    Raises
    ------
    InputError
        A blood dose that is not positive, or a retention outside (0, 1].

    Examples
    --------
    >>> from hevesy.engine.clinic import maximum_activity
    >>> limit = maximum_activity(0.1, 0.5)
    >>> round(limit.activity_gbq, 2), limit.limiting_rule
    (8.88, '48 h retention')
    """
    if not dose_gy_per_gbq > 0.0:
        raise InputError(f"blood dose {dose_gy_per_gbq!r} Gy/GBq", why="it must be positive", field="retention")
    rules = {"blood dose": blood_limit_gy / dose_gy_per_gbq}
    if retention_48h is not None:
        if not 0.0 < retention_48h <= 1.0:
            raise InputError(
                f"48 h retention {100 * retention_48h:g} %",
                why="it lies between 0 and 100 %",
                field="retention",
            )
        if diffuse_lung:
            rules["48 h retention, diffuse lung metastases"] = lung_limit_gbq / retention_48h
        else:
            rules["48 h retention"] = retention_limit_gbq / retention_48h
    rule = min(rules, key=lambda name: rules[name])
    return MaximumActivity(rules[rule], rule, rules)
