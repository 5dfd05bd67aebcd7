"""The JSON sidecar of a PET volume by its schema: the keys of BIDS PET, and those of dcm2niix; every other is ignored.

A key that is null, empty or ``"n/a"`` counts as absent. One of another type than its own is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...bids import sidecars
from ...errors import InputError
from ...files import read_json
from ...files import sidecar as sidecar_of

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


class Origin:
    """The file in which each key of a sidecar stands.

    Attributes
    ----------
    own
        The sidecar with the image's own name; whether it is there or not.
    files
        By key.
    """

    def __init__(self, own: Path) -> None:
        self.own = own
        self.files: dict[str, Path] = {}

    @contextmanager
    def named(self) -> Iterator[None]:
        """Refusals of a key of the own sidecar name the file in which it stands instead."""
        try:
            yield
        except InputError as error:
            path = self.files.get(error.field or "") if error.file == str(self.own) else None
            if path is None or path == self.own:
                raise
            raise InputError(
                error.problem, why=error.why, suggestion=error.suggestion, file=path, field=error.field
            ) from None

    def note(self) -> list[str]:
        """A remark on the keys that the image inherits in its BIDS data set; nothing where there are none."""
        known = {one.alias for one in Sidecar.model_fields.values()}
        inherited = sorted(key for key, path in self.files.items() if path.name != self.own.name and key in known)
        if not inherited:
            return []
        names = ", ".join(dict.fromkeys(self.files[key].name for key in inherited))
        return [f"{', '.join(inherited)}: inherited in the BIDS data set, from {names}"]


def read_sidecar(image: Path) -> tuple[Sidecar, Origin]:
    """What the sidecars of an image say, and where each key stands; nothing where there is no file.

    Raises
    ------
    InputError
        No JSON object, or a key with a value of another type than its own; naming file and key.
    """
    merged: dict[str, Any] = {}
    origin = Origin(sidecar_of(image))
    for path in sidecars(image):
        facts = read_json(path, ADVICE)
        if not isinstance(facts, dict):
            raise InputError("does not contain a JSON object", why="a sidecar has keys", suggestion=ADVICE, file=path)
        merged |= facts
        origin.files.update(dict.fromkeys(facts, path))
    try:
        return Sidecar.model_validate(merged), origin
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    key = str(first["loc"][0])
    why = first["msg"].removeprefix("Value error, ")
    raise InputError(
        f"{key} is {shown(merged.get(key))}",
        why=f"{why} here",
        suggestion=f"correct {key} in it",
        file=origin.files[key],
        field=key,
    )


def shown(value: object) -> str:
    """A value of a sidecar for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
