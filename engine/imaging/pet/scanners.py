"""Typical resolution of a reconstructed PET for a tracer, where nobody measured it with a phantom.

Three blurs are added in quadrature: the scanner's own (NEMA NU 2 with 18F, filtered back-projection), less what
iterative reconstruction, above all one that models it (PSF), takes back; the Gaussian filter after the reconstruction;
and the range of the tracer's positrons. Each has an uncertainty, and so has the sum: it is a guess to be replaced by a
measurement. docs/methods/recovery.md says what is doubtful.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from ...nuclides.decay import nuclide


@dataclass(frozen=True)
class Scanner:
    """A family of scanners.

    Parameters
    ----------
    name
        Name of the family.
    pattern
        Regular expression for its names in headers, whatever the case of the letters.
    fwhm_mm, sigma_mm
        Mean of the radial, tangential and axial FWHM at 1 cm and 10 cm from the axis (NEMA NU 2, 18F), and its standard
        uncertainty [mm].
    source
        Where it was published.
    """

    name: str
    pattern: str
    fwhm_mm: float
    sigma_mm: float
    source: str


_HSU = "Hsu et al., J Nucl Med 58 (2017) 1511, table of NEMA results"
_MOLINER = "Moliner et al., Sci Rep 9 (2019) 15484, table 6"

#: Families, the more special pattern first. The values of those in ``_HSU`` and
#: ``_MOLINER`` were computed from these tables, the others are from memory of the papers and have more uncertainty.
SCANNERS = (
    Scanner("Siemens Biograph Vision", r"vision", 4.0, 0.4, "van Sluis et al., J Nucl Med 60 (2019) 1031"),
    Scanner("Siemens Biograph mCT", r"mct", 4.8, 0.3, _HSU),
    Scanner("Siemens Biograph mMR", r"mmr", 4.9, 0.4, _HSU),
    Scanner("Siemens Biograph TruePoint", r"truepoint|truev|biograph *(6|16|40|64)\b", 4.9, 0.5,
            "Jakoby et al., IEEE Trans Nucl Sci 56 (2009) 633"),
    Scanner("GE Discovery MI", r"discovery *mi|omni", 4.8, 0.4, _HSU),
    Scanner("GE Discovery IQ", r"discovery *iq", 4.9, 0.4, _MOLINER),
    Scanner("GE Discovery 690/710", r"discovery *(690|710)", 5.0, 0.3, _HSU),
    Scanner("GE Discovery 600", r"discovery *(600|610)", 5.3, 0.5, "De Ponti et al., Med Phys 38 (2011) 968"),
    Scanner("GE Signa PET/MR", r"signa", 5.1, 0.4, _HSU),
    Scanner("Philips Vereos", r"vereos", 4.2, 0.4, _HSU),
    Scanner("Philips Gemini TF", r"gemini", 4.9, 0.3, _MOLINER),
    Scanner("Philips Ingenuity TF", r"ingenuity", 5.0, 0.3, _HSU),
    Scanner("Canon Celesteion", r"celest", 4.6, 0.4, _MOLINER),
    Scanner("United Imaging uEXPLORER", r"explorer", 3.2, 0.4, "Spencer et al., J Nucl Med 62 (2021) 861"),
)  # fmt: skip
#: Any other: the families above lie between 3.2 and 5.3 mm, scanners from before about 2006 between 5 and 6.5 mm.
UNKNOWN = Scanner("unknown scanner", "", 5.2, 0.8, "range of those in use")

#: What iterative reconstruction leaves of the scanner's own blur without and with a model of it, and the standard
#: uncertainty. With a 4 mm filter a Biograph mCT had 5.4 and 4.9 mm in phantoms (TOF; TOF and PSF: estimates of a group
#: that images 124I on it, bio-protocol r8756285, the tracer taken as 18F), which leaves 0.76 and 0.59 of it; the
#: contrast recovery of 124I spheres of 8.5 and 19.4 mm in EJNMMI Phys 9 (2022), s40658-022-00482-y, table 2, leaves
#: all of it without and 0.7 with the model.
OSEM_SHARE, PSF_SHARE, SHARE_SIGMA = 0.90, 0.65, 0.15
#: Gaussian filter where the header states none: clinical ones have 2 to 6 mm, and some images have none [mm].
FILTER_MM, FILTER_SIGMA_MM = 4.0, 2.0
#: Relative standard uncertainty of the width that stands for the range of the positrons.
RANGE_RELATIVE = 0.3
#: Standard uncertainty left when all the widths are known: the blur is not one Gaussian everywhere [mm].
SHAPE_SIGMA_MM = 0.5

#: Mean positron energy [MeV] of 18F, 11C, 13N, 15O, 68Ga and 82Rb, and the width that their range adds in quadrature
#: [mm] (Moses, Nucl Instrum Methods A 648 (2011) S236, 2.35 times the root mean square of the projected range; from
#: memory, which RANGE_RELATIVE allows for).
_RANGE = ((0.0, 0.0), (0.250, 0.54), (0.386, 0.92), (0.492, 1.49), (0.735, 2.48), (0.829, 2.83), (1.475, 6.14))

#: Names of reconstructions that model the point spread.
_PSF = re.compile(r"psf|truex|sharpir|vpfxs|vphds|vpfx-s|vphd-s|qcfx|qchd|q\.?clear|hd.?pet", re.IGNORECASE)
_GAUSS = re.compile(r"gau[a-z]*[^0-9]{0,3}(\d+(?:\.\d+)?)", re.IGNORECASE)
_NO_FILTER = re.compile(r"all.?pass|\bnone\b|no.?filter", re.IGNORECASE)


@dataclass(frozen=True)
class Resolution:
    """Typical resolution of an image.

    Parameters
    ----------
    fwhm_mm, sigma_mm
        Full width at half maximum and its standard uncertainty [mm].
    origin
        What it was put together from, in words.
    """

    fwhm_mm: float
    sigma_mm: float
    origin: str


def typical_resolution(
    tracer: str, model: str | None = None, reconstruction: str | None = None, kernel: str | None = None
) -> Resolution:
    """Typical resolution of a reconstructed PET for a tracer.

    Parameters
    ----------
    tracer
        Nuclide, e.g. ``"I-124"``.
    model
        Manufacturer's model name, as the header gives it.
    reconstruction
        Reconstruction method, as the header gives it.
    kernel
        Convolution kernel, as the header gives it.

    Returns
    -------
    Resolution
        FWHM with the positron range in soft tissue, without the averaging over voxels.
    """
    scanner = next((s for s in SCANNERS if model and re.search(s.pattern, model, re.IGNORECASE)), UNKNOWN)
    share, share_sigma, psf = _psf(reconstruction)
    filter_mm, filter_sigma, filtered = _filter(kernel)
    range_mm = positron_range_mm(tracer)
    own = share * scanner.fwhm_mm
    own_sigma = math.hypot(share * scanner.sigma_mm, share_sigma * scanner.fwhm_mm)
    parts = ((own, own_sigma), (filter_mm, filter_sigma), (range_mm, RANGE_RELATIVE * range_mm))
    fwhm = math.sqrt(sum(width**2 for width, _ in parts))
    sigma = math.sqrt(sum((width * error / fwhm) ** 2 for width, error in parts) + SHAPE_SIGMA_MM**2)
    name = f"{scanner.name} ({model})" if model and scanner is UNKNOWN else scanner.name
    known = f"{name}, {scanner.fwhm_mm:g} mm ({scanner.source})"
    origin = f"{known}; {psf}; {filtered}; range of the positrons of {tracer} {range_mm:.1f} mm"
    return Resolution(round(fwhm, 1), round(sigma, 1), origin)


def positron_range_mm(tracer: str) -> float:
    """Width that the range of a tracer's positrons in soft tissue adds in quadrature [mm]; 0 without positrons."""
    emission = nuclide(tracer).emission
    if len(emission.positron_mev) < 2:
        return 0.0
    energy, number = emission.positron_mev, emission.positron_per_mev
    mean = float(np.trapezoid(energy * number, energy) / np.trapezoid(number, energy))
    return float(np.interp(mean, *np.array(_RANGE).T))


def _psf(reconstruction: str | None) -> tuple[float, float, str]:
    """Share of the scanner's blur that is left, its standard uncertainty, and words."""
    if not reconstruction:
        middle, half = 0.5 * (OSEM_SHARE + PSF_SHARE), 0.5 * (OSEM_SHARE - PSF_SHARE)
        return middle, math.hypot(SHARE_SIGMA, half), "reconstruction not stated"
    if _PSF.search(reconstruction):
        return PSF_SHARE, SHARE_SIGMA, f"resolution modelled by the reconstruction ({reconstruction})"
    return OSEM_SHARE, SHARE_SIGMA, f"resolution not modelled by the reconstruction ({reconstruction})"


def _filter(kernel: str | None) -> tuple[float, float, str]:
    """Width of the filter, its standard uncertainty [mm], and words."""
    if kernel and (stated := _GAUSS.search(kernel)) and float(stated[1]) <= 15.0:
        return float(stated[1]), 0.0, f"filter {float(stated[1]):g} mm"
    if kernel and _NO_FILTER.search(kernel):
        return 0.0, 0.0, "no filter"
    return FILTER_MM, FILTER_SIGMA_MM, f"filter not stated, {FILTER_MM:g} ± {FILTER_SIGMA_MM:g} mm taken"
