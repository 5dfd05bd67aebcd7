"""What a comparison of dose methods says: by method, and by region."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..text import plain

FORMAT, FORMAT_VERSION = "hevesy-comparison", "1.0"

#: What the rule says of a method in a lesion.
USE, DO_NOT_USE, UNDETERMINED = "use", "do not use", "undetermined"


@dataclass(frozen=True)
class Bias:
    """A method's quantity over that of the reference, minus one.

    Parameters
    ----------
    percent
        The bias [%]; None where the reference has no dose.
    low_percent, high_percent
        95 % interval [%]; None without standard errors.
    standard_error_percent
        One standard error [%].
    paired
        Whether both were taken over the same simulated decays, so that their noise cancels in part.
    """

    percent: float | None
    low_percent: float | None = None
    high_percent: float | None = None
    standard_error_percent: float | None = None
    paired: bool = False


@dataclass(frozen=True)
class MethodDose:
    """One region by one method.

    Parameters
    ----------
    mean_gy
        Mean dose [Gy], as ``dose_gy`` of the lesion table: over the lesion's mass, corrected for recovery.
        None where a dose map of another program does not cover the region.
    mean_standard_error_gy
        Statistical standard error of it [Gy]; None for a method without statistics.
    mean_without_decay_noise_gy, mean_without_decay_noise_standard_error_gy
        The same mean without the noise that its decays alone explain, and its standard error [Gy]: what the bias, the
        side of the threshold, the activity at it and the figure of merit are of. None where the two are the same.
    d95_gy, d50_gy, v20gy_percent
        Of the dose map [Gy], [%], as in the lesion table; None where that table has the mean alone.
    bias, d95_bias, d50_bias
        Against the reference method; None for the reference itself, and where one of the two does not cover the
        region. Of D95 and D50 those corrected for noise are compared, where there are such.
    v20gy_difference_percent
        V20Gy above that of the reference, in points [%]; corrected for noise likewise.
    activity_at_threshold_gbq
        Activity at which the mean reaches the threshold [GBq]; None where none does.
    above
        Whether the mean reaches the threshold at the therapy activity; None without one.
    changes_side
        Whether the reference is on the other side of the threshold at the therapy activity, beyond the noise; None
        where the noise leaves it open.
    changes_side_between_gbq
        Activities between which the two disagree, ascending [GBq]; the upper one is infinite (null in JSON) where one
        of them never reaches the threshold.
    figure_of_merit_per_s
        1/(relative variance of the mean times seconds) [1/s]; None for a method without statistics.
    use
        What the rule says: :data:`USE`, :data:`DO_NOT_USE` or :data:`UNDETERMINED`; empty for the reference and for
        regions that are not lesions.
    sentence
        The same in one sentence; for an organ with a limit, whether it changes side of that.
    decays_needed
        Decays in all that would decide what is undetermined; None where no simulation would, and elsewhere.
    d95_noise_corrected_gy, d50_noise_corrected_gy, v20gy_noise_corrected_percent
        The same corrected for statistical noise [Gy], [%]; None for a method without.
    covered_percent
        Share of the volume where the method has a dose [%]. Below 99.9 nothing else is stated.
    """

    mean_gy: float | None
    mean_standard_error_gy: float | None = None
    d95_gy: float | None = None
    d50_gy: float | None = None
    v20gy_percent: float | None = None
    bias: Bias | None = None
    d95_bias: Bias | None = None
    d50_bias: Bias | None = None
    v20gy_difference_percent: float | None = None
    activity_at_threshold_gbq: float | None = None
    above: bool | None = None
    changes_side: bool | None = None
    changes_side_between_gbq: tuple[float, float] | None = None
    figure_of_merit_per_s: float | None = None
    use: str = ""
    sentence: str = ""
    decays_needed: float | None = None
    d95_noise_corrected_gy: float | None = None
    d50_noise_corrected_gy: float | None = None
    v20gy_noise_corrected_percent: float | None = None
    mean_without_decay_noise_gy: float | None = None
    mean_without_decay_noise_standard_error_gy: float | None = None
    covered_percent: float = 100.0


@dataclass(frozen=True)
class GammaRate:
    """Gamma index of a method's map against the reference, with the noise of the reference accounted for.

    Parameters
    ----------
    visit
        The visit.
    dose_percent, distance_mm
        Criterion [%], [mm].
    normalisation
        ``"global"`` (per cent of the largest dose) or ``"local"`` (per cent of the reference dose of the voxel).
    floor_percent
        Voxels below this share of the largest dose are left out [%].
    voxels
        Voxels judged.
    pass_percent
        Share with a gamma index of at most one [%]; None where no voxel is judged.
    noise_pass_percent
        Share that would pass if the method had no bias at all and the reference its noise [%]; None without one.
    corrected_pass_percent
        Share extrapolated to maps without noise [%]; None without noise, where there is too much of it, and where the
        method has more of it than the reference.
    """

    visit: str
    dose_percent: float
    distance_mm: float
    normalisation: str
    floor_percent: float
    voxels: int
    pass_percent: float | None
    noise_pass_percent: float | None = None
    corrected_pass_percent: float | None = None


@dataclass(frozen=True)
class MethodFacts:
    """A method of a comparison.

    Parameters
    ----------
    name, label
        What commands and reports call it.
    origin
        ``"run"``: its dose is in the run; ``"compared"``: calculated by the comparison; ``"file"``: a foreign map.
    wall_time_s
        Time it took for all visits [s]; None where it is not known.
    notes
        What it assumes, leaves out or fails in here, one sentence each.
    gamma
        Gamma indices, none for the reference.
    maps
        Files written for it in the folder of the comparison, by visit and kind (``"ratio"``, ``"difference"``).
    """

    name: str
    label: str
    origin: str
    wall_time_s: float | None = None
    notes: tuple[str, ...] = ()
    gamma: tuple[GammaRate, ...] = ()
    maps: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RegionComparison:
    """One lesion, organ or other region of a visit by every method.

    Parameters
    ----------
    visit, name
        Which.
    role
        ``"target"``, ``"organ"`` or ``"reference"`` as in the lesion table, or ``"body"``: all tissue.
    volume_ml, mass_g
        Of the region [mL], [g].
    doses
        By method.
    threshold_gy
        What the mean is held against [Gy]: the threshold of a lesion, the limit of an organ; None without one.
    """

    visit: str
    name: str
    role: str
    volume_ml: float
    mass_g: float
    doses: dict[str, MethodDose]
    threshold_gy: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Methods side by side on one run.

    Parameters
    ----------
    patient, nuclide, activity_gbq, threshold_gy
        Of the run's case [GBq], [Gy]; the threshold is None where nothing is judged.
    reference
        Name of the method that the others are compared with.
    tolerance_percent
        Largest bias of the mean that the rule accepts [%].
    rule
        The rule, in words.
    visits
        Their names, in order.
    methods
        By name, the reference first.
    regions
        Lesions and other regions, visit by visit.
    warnings
        What limits the whole comparison, one sentence each.
    """

    patient: str
    nuclide: str
    activity_gbq: float
    threshold_gy: float | None
    reference: str
    tolerance_percent: float
    rule: str
    visits: tuple[str, ...]
    methods: dict[str, MethodFacts]
    regions: tuple[RegionComparison, ...]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: the methods under their names, with their regions; and ``regions``, by region."""
        out: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION}
        facts = ("patient", "nuclide", "activity_gbq", "threshold_gy", "reference", "tolerance_percent", "rule")
        out |= {name: getattr(self, name) for name in facts}
        out |= {"visits": list(self.visits), "methods": list(self.methods), "warnings": list(self.warnings)}
        for name, method in self.methods.items():
            rows = [
                {"visit": region.visit, "lesion": region.name, "role": region.role} | asdict(region.doses[name])
                for region in self.regions
                if name in region.doses
            ]
            out[name] = asdict(method) | {"lesions": rows}
        out["lesions"] = [
            {
                "visit": region.visit,
                "lesion": region.name,
                "role": region.role,
                "volume_ml": region.volume_ml,
                "mass_g": region.mass_g,
                "threshold_gy": region.threshold_gy,
                **{name: asdict(dose) for name, dose in region.doses.items()},
            }
            for region in self.regions
        ]
        return {key: plain(value) for key, value in out.items()}
