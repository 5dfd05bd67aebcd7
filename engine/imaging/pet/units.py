"""What the rescaled values of a PET series are: Bq/mL, SUV of a stated kind, or counts with a scanner's own factor.

An SUV is a concentration times a size of the patient, over the administered activity; which size follows from
SUVType (0054,1006). With weight W [kg] and height H [cm], for men and for women:

- BW, body weight: W. Also where GML comes without a type.
- LBMJAMES128 (James): 1.10 W - 128 (W/H)^2, 1.07 W - 148 (W/H)^2.
- LBM (the same as it was used before, with the coefficient of Morgan): 1.10 W - 120 (W/H)^2, 1.07 W - 148 (W/H)^2.
- LBMJANMA (Janmahasatian), with BMI = W / (H/100)^2: 9270 W / (6680 + 216 BMI), 9270 W / (8780 + 244 BMI).
- IBW, ideal weight (Sugawara): 48.0 + 1.06 (H - 152), 45.5 + 0.91 (H - 152).
- BSA, body surface area (DuBois): 0.007184 W^0.425 H^0.725 m2; its unit is cm2/mL (CM2ML).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...errors import InputError
from ...notes import CONTRADICTION, Note
from ..dicom.elements import text
from ..dicom.find import Header
from .private import private_number
from .timing import uid_of

#: Kinds of SUV, in words.
SUV_KINDS = {
    "BW": "body weight",
    "LBM": "lean body mass",
    "LBMJAMES128": "lean body mass (James)",
    "LBMJANMA": "lean body mass (Janmahasatian)",
    "IBW": "ideal body weight",
    "BSA": "body surface area",
}
#: Kinds that depend on the height, and on the sex.
BY_HEIGHT = frozenset(SUV_KINDS) - {"BW"}
BY_SEX = BY_HEIGHT - {"BSA"}

_PHILIPS, _PHILIPS_SUV, _PHILIPS_BQML = "Philips PET Private Group", 0x00, 0x09
#: Two factors of one series, for Bq/mL and for SUV, belong together within this share: headers round the weight.
_FACTORS_AGREE = 0.05
#: Other spellings of the units, as exporters write them.
_SPELLINGS = {"BQ/ML": "BQML", "BQ/CC": "BQML", "BECQUEREL/ML": "BQML", "G/ML": "GML", "CM2/ML": "CM2ML"}


@dataclass(frozen=True)
class Scale:
    """What the rescaled values are.

    Parameters
    ----------
    suv
        Kind of SUV, one of `SUV_KINDS`; empty for Bq/mL.
    factor
        Factor of each slice's rescaled values, by SOP instance UID; empty where there is none.
    whole
        Factor of all values of a file.
    notes
        What was converted.
    """

    suv: str = ""
    factor: dict[str, float] = field(default_factory=dict)
    whole: float = 1.0
    notes: tuple[str, ...] = ()


def scale_of(headers: Sequence[Header], source: str) -> Scale:
    """What the values of a series are, by Units (0054,1001), SUVType (0054,1006) and the private factors of Philips.

    Raises
    ------
    InputError
        Units that cannot become Bq/mL; counts without a factor; units and kind of SUV that contradict each other.
    """
    first = headers[0].dataset
    stated = text(first, "Units").upper()
    units = _SPELLINGS.get(stated, stated)
    if units == "BQML":
        return Scale()
    if units == "CNTS":
        return _counts(headers, source)
    kind = text(first, "SUVType").upper() or {"CM2ML": "BSA"}.get(units, "BW")
    if units not in ("GML", "CM2ML"):
        raise InputError(
            f"the PET's units are {stated or 'not given'}",
            why="only Bq/mL (BQML) and SUV (GML, CM2ML) can be turned into activity",
            suggestion="export the series in Bq/mL",
            file=source,
            field="Units (0054,1001)",
        )
    if kind not in SUV_KINDS or (kind == "BSA") != (units == "CM2ML"):
        raise InputError(
            f"the PET's SUV is of type {kind} in units {units}",
            why="SUV by weight or mass has the unit g/mL (GML), SUV by surface area cm2/mL (CM2ML); known types are "
            + ", ".join(SUV_KINDS),
            suggestion="export the series in Bq/mL",
            file=source,
            field="SUVType (0054,1006)",
        )
    return Scale(kind)


def _counts(headers: Sequence[Header], source: str) -> Scale:
    """Counts with Philips' factors: to Bq/mL, else to SUV by body weight."""
    for element, suv, words in (
        (_PHILIPS_BQML, "", "PET values are counts; multiplied by the scanner's factor to Bq/mL (7053,xx09)"),
        (_PHILIPS_SUV, "BW", "PET values are counts; multiplied by the scanner's factor to SUV (7053,xx00)"),
    ):
        factors = {
            uid_of(header): value
            for header in headers
            if (value := private_number(header.dataset, 0x7053, _PHILIPS, element)) is not None
        }
        if len(factors) == len(headers):
            low, high = min(factors.values()), max(factors.values())
            shown = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            return Scale(suv, factors, notes=(f"{words}, {shown}",))
    raise InputError(
        "the PET's units are CNTS, and not every slice has a factor to activity",
        why="counts are no activity; Philips scanners state the factor in (7053,xx09) or (7053,xx00) of "
        f"'{_PHILIPS}', which de-identification removes",
        suggestion="export the series in Bq/mL",
        file=source,
        field="Units (0054,1001)",
    )


def factors_agree(headers: Sequence[Header], suv_per_bq_ml: float) -> list[str]:
    """A remark where Philips' two factors of a series contradict each other.

    Parameters
    ----------
    headers
        Of a series in counts.
    suv_per_bq_ml
        SUV by body weight of 1 Bq/mL at the scan, from activity, weight and time.
    """
    first = headers[0].dataset
    bq_ml = private_number(first, 0x7053, _PHILIPS, _PHILIPS_BQML)
    suv = private_number(first, 0x7053, _PHILIPS, _PHILIPS_SUV)
    if not bq_ml or not suv or abs(bq_ml * suv_per_bq_ml / suv - 1.0) <= _FACTORS_AGREE:
        return []
    words = (
        f"the scanner's factors to Bq/mL ({bq_ml:g}) and to SUV ({suv:g}) do not belong to the stated activity, weight "
        f"and time (off by a factor {bq_ml * suv_per_bq_ml / suv:.3g}); the one to Bq/mL is used"
    )
    return [Note(words, CONTRADICTION)]


def size_of(kind: str, weight_kg: float, height_cm: float | None, sex: str | None) -> float:
    """What an SUV was multiplied with: a mass [g], or for BSA an area [cm2].

    Parameters
    ----------
    kind
        One of `SUV_KINDS`.
    weight_kg, height_cm, sex
        Of the patient; ``"male"`` or ``"female"``, needed by the kinds in `BY_HEIGHT` and `BY_SEX`.
    """
    if kind == "BW":
        return 1e3 * weight_kg
    assert height_cm is not None
    if kind == "BSA":
        return 1e4 * 0.007184 * weight_kg**0.425 * height_cm**0.725
    male = sex == "male"
    square = (weight_kg / height_cm) ** 2
    if kind in ("LBM", "LBMJAMES128"):
        coefficient = 120.0 if kind == "LBM" else 128.0
        return 1e3 * (1.10 * weight_kg - coefficient * square if male else 1.07 * weight_kg - 148.0 * square)
    if kind == "LBMJANMA":
        bmi = 1e4 * square / weight_kg
        return 1e3 * 9270.0 * weight_kg / (6680.0 + 216.0 * bmi if male else 8780.0 + 244.0 * bmi)
    return 1e3 * (48.0 + 1.06 * (height_cm - 152.0) if male else 45.5 + 0.91 * (height_cm - 152.0))
