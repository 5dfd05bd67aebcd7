"""Blood and whole-body samples of a synthetic patient, with their true time-integrated activity coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..engine.clinic.blood import maximum_activity
from ..engine.files import write_text
from ..engine.nuclides import decay as nuclides

if TYPE_CHECKING:
    from .patient import SyntheticPatient

SAMPLE_TIMES_H = (2.0, 6.0, 24.0, 48.0, 96.0)
BODY_NOISE, BLOOD_NOISE = 0.03, 0.04


@dataclass(frozen=True)
class WashoutTruth:
    """Bi-exponential clearance of the therapy nuclide, physical decay included.

    Parameters
    ----------
    body_fast_h, body_slow_h, body_slow_share
        Whole body: effective half-lives [h] and the share of the slow part.
    blood_per_ml
        Blood content at time zero, share of the administered activity per mL.
    blood_fast_h, blood_slow_h, blood_slow_share
        The same for blood.
    """

    body_fast_h: float
    body_slow_h: float
    body_slow_share: float
    blood_per_ml: float
    blood_fast_h: float
    blood_slow_h: float
    blood_slow_share: float

    def body(self, hours: float) -> float:
        """Share of the administered activity in the body, therapy nuclide, not decay-corrected."""
        slow = self.body_slow_share
        return (1.0 - slow) * 2.0 ** (-hours / self.body_fast_h) + slow * 2.0 ** (-hours / self.body_slow_h)

    def blood(self, hours: float) -> float:
        """Share of the administered activity per mL of blood."""
        slow = self.blood_slow_share
        fast = (1.0 - slow) * 2.0 ** (-hours / self.blood_fast_h)
        return self.blood_per_ml * (fast + slow * 2.0 ** (-hours / self.blood_slow_h))

    @property
    def body_tia_coefficient_h(self) -> float:
        """Whole-body time-integrated activity coefficient [h]."""
        slow = self.body_slow_share
        return ((1.0 - slow) * self.body_fast_h + slow * self.body_slow_h) / math.log(2.0)

    @property
    def blood_tia_coefficient_h_per_ml(self) -> float:
        """Residence time per mL of blood [h/mL]."""
        slow = self.blood_slow_share
        mean = (1.0 - slow) * self.blood_fast_h + slow * self.blood_slow_h
        return self.blood_per_ml * mean / math.log(2.0)

    def blood_dose_gy_per_gbq(self, weight_kg: float) -> float:
        """Blood dose by the EANM formula (Lassmann et al., Eur J Nucl Med Mol Imaging 2008;35:1405)."""
        return (
            108.0 * self.blood_tia_coefficient_h_per_ml
            + 0.0188 / weight_kg ** (2.0 / 3.0) * self.body_tia_coefficient_h
        )

    def summary(self, weight_kg: float) -> dict[str, object]:
        """The true figures as a row of ``truth_blood.csv``."""
        dose, r48 = self.blood_dose_gy_per_gbq(weight_kg), self.body(48.0)
        return {
            "tau_body_h": self.body_tia_coefficient_h,
            "tau_blood_h_per_ml": self.blood_tia_coefficient_h_per_ml,
            "retention_48h": r48,
            "blood_dose_gy_per_gbq": dose,
            "mta_gbq": maximum_activity(dose, r48).activity_gbq,
        }

    def again(self, rng: np.random.Generator) -> WashoutTruth:
        """The same patient at another visit: 8 % apart."""
        a, b = np.exp(0.08 * rng.standard_normal(2))
        return replace(self, body_fast_h=self.body_fast_h * float(a), blood_fast_h=self.blood_fast_h * float(b))


def draw_washout(rng: np.random.Generator, weight_kg: float) -> WashoutTruth:
    """Clearance under rhTSH: whole-body TIA coefficient 12 to 20 h, blood dose 0.05 to 0.11 Gy/GBq."""
    fast = rng.uniform(11.0, 15.0)
    at_24h = rng.uniform(0.4, 0.7) / (weight_kg * 1000.0)  # SUV, decay-corrected
    decay = nuclides.nuclide("I-131").decay_factor(24.0)
    start = WashoutTruth(
        body_fast_h=rng.uniform(8.0, 12.0),
        body_slow_h=rng.uniform(40.0, 60.0),
        body_slow_share=float(np.clip(0.07 * math.exp(0.4 * rng.standard_normal()), 0.02, 0.15)),
        blood_per_ml=1.0,
        blood_fast_h=fast,
        blood_slow_h=rng.uniform(60.0, 120.0),
        blood_slow_share=rng.uniform(0.01, 0.03),
    )
    return replace(start, blood_per_ml=at_24h * decay / start.blood(24.0))


def write_samples(path: Path, truth: WashoutTruth, patient: SyntheticPatient, seed: int) -> Path:
    """Write a samples file of the tracer: physical shares at sample time, with measurement noise.

    The therapy nuclide's clearance becomes the tracer's by the ratio of the decay factors. The first
    whole-body measurement, before the bladder is emptied, is 100 % by definition.
    """
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 77])))
    tracer, therapy = nuclides.nuclide(patient.tracer), nuclides.nuclide(patient.therapy)
    lines = [
        f"# nuclide: {patient.tracer}",
        "# decay_corrected: no",
        f"# administered_mbq: {patient.tracer_mbq:g}",
        "time_h,whole_body_percent,whole_body_sigma_percent,blood_percent_per_l,blood_sigma_percent_per_l",
        "0,100,1,,",
    ]
    for hours in SAMPLE_TIMES_H:
        ratio = tracer.decay_factor(hours) / therapy.decay_factor(hours)
        body, blood = 100.0 * truth.body(hours) * ratio, 1e5 * truth.blood(hours) * ratio
        a, b = rng.standard_normal(2)
        seen = [body * (1.0 + BODY_NOISE * a), body * BODY_NOISE]
        seen += [blood * (1.0 + BLOOD_NOISE * b), blood * BLOOD_NOISE]
        lines.append(",".join([f"{hours:g}", *(f"{v:.6g}" for v in seen)]))
    return write_text(path, "\n".join(lines) + "\n")
