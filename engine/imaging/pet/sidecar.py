"""The JSON sidecar of a PET volume by its schema: the keys of BIDS PET, and those of dcm2niix; every other is ignored.

A key that is null, empty or ``"n/a"`` counts as absent. One of another type than its own is refused by name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...errors import InputError
from ...files import read_json

ADVICE = "repair or remove this sidecar of the PET"
#: What converters write where they know nothing.
_ABSENT: tuple[object, ...] = (None, "", "n/a", "N/A", [])


def _absent(value: object) -> bool:
    return any(value is one or value == one for one in _ABSENT)


def _number(value: object) -> float | None:
    if _absent(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is needed")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ValueError("a finite number is needed")
    return found


def _numbers(value: object) -> list[float]:
    if _absent(value):
        return []
    found = [_number(one) for one in (value if isinstance(value, list) else [value])]
    if any(one is None for one in found):
        raise ValueError("numbers are needed")
    return [one for one in found if one is not None]


def _truth(value: object) -> bool | None:
    if _absent(value):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError("true or false is needed")


def _words(value: object) -> str:
    if _absent(value):
        return ""
    if not isinstance(value, str):
        raise ValueError("text is needed")
    return " ".join(value.split())


def _loose(value: object) -> list[str]:
    """Words of a key that is written as text, list or truth value; anything else says nothing."""
    if isinstance(value, bool):
        return [] if value else ["NONE"]
    listed = value if isinstance(value, list) else [value]
    return [word for one in listed if isinstance(one, str) and not _absent(one) for word in one.split(chr(92)) if word]


Number = Annotated[float | None, BeforeValidator(_number)]
Numbers = Annotated[list[float], BeforeValidator(_numbers)]
Truth = Annotated[bool | None, BeforeValidator(_truth)]
Words = Annotated[str, BeforeValidator(_words)]
Loose = Annotated[list[str], BeforeValidator(_loose)]


class Sidecar(BaseModel):
    """What a sidecar states; times in s from `time_zero`, weights in kg, half-lives in s."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    units: Words = Field("", alias="Units")
    tracer: Words = Field("", alias="TracerRadionuclide")
    substance: Words = Field("", alias="Radiopharmaceutical")
    tracer_name: Words = Field("", alias="TracerName")
    half_life_s: Number = Field(None, alias="RadionuclideHalfLife")
    injected: Number = Field(None, alias="InjectedRadioactivity")
    injected_units: Words = Field("", alias="InjectedRadioactivityUnits")
    total_dose: Number = Field(None, alias="RadionuclideTotalDose")
    weight_kg: Number = Field(None, alias="PatientWeight")
    body_weight_kg: Number = Field(None, alias="BodyWeight")
    time_zero: Words = Field("", alias="TimeZero")
    scan_start_s: Number = Field(None, alias="ScanStart")
    injection_start_s: Number = Field(None, alias="InjectionStart")
    frame_starts_s: Numbers = Field([], alias="FrameTimesStart")
    frame_durations_s: Numbers = Field([], alias="FrameDuration")
    decay_corrected: Truth = Field(None, alias="ImageDecayCorrected")
    corrected_to_s: Number = Field(None, alias="ImageDecayCorrectionTime")
    decay_correction: Words = Field("", alias="DecayCorrection")
    decay_factor: Numbers = Field([], alias="DecayFactor")
    corrected: Loose = Field([], alias="CorrectedImage")
    attenuation: Loose = Field([], alias="AttenuationCorrection")
    attenuation_method: Loose = Field([], alias="AttenuationCorrectionMethod")
    scatter_method: Loose = Field([], alias="ScatterCorrectionMethod")
    acquired: Words = Field("", alias="AcquisitionDateTime")
    model: Words = Field("", alias="ManufacturersModelName")
    reconstruction: Words = Field("", alias="ReconstructionMethod")
    kernel: Words = Field("", alias="ConvolutionKernel")


def read_sidecar(path: Path) -> Sidecar:
    """What a sidecar says; one that says nothing where there is no file.

    Raises
    ------
    InputError
        No JSON object, or a key with a value of another type than its own; naming file and key.
    """
    if not path.is_file():
        return Sidecar()
    facts = read_json(path, ADVICE)
    if not isinstance(facts, dict):
        raise InputError("does not contain a JSON object", why="a sidecar has keys", suggestion=ADVICE, file=path)
    try:
        return Sidecar.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    key = str(first["loc"][0])
    why = first["msg"].removeprefix("Value error, ")
    raise InputError(
        f"{key} is {shown(facts.get(key))}", why=f"{why} here", suggestion=f"correct {key} in it", file=path, field=key
    )


def shown(value: object) -> str:
    """A value of a sidecar for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
