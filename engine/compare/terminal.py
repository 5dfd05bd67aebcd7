"""What a terminal shows of a comparison: one table per visit, and a sentence per lesion and method."""

from __future__ import annotations

import math

from ..lesions.record import TARGET
from ..text import NONE, Table, covered_text, dose_unit, interval_decimals, number, plus_minus, signed, signed_percent
from .record import Bias, Comparison, MethodDose, RegionComparison


def tables(comparison: Comparison) -> list[Table]:
    """One table per visit: a row per region and method.

    Parameters
    ----------
    comparison
        The comparison.

    Returns
    -------
    list of Table
        Lesions first, by their dose; doses in the unit that suits the highest of their table.
    """
    out = []
    for visit in comparison.visits:
        regions = [region for region in comparison.regions if region.visit == visit]
        title = visit if len(comparison.visits) > 1 else None
        if regions:
            out.append(_table(comparison, _ordered(regions, comparison.reference), title))
    out.append(_costs(comparison))
    return out


def _ordered(regions: list[RegionComparison], reference: str) -> list[RegionComparison]:
    return sorted(regions, key=lambda one: (one.role != TARGET, one.role, -(one.doses[reference].mean_gy or 0.0)))


def _table(comparison: Comparison, regions: list[RegionComparison], title: str | None) -> Table:
    means = [dose.mean_gy for region in regions for dose in region.doses.values() if dose.mean_gy is not None]
    unit, per_gy = dose_unit(max(means, default=math.nan))
    columns = ["region", "method", f"mean\n[{unit}]", "bias", "95 % interval", "rule"]
    if any(region.threshold_gy is not None for region in regions):
        columns.insert(5, "threshold at\n[GBq]")
    rows = []
    for region in regions:
        for place, (name, dose) in enumerate(region.doses.items()):
            shown = region.name if place == 0 else ""
            cells = _cells(dose, per_gy, reference=name == comparison.reference)
            if len(columns) > len(cells) + 2:
                cells.insert(3, number(dose.activity_at_threshold_gbq))
            rows.append([shown, name, *cells])
    return Table(columns, rows, title, 2)


def _cells(dose: MethodDose, per_gy: float, *, reference: bool) -> list[str]:
    return [
        _mean(dose, per_gy),
        "reference" if reference else _bias(dose.bias),
        NONE if dose.bias is None else interval(dose.bias),
        dose.use or NONE,
    ]


def _mean(dose: MethodDose, per_gy: float) -> str:
    """The mean that the bias is of, with its standard error; the share that is covered where it has none."""
    if dose.mean_gy is None:
        return covered_text(dose.covered_percent)
    gy, error = dose.mean_gy, dose.mean_standard_error_gy
    if dose.mean_without_decay_noise_gy is not None:
        gy, error = dose.mean_without_decay_noise_gy, dose.mean_without_decay_noise_standard_error_gy
    return number(per_gy * gy) if error is None else plus_minus(per_gy * gy, per_gy * error)


def _seen(best: float, table: float, error: float | None) -> bool:
    """Whether two means differ in the digits that the table shows of the first."""
    return plus_minus(best, error or 0.0) != plus_minus(table, error or 0.0)


def mean_line(comparison: Comparison) -> str:
    """Where the means of the table differ from those of the lesion table to be seen; empty where none does.

    Parameters
    ----------
    comparison
        The comparison.
    """
    texts = []
    for region in comparison.regions:
        for dose in region.doses.values():
            best, table = dose.mean_without_decay_noise_gy, dose.mean_gy
            error = dose.mean_without_decay_noise_standard_error_gy
            if best is not None and table is not None and _seen(best, table, error):
                where = f"{region.visit}, {region.name}" if len(comparison.visits) > 1 else region.name
                texts.append(f"{where} {number(table, 5)} Gy")
                break
    if not texts:
        return ""
    return (
        "Means are without the noise that the simulated decays alone explain, and biases are of these. The lesion "
        f"table has, with that noise: {', '.join(texts)}."
    )


def _bias(bias: Bias | None) -> str:
    if bias is None:
        return NONE
    return signed_percent(bias.percent, interval_decimals(bias.low_percent, bias.high_percent))


def interval(bias: Bias) -> str:
    """The 95 % interval of a bias; a dash without one.

    Parameters
    ----------
    bias
        The bias.
    """
    if bias.low_percent is None or bias.high_percent is None:
        return NONE
    decimals = interval_decimals(bias.low_percent, bias.high_percent)
    return f"{signed(bias.low_percent, decimals)} to {signed_percent(bias.high_percent, decimals)}"


def _costs(comparison: Comparison) -> Table:
    """Time and figure of merit of each method."""
    rows = []
    for name, facts in comparison.methods.items():
        merits = [
            dose.figure_of_merit_per_s
            for region in comparison.regions
            if region.role == TARGET and (dose := region.doses[name]).figure_of_merit_per_s is not None
        ]
        merit = NONE if not merits else f"{number(min(merits))} to {number(max(merits))}"
        rows.append([name, facts.label, number(facts.wall_time_s), merit, facts.origin])
    return Table(["method", "what it is", "time\n[s]", "figure of merit\n[1/s]", "dose from"], rows, None, 2)


def side_lines(comparison: Comparison) -> list[str]:
    """Which regions change side of their threshold by which method, and between which activities.

    Parameters
    ----------
    comparison
        The comparison.
    """
    lines = []
    for region in comparison.regions:
        where = f"{region.visit}, {region.name}" if len(comparison.visits) > 1 else region.name
        for name, dose in region.doses.items():
            if dose.changes_side and dose.changes_side_between_gbq is not None:
                low, high = dose.changes_side_between_gbq
                between = f"between {low:.3g} and {high:.3g} GBq" if math.isfinite(high) else f"from {low:.3g} GBq up"
                lines.append(
                    f"{where}: {name} changes the side of {region.threshold_gy:g} Gy at the planned "
                    f"{comparison.activity_gbq:.3g} GBq; it disagrees with {comparison.reference} {between}."
                )
    return lines


def sentences(comparison: Comparison) -> list[str]:
    """One sentence per lesion and method, lesion by lesion.

    Parameters
    ----------
    comparison
        The comparison.
    """
    lines = []
    for visit in comparison.visits:
        regions = [region for region in comparison.regions if region.visit == visit]
        for region in _ordered(regions, comparison.reference):
            where = f"{visit}, {region.name}" if len(comparison.visits) > 1 else region.name
            lines += [f"{where}: {dose.sentence}" for dose in region.doses.values() if dose.sentence]
    return lines
