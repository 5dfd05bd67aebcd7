"""The one definition of what is calculated: the case.

The command line, YAML, DICOM import and Python all only fill this model; everything derived is derived
from it in one place. It is frozen and validated as a whole. Inside, quantities are floats in the unit that
their name gives; in files and dictionaries they are text with a unit (``activity: 7.4 GBq``).
docs/formats/case.md describes every key; :func:`Case.json_schema` writes the JSON Schema.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from ..dose.methods import dose_methods
from ..errors import InputError
from ..kinetics.population import Population, is_iodine, population_of
from ..nuclides.diagnostic import is_diagnostic
from .clinic import Alignment, Eligibility, Radiobiology, Reporting
from .fields import (
    Block,
    DateTime,
    Height,
    InputPath,
    Mass,
    Method,
    Name,
    Nuclide,
    RelativeError,
    ScanTime,
    Threshold,
    TracerActivity,
)
from .file import Refused, explain, read_yaml
from .inputs import files_of, named_paths
from .kinetics import KINETIC_MODELS, Kinetics
from .recovery import Recovery
from .schema import schema_of
from .structures import LesionFiles
from .therapy import ScanTherapy, Therapy
from .transport import Transport

__all__ = [
    "KINETIC_MODELS", "Case", "Scan", "Therapy", "Tracer", "Transport", "Visit",
]  # fmt: skip


class Tracer(Block):
    """The tracer of the scans; missing values are taken from the PET header."""

    nuclide: Nuclide
    activity_mbq: TracerActivity | None = Field(None, alias="activity")
    administered: DateTime | None = None


class Scan(Block):
    """One PET/CT."""

    pet: InputPath
    ct: InputPath
    after_h: ScanTime | None = Field(None, alias="after")


class Visit(Block):
    """One administration of the tracer with its scans and lesions; its values take precedence over the case's.

    Parameters
    ----------
    name
        Name of the visit, unique in the case.
    scans
        Scans of this administration, one at least; each with its PET, its CT and its time.
    lesions, retention
        Files with the lesions (label map, RTSTRUCT or SEG) and the roles of their structures; file with blood and
        whole-body samples (CSV).
    administered, activity_mbq, weight_kg
        Time of administration, tracer activity [MBq] and body weight [kg]; None: that of the case. Keys of the last
        two: ``activity`` and ``weight``.
    drawn_on
        Image that the lesions were drawn on, ``"ct"`` or ``"pet"``; None: as their file says.
    """

    name: Name = "baseline"
    scans: tuple[Scan, ...] = Field(min_length=1)
    lesions: LesionFiles
    retention: InputPath | None = None
    administered: DateTime | None = None
    activity_mbq: TracerActivity | None = Field(None, alias="activity")
    weight_kg: Mass | None = Field(None, alias="weight")
    drawn_on: Literal["ct", "pet"] | None = None

    @property
    def lesion_files(self) -> tuple[Path, ...]:
        """The lesion files."""
        return tuple(structures.file for structures in self.lesions)


class Uncertainty(Block):
    """Standard uncertainties (k=1) that cannot be derived from the images."""

    calibration: RelativeError = 0.05
    per_scan: RelativeError = 0.08
    density: RelativeError = 0.03
    volume: RelativeError | None = None


class Tissue(Block):
    """How Hounsfield units become mass density: the built-in table, or this scanner's own (HU, g/cm3)."""

    calibration: InputPath | None = None


class Case(Block):
    """A patient, what was given and scanned, and what is to be calculated.

    Parameters
    ----------
    patient
        Pseudonym of the patient.
    threshold_gy
        Mean dose that at least one lesion must reach [Gy]. Key ``threshold``.
    therapy, further_therapies
        The planned therapy, and those with other nuclides that are predicted from the same scans. Without a
        therapy the dose is that of the scans' own administration (`judged` is False).
    tracer
        Nuclide, activity and time of administration.
    weight_kg, height_cm, sex
        Body weight [kg] and height [cm], and ``"male"`` or ``"female"``. Keys ``weight`` and ``height``.
    diffuse_lung_metastases
        Whether the lower limit of whole-body retention holds.
    same_patient
        Whether the files are of one patient although their headers name several.
    visits
        Administrations of the tracer, in order; one at least.
    kinetics, recovery, uncertainty, tissue, alignment, eligibility, radiobiology, reporting
        Settings of these steps; without a ``recovery`` there is no recovery correction.
    methods, transport
        Dose methods by name; dose grid, cut-offs, number of decays or stop criterion, seed and backend.
    """

    patient: Name
    threshold_gy: Threshold = Field(20.0, alias="threshold")
    therapy: Therapy
    #: Treatments with other nuclides that are predicted from the same scans.
    further_therapies: tuple[Therapy, ...] = ()
    tracer: Tracer
    weight_kg: Mass | None = Field(None, alias="weight")
    height_cm: Height | None = Field(None, alias="height")
    sex: Literal["male", "female"] | None = None
    diffuse_lung_metastases: bool = False
    same_patient: bool = False
    visits: tuple[Visit, ...] = Field(min_length=1)
    kinetics: Kinetics = Kinetics()
    recovery: Recovery | None = None
    uncertainty: Uncertainty = Uncertainty()
    tissue: Tissue = Tissue()
    alignment: Alignment = Alignment()
    eligibility: Eligibility = Eligibility()
    radiobiology: Radiobiology = Radiobiology()
    reporting: Reporting = Reporting()
    methods: tuple[Method, ...] = Field(("mc", "local"), min_length=1)
    transport: Transport = Transport()

    @model_validator(mode="before")
    @classmethod
    def _scan_without_a_therapy(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("therapy") is None:
            return {**data, "therapy": ScanTherapy.of("", None)}
        return data

    @model_validator(mode="after")
    def _by_the_nuclide(self) -> Case:
        """What the nuclides of the case decide where it does not: the block is frozen, and this completes it."""
        if isinstance(self.therapy, ScanTherapy):
            own = ScanTherapy.of(self.tracer.nuclide, self.tracer.activity_mbq)
            object.__setattr__(self, "therapy", own)
        object.__setattr__(self, "eligibility", self._eligibility_for(self.therapy))
        return self

    def _eligibility_for(self, therapy: Therapy) -> Eligibility:
        """The eligibility block for a treatment; none of 131I's activities where nothing is judged."""
        name = "" if isinstance(therapy, ScanTherapy) else therapy.nuclide
        stated = self.eligibility if therapy.nuclide == self.therapy.nuclide else Eligibility()
        return stated.for_nuclide(name)

    @property
    def therapy_stated(self) -> bool:
        """Whether the case states a therapy; else ``therapy`` is the administration of the tracer."""
        return not isinstance(self.therapy, ScanTherapy)

    @property
    def judged(self) -> bool:
        """Whether the doses are those of a treatment and judged against the threshold.

        They are not without a therapy, and with one whose nuclide is given for imaging only: the dose is that of
        the scans' own administration then.
        """
        return self.therapy_stated and not is_diagnostic(self.therapy.nuclide)

    @model_validator(mode="after")
    def _therapies_are_told_apart(self) -> Case:
        seen = {self.therapy.nuclide}
        for index, other in enumerate(self.further_therapies):
            if other.nuclide in seen:
                error = InputError(
                    f"{other.nuclide} is listed twice among the therapies",
                    why="results are stored by nuclide, and the dose is proportional to the activity",
                    suggestion="state other activities of one nuclide as eligibility: {activities: [11.1 GBq]}",
                )
                raise Refused(error, f"further_therapies[{index}].nuclide")
            seen.add(other.nuclide)
        return self

    def input_files(self) -> list[Path]:
        """Every file that the results are made from, sorted: images, lesions and their names, samples, curves.

        Of a folder all files below it, whichever series of it is meant. A path at which there is nothing is listed
        as it is.
        """
        return sorted({file for path in named_paths(self) for file in files_of(path)})

    @model_validator(mode="after")
    def _a_population_is_known(self) -> Case:
        stated = self.kinetics.population_half_life_h is not None
        for therapy in (self.therapy, *self.further_therapies):
            if self.kinetics.model != "single-time-point" or stated or is_iodine(therapy.nuclide):
                continue
            error = InputError(
                f"'single-time-point' with {therapy.nuclide} needs 'population_half_life'",
                why="only for iodine is there a default, that of metastases of thyroid cancer",
                suggestion="add the biological half-life of such lesions and its geometric standard deviation, as in "
                "kinetics: {model: single-time-point, population_half_life: 60 h, population_gsd: 1.6}",
            )
            raise Refused(error, "kinetics")
        return self

    @property
    def population(self) -> Population | None:
        """Spread of the biological half-life that a single scan is integrated or bounded with; None: not known."""
        k = self.kinetics
        return population_of(self.therapy.nuclide, k.population_half_life_h, k.population_gsd)

    def for_therapy(self, therapy: Therapy) -> Case:
        """The same scans for another treatment, as a case of its own.

        Activities stated under ``eligibility`` belong to the case's first therapy; another nuclide has its own.
        """
        changes = {"therapy": therapy, "further_therapies": (), "eligibility": self._eligibility_for(therapy)}
        return self.model_copy(update=changes)

    def with_administered(self, activity_mbq: float) -> Case:
        """The case for scans after this activity of the tracer [MBq]; only one without a therapy depends on it."""
        if self.therapy_stated:
            return self
        return self.model_copy(update={"therapy": ScanTherapy.of(self.tracer.nuclide, activity_mbq)})

    @model_validator(mode="after")
    def _methods_once(self) -> Case:
        try:
            dose_methods(self.methods)
        except InputError as error:
            raise Refused(error, "methods") from error
        return self

    @model_validator(mode="after")
    def _visits_are_told_apart(self) -> Case:
        seen: set[str] = set()
        for index, visit in enumerate(self.visits):
            key = visit.name.casefold()
            if key in seen:
                error = InputError(
                    f"the name '{visit.name}' is used twice",
                    why="results are stored by visit name",
                    suggestion="give each visit its own name",
                )
                raise Refused(error, f"visits[{index}].name")
            seen.add(key)
        return self

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, check_files: bool = True) -> Case:
        """Read and validate a case file.

        Parameters
        ----------
        path
            A YAML file; paths in it are relative to it.
        check_files
            Whether every file that it names must be there.

        Raises
        ------
        InputError
            The first thing wrong, with file, key and line.
        """
        file = Path(path)
        data, lines = read_yaml(file)
        base = file.resolve().parent
        return cls.from_dict(data, base=base, check_files=check_files, lines=lines, file=file)

    @classmethod
    def from_dict(
        cls,
        data: dict[str, Any],
        *,
        base: str | os.PathLike[str] | None = None,
        check_files: bool = True,
        lines: dict[tuple[Any, ...], int] | None = None,
        file: object | None = None,
    ) -> Case:
        """Validate a case given as plain dictionaries and lists; relative paths start at ``base``."""
        context = {"base": Path(base) if base is not None else Path.cwd(), "check_files": check_files}
        try:
            return cls.model_validate(data, context=context)
        except ValidationError as error:
            raise explain(error, lines or {}, file) from None

    def to_dict(self, relative_to: str | os.PathLike[str] | None = None, *, names_only: bool = False) -> dict[str, Any]:
        """The whole case, defaults included, as plain data that :meth:`from_dict` reads back the same.

        Parameters
        ----------
        relative_to
            Folder that paths are written relative to; they are absolute without one.
        names_only
            Only the last two parts of each path, for records that leave this machine.
        """
        context: dict[str, Any] = {"relative_to": None if relative_to is None else Path(relative_to).resolve()}
        context |= {"names_only": names_only}
        data = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude=self._without_a_meaning(), context=context
        )
        if self.transport.until is None:
            data["transport"]["until"] = None  # absent would mean the default
        return data

    def _without_a_meaning(self) -> set[str]:
        """Blocks that say nothing in this case: what stands in for a therapy, and a threshold that judges nothing."""
        left_out = set() if self.therapy_stated else {"therapy"}
        if not self.judged and not self.further_therapies:
            if self.threshold_gy == type(self).model_fields["threshold_gy"].default:
                left_out.add("threshold_gy")
            if not self.eligibility.activities_mbq:
                left_out.add("eligibility")
        return left_out

    def to_yaml(self, relative_to: str | os.PathLike[str] | None = None, *, names_only: bool = False) -> str:
        """The resolved case as YAML text; arguments as for :meth:`to_dict`."""
        import yaml

        data = self.to_dict(relative_to, names_only=names_only)
        return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))

    def with_transport(self, *, methods: tuple[str, ...] | None = None, **changes: Any) -> Case:
        """A copy with other methods or transport values (in inside units), as the command line gives."""
        transport = self.transport.model_copy(update=changes)
        return self.model_copy(update={"transport": transport, "methods": methods or self.methods})

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of a case file (draft 2020-12); defaults are text with units, as in the file."""
        schema = schema_of(cls)
        schema["required"].remove("therapy")  # the model fills it in, with the administration of the tracer
        # their default depends on the nuclide
        del schema["properties"]["eligibility"]["default"]
        del schema["$defs"]["Eligibility"]["properties"]["activities"]["default"]
        return schema
