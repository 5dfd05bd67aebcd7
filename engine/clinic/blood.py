"""Blood and whole-body dosimetry: time-integrated activity from samples, and blood dose.

Formulae: the EANM standard procedure (Lassmann et al., EJNMMI 35 (2008) 1405) and the single-measurement
estimate (Haenscheid et al., Endocr Relat Cancer 16 (2009) 1283). The file format of the samples is in
docs/methods/blood.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kinetics.conversion import to_therapy
from ..text import counted
from .blood_samples import Samples, read_samples
from .tolerance import MaximumActivity, maximum_activity
from .washout import Washout, fit_washout

__all__ = [
    "BloodDose",
    "MaximumActivity",
    "Samples",
    "blood_dose",
    "blood_dose_per_gbq",
    "blood_volume_ml",
    "maximum_activity",
    "read_samples",
    "single_measurement",
]

#: Self-dose of blood per time-integrated activity coefficient in 1 mL [Gy mL/(GBq h)]: beta radiation of 131I.
BLOOD_FACTOR = 108.0
#: Whole-body photon dose factor [Gy kg^(2/3)/(GBq h)].
BODY_FACTOR = 0.0188
#: Share of the whole-body time-integrated activity that is in blood, for the single measurement.
BLOOD_SHARE = 0.14


@dataclass(frozen=True, eq=False)
class BloodDose:
    """Result of blood and whole-body dosimetry for the therapy nuclide.

    Attributes
    ----------
    dose_gy_per_gbq, dose_sigma_gy_per_gbq
        Blood dose per administered activity [Gy/GBq], and its standard uncertainty from the two fits [Gy/GBq] (NaN
        when unknown).
    tau_blood_h_per_ml, tau_body_h
        Residence times in 1 mL of blood [h/mL] and in the body [h].
    retention_48h
        Physical whole-body retention of the therapy nuclide at 48 h (share of the administered activity).
    maximum
        Maximum tolerable activity.
    blood, body
        The fitted washouts (blood: share per mL); None for the single-measurement estimate.
    method, flags
        How it was obtained, and what a reader must know.
    contradictions
        Those of the flags by which the samples contradict themselves.
    """

    dose_gy_per_gbq: float
    dose_sigma_gy_per_gbq: float
    tau_blood_h_per_ml: float
    tau_body_h: float
    retention_48h: float
    maximum: MaximumActivity
    blood: Washout | None
    body: Washout | None
    method: str
    flags: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()


def blood_dose_per_gbq(tau_blood_h_per_ml: float, tau_body_h: float, weight_kg: float) -> float:
    """Blood dose per administered 131I: ``108 tau_mL + 0.0188 / w^(2/3) tau_body`` [Gy/GBq]."""
    _weight(weight_kg)
    if tau_blood_h_per_ml < 0.0 or tau_body_h < 0.0:
        raise InputError("a negative time-integrated activity", why="it integrates an activity", field="retention")
    return BLOOD_FACTOR * tau_blood_h_per_ml + BODY_FACTOR / weight_kg ** (2.0 / 3.0) * tau_body_h


def blood_volume_ml(weight_kg: float, height_cm: float, sex: str) -> float:
    """Blood volume [mL] by height, weight and sex (Retzlaff et al., Blood 33 (1969) 649).

    Raises
    ------
    InputError
        A weight, height or sex that cannot be, or a volume outside 2 to 9 L.
    """
    _weight(weight_kg)
    if not 100.0 <= height_cm <= 230.0:
        raise InputError(
            f"height {height_cm:g} cm",
            why="the blood volume formula holds for adults",
            suggestion="give the height in cm, such as 175 cm",
            field="height",
        )
    if sex[:1].lower() not in ("m", "f"):
        raise InputError(f"sex {sex!r}", suggestion="give 'male' or 'female'", field="sex")
    if sex[:1].lower() == "m":
        volume = 31.9 * height_cm + 26.3 * weight_kg - 2402.0
    else:
        volume = 56.9 * height_cm + 14.1 * weight_kg - 6460.0
    if not 2000.0 <= volume <= 9000.0:
        raise InputError(
            f"blood volume {volume / 1000:.2f} L for {weight_kg:g} kg and {height_cm:g} cm",
            why="an adult has 2 to 9 L",
            suggestion="check weight, height and their units",
            field="weight",
        )
    return volume


def single_measurement(
    time_h: float,
    retention: float,
    weight_kg: float,
    height_cm: float,
    sex: str,
    *,
    diffuse_lung: bool = False,
) -> BloodDose:
    """Blood dose from one whole-body measurement of 131I.

    ``D/A0 = (15.12 / BLV + 0.0188 / w^(2/3)) tau``, ``tau = t / ln(1 / R(t))``: mono-exponential body, 14 %
    of its time-integrated activity in the blood (15.12 = 0.14 x 108).

    Parameters
    ----------
    time_h
        Time of the measurement [h]; the estimate was made for 24 to 48 h.
    retention
        Whole-body activity over the administered one at that time, not decay corrected.
    weight_kg, height_cm, sex
        For the blood volume.
    diffuse_lung
        See :func:`maximum_activity`.
    """
    if not (0.0 < retention < 1.0 and time_h > 0.0):
        raise InputError(
            f"retention {100 * retention:g} % at {time_h:g} h",
            why="the estimate needs a retention between 0 and 100 % after the administration",
            field="retention",
        )
    volume = blood_volume_ml(weight_kg, height_cm, sex)
    tau = time_h / math.log(1.0 / retention)
    tau_blood = BLOOD_SHARE * tau / volume
    dose = blood_dose_per_gbq(tau_blood, tau, weight_kg)
    r48 = math.exp(-48.0 / tau)
    flags = ["blood dose estimated from one whole-body measurement"]
    if not 20.0 <= time_h <= 52.0:
        flags.append(f"measured at {time_h:g} h: the estimate was validated for 24 to 48 h")
    maximum = maximum_activity(dose, r48, diffuse_lung=diffuse_lung)
    return BloodDose(dose, math.nan, tau_blood, tau, r48, maximum, None, None, "single measurement", tuple(flags))


def blood_dose(
    samples: Samples,
    weight_kg: float,
    *,
    tracer_half_life_h: float,
    therapy_half_life_h: float,
    height_cm: float | None = None,
    sex: str | None = None,
    diffuse_lung: bool = False,
) -> BloodDose:
    """Blood dose and maximum tolerable activity of 131I from blood and whole-body samples.

    Parameters
    ----------
    samples
        From :func:`read_samples`.
    weight_kg
        Body weight [kg].
    tracer_half_life_h, therapy_half_life_h
        Half-lives of the measured nuclide and of the therapy nuclide [h]. The dose factors are those of 131I.
    height_cm, sex
        Body height [cm] and ``"male"`` or ``"female"``: for the plausibility of the blood content, and for the blood
        part when no blood was drawn.
    diffuse_lung
        See :func:`maximum_activity`.

    Returns
    -------
    BloodDose
        Dose per activity, residence times, the maximum tolerable activity, and what a reader must know.

    Raises
    ------
    InputError
        No whole-body samples; no blood samples and no height and sex; values that cannot be.

    References
    ----------
    Lassmann et al., Eur J Nucl Med Mol Imaging 2008;35:1405 (EANM standard procedure).
    """
    _weight(weight_kg)
    if samples.body_time_h.size == 0:
        raise InputError(
            "no whole-body measurements",
            why="the body's photon dose needs them",
            suggestion="add a column whole_body_percent or whole_body_counts",
            file=samples.source or None,
        )
    volume = None
    if height_cm is not None and sex is not None:
        volume = blood_volume_ml(weight_kg, height_cm, sex)
    contradictions = _implausible(samples, tracer_half_life_h, volume)
    halves = (tracer_half_life_h, therapy_half_life_h)
    body = _washout(samples.body_time_h, samples.body_fraction, samples.body_sigma, *halves, starts_at_one=True)
    blood = _blood_part(samples, body, volume, *halves)
    dose = blood_dose_per_gbq(blood.tau_h_per_ml, body.tia_coefficient_h, weight_kg)
    body_sigma = BODY_FACTOR / weight_kg ** (2.0 / 3.0) * body.tia_coefficient_uncertainty_h
    r48 = float(body.activity(48.0))
    return BloodDose(
        dose_gy_per_gbq=dose,
        dose_sigma_gy_per_gbq=math.hypot(BLOOD_FACTOR * blood.tau_sigma_h_per_ml, body_sigma),
        tau_blood_h_per_ml=blood.tau_h_per_ml,
        tau_body_h=body.tia_coefficient_h,
        retention_48h=r48,
        maximum=maximum_activity(dose, r48, diffuse_lung=diffuse_lung),
        blood=blood.washout,
        body=body,
        method=blood.method,
        flags=(*contradictions, *(f"whole body: {text}" for text in body.flags), *blood.flags),
        contradictions=tuple(contradictions),
    )


def _washout(
    times_h: np.ndarray,
    fraction: np.ndarray,
    sigma: np.ndarray | None,
    tracer_half_life_h: float,
    therapy_half_life_h: float,
    *,
    starts_at_one: bool = False,
) -> Washout:
    """Washout of the therapy nuclide from samples of the tracer."""
    halves = (tracer_half_life_h, therapy_half_life_h)
    values = to_therapy(fraction, times_h, *halves)
    error = None if sigma is None else to_therapy(sigma, times_h, *halves)
    return fit_washout(times_h, values, error, therapy_half_life_h, starts_at_one=starts_at_one)


@dataclass(frozen=True, eq=False)
class _BloodPart:
    """Residence time in 1 mL of blood and its standard uncertainty [h/mL], and how they were obtained."""

    tau_h_per_ml: float
    tau_sigma_h_per_ml: float
    washout: Washout | None
    method: str
    flags: tuple[str, ...]


def _blood_part(
    samples: Samples, body: Washout, volume_ml: float | None, tracer_half_life_h: float, therapy_half_life_h: float
) -> _BloodPart:
    """From the blood samples; without them a fixed share of the whole body, in the patient's blood volume."""
    if samples.blood_time_h.size >= 2:
        washout = _washout(
            samples.blood_time_h,
            samples.blood_fraction_per_ml,
            samples.blood_sigma,
            tracer_half_life_h,
            therapy_half_life_h,
        )
        return _BloodPart(
            washout.tia_coefficient_h,
            washout.tia_coefficient_uncertainty_h,
            washout,
            "blood and whole body",
            tuple(f"blood: {text}" for text in washout.flags),
        )
    if volume_ml is None:
        raise InputError(
            counted(samples.blood_time_h.size, "blood sample"),
            why="the blood curve needs at least two",
            suggestion="add samples, or give height and sex to use 14 % of the whole-body time-integrated activity",
            file=samples.source or None,
        )
    return _BloodPart(
        BLOOD_SHARE * body.tia_coefficient_h / volume_ml,
        math.nan,
        None,
        "whole body, blood taken as 14 % of it",
        ("no blood samples: 14 % of the whole-body time-integrated activity taken to be in the blood",),
    )


def _weight(weight_kg: float) -> None:
    if not 20.0 <= weight_kg <= 300.0:
        raise InputError(
            f"weight {weight_kg:g} kg",
            why="the blood dose scales with it",
            suggestion="give the body weight in kg, such as 75 kg",
            field="weight",
        )


def _implausible(samples: Samples, tracer_half_life_h: float, volume_ml: float | None) -> list[str]:
    """Refuse impossible samples and list odd ones, judged by their decay-corrected fractions."""
    grow = math.log(2.0) / tracer_half_life_h
    body = samples.body_fraction * np.exp(grow * samples.body_time_h)
    blood = samples.blood_fraction_per_ml * np.exp(grow * samples.blood_time_h)
    where = samples.source or None
    if body.size and float(body.max()) > 1.05:
        worst = int(np.argmax(body))
        raise InputError(
            f"decay-corrected whole-body retention {100 * body[worst]:.3g} % at {samples.body_time_h[worst]:g} h",
            why="the body cannot contain more than was administered",
            suggestion="check decay_corrected in the file, the administered activity and the times",
            file=where,
            field="whole_body",
        )
    if blood.size and float(blood.max()) > 0.35e-3:
        worst = int(np.argmax(blood))
        raise InputError(
            f"blood concentration {1e5 * blood[worst]:.3g} % per litre at {samples.blood_time_h[worst]:g} h",
            why="everything administered, spread over 3 L of blood, would be 33 % per litre",
            suggestion="check the unit (percent per litre), decay_corrected and the administered activity",
            file=where,
            field="blood",
        )
    flags = []
    for i in range(1, body.size):
        if body[i] > 1.1 * body[i - 1]:
            flags.append(
                f"whole-body retention rises between {samples.body_time_h[i - 1]:g} h and {samples.body_time_h[i]:g} h"
            )
    if body.size and blood.size:
        held = np.interp(samples.blood_time_h, samples.body_time_h, body)
        for t, concentration, whole in zip(samples.blood_time_h, blood, held, strict=True):
            content = concentration * (volume_ml or 5000.0)
            if content > 1.1 * whole:
                flags.append(
                    f"at {t:g} h the blood would contain {100 * content:.3g} % but the whole body {100 * whole:.3g} %"
                )
    return flags
