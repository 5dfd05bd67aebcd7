"""A site's own defaults: what `hevesy import` writes into new cases instead of its own proposals.

They act there alone. A run reads its case file and nothing else, so that a case gives the same numbers everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from pydantic import Field, ValidationError, model_validator

from ..errors import InputError
from ..files import check_output_file, read_text, write_text
from .clinic import Alignment, Eligibility, Radiobiology, Reporting
from .fields import Block, Method, Nuclide, Text, TherapyActivity, Threshold
from .file import Refused, explain, read_yaml
from .kinetics import Kinetics
from .model import Tissue, Transport, Uncertainty
from .recovery import Recovery

#: Environment variable with the path of the file, for another place than the platform's.
ENVIRONMENT = "HEVESY_CONFIG"
#: Keys of a case that belong to one patient, which a file for all patients must not hold.
OF_A_PATIENT = ("patient", "tracer", "visits", "weight", "height", "sex", "diffuse_lung_metastases")
#: Blocks that are merged key by key into those of a new case.
_BLOCKS = ("kinetics", "uncertainty", "tissue", "alignment", "eligibility", "radiobiology", "reporting", "transport")


class SiteTherapy(Block):
    """The activity that this site plans with, for one therapy nuclide."""

    nuclide: Nuclide = "I-131"
    activity_mbq: TherapyActivity = Field(alias="activity")


class SiteDefaults(Block):
    """Blocks of the case file for all new cases.

    Parameters
    ----------
    recovery
        Resolution or phantom curve by tracer, for any scanner.
    scanners
        The same by model name, as PET headers give it, and tracer; goes before ``recovery``.
    therapy
        Planned activity of a therapy nuclide.
    threshold_gy, methods
        As in the case.
    kinetics, uncertainty, tissue, alignment, eligibility, radiobiology, reporting, transport
        As in the case; keys that are not given keep the case's defaults.
    """

    recovery: dict[Nuclide, Recovery] = {}
    scanners: dict[Text, dict[Nuclide, Recovery]] = {}
    therapy: SiteTherapy | None = None
    threshold_gy: Threshold | None = Field(None, alias="threshold")
    kinetics: Kinetics | None = None
    uncertainty: Uncertainty | None = None
    tissue: Tissue | None = None
    alignment: Alignment | None = None
    eligibility: Eligibility | None = None
    radiobiology: Radiobiology | None = None
    reporting: Reporting | None = None
    methods: tuple[Method, ...] | None = Field(None, min_length=1)
    transport: Transport | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_patient(cls, data: Any) -> Any:
        for key in OF_A_PATIENT if isinstance(data, dict) else ():
            if key in data:
                error = InputError(
                    f"'{key}' belongs to one patient",
                    why="defaults are written into the cases of all patients",
                    suggestion="state it in the case file",
                )
                raise Refused(error, key)
        return data


@dataclass(frozen=True)
class Site:
    """The file of defaults: where it lies, its keys as they are written, and what they mean.

    Parameters
    ----------
    path
        Where the file is, or would be.
    data
        Its content as plain data; empty without a file.
    defaults
        The same, checked.
    """

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    defaults: SiteDefaults = field(default_factory=SiteDefaults)

    @classmethod
    def load(cls, path: Path | None = None) -> Site:
        """Read the file, by default that of this user; without one all is empty.

        Raises
        ------
        InputError
            The first thing wrong in it, with key and line.
        """
        path = path or site_path()
        if not path.exists():
            return cls(path)
        text = read_text(path, "give a YAML file, saved as UTF-8")
        if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
            return cls(path)
        data, lines = read_yaml(path)
        return cls(path, data, _checked(data, path, lines))

    def with_value(self, key: str, value: Any) -> Site:
        """The same with one key set, or removed where the value is None.

        Parameters
        ----------
        key
            Keys with dots between them: ``uncertainty.calibration``, ``recovery.I-124.fwhm``. The model name of
            ``scanners.<model>.<tracer>`` may hold dots itself.
        value
            Text, or a block as plain data.

        Raises
        ------
        InputError
            A key that is not known or not set, or a value that the case would refuse.
        """
        parts = _parts(key)
        data = _copied(self.data)
        if value is None:
            _remove(data, parts, key, self.path)
        else:
            block = data
            for part in parts[:-1]:
                inner = block.setdefault(part, {})
                if not isinstance(inner, dict):
                    inner = block[part] = {}
                block = inner
            block[parts[-1]] = value
        return Site(self.path, data, _checked(data, self.path, {}))

    def save(self) -> None:
        """Write the file; comments in it are lost."""
        import yaml

        self.path.parent.mkdir(parents=True, exist_ok=True)
        path = check_output_file(self.path, any_=True)
        text = yaml.safe_dump(self.data, sort_keys=False, allow_unicode=True, width=100) if self.data else ""
        head = "# Defaults that `hevesy import` writes into new cases (docs/formats/site.md); no patient's data.\n"
        write_text(path, head + text)

    def applied(self, case: dict[str, Any], scanner: str | None, base: Path) -> tuple[dict[str, Any], list[str]]:
        """A new case with these defaults in place of what `import` proposed.

        Parameters
        ----------
        case
            The case as plain data.
        scanner
            Model name of the scanner, where known.
        base
            Folder of the case file, which paths are written relative to.

        Returns
        -------
        (case, keys)
            The case, and the keys that were taken from here.
        """
        case, keys = _copied(case), []
        known = self.defaults.model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude_none=True, context={"relative_to": base.resolve()}
        )
        for name in (name for name in _BLOCKS if name in known):
            case[name] = {**case.get(name, {}), **known[name]}
            keys += [f"{name}.{key}" for key in known[name]]
        for name in (name for name in ("threshold", "methods") if name in known):
            case[name] = known[name]
            keys.append(name)
        therapy, mine = case.get("therapy"), self.defaults.therapy
        if mine is not None and therapy is not None and therapy.get("nuclide") == mine.nuclide:
            therapy["activity"] = known["therapy"]["activity"]
            keys.append("therapy.activity")
        key, recovery = _recovery(known, scanner, case["tracer"]["nuclide"])
        if recovery is not None:
            case["recovery"] = recovery
            keys.append(key)
        return case, keys


def site_path() -> Path:
    """``$HEVESY_CONFIG``, else ``defaults.yaml`` in the platform's folder for a user's settings of hevesy."""
    given = os.environ.get(ENVIRONMENT)
    if not given:
        return user_config_path("hevesy", appauthor=False) / "defaults.yaml"
    try:
        return Path(given).expanduser()
    except RuntimeError:
        why, advice = "it names a user that is not known here", f"set {ENVIRONMENT} to the path of a YAML file"
        raise InputError("is not a path", why=why, suggestion=advice, file=given, field=ENVIRONMENT) from None


def _checked(data: dict[str, Any], path: Path, lines: dict[tuple[Any, ...], int]) -> SiteDefaults:
    try:
        return SiteDefaults.model_validate(data, context={"base": path.resolve().parent, "check_files": True})
    except ValidationError as error:
        raise explain(error, lines, path) from None


def _parts(key: str) -> list[str]:
    """The parts of a dotted key; a scanner's model name is one of them, whatever it holds."""
    parts = key.split(".")
    if parts[0] == "scanners" and len(parts) > 3:
        keys = [field.alias or name for name, field in Recovery.model_fields.items()]
        tail = 2 if parts[-1] in keys else 1
        parts = ["scanners", ".".join(parts[1:-tail]), *parts[-tail:]]
    return parts


def _copied(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in data.items()}


def _remove(data: dict[str, Any], parts: list[str], key: str, path: Path) -> None:
    """Take a key out, and the blocks that it leaves empty."""
    blocks = [data]
    for part in parts[:-1]:
        inner = blocks[-1].get(part)
        blocks.append(inner if isinstance(inner, dict) else {})
    if parts[-1] not in blocks[-1]:
        raise InputError(
            f"'{key}' is not set",
            why="there is nothing to remove",
            suggestion="`hevesy config` shows what is set",
            file=path,
        )
    del blocks[-1][parts[-1]]
    for block, part in zip(blocks[-2::-1], parts[-2::-1], strict=True):
        if not block[part]:
            del block[part]


def _recovery(known: dict[str, Any], scanner: str | None, tracer: str) -> tuple[str, dict[str, Any] | None]:
    """The recovery of a scanner for a tracer, and the key it stands under."""
    wanted = _same(scanner or "")
    for model, tracers in known.get("scanners", {}).items():
        if wanted and _same(model) == wanted and tracer in tracers:
            return f"scanners.{model}.{tracer}", tracers[tracer]
    return f"recovery.{tracer}", known.get("recovery", {}).get(tracer)


def _same(model: str) -> str:
    return "".join(sign for sign in model if sign.isalnum()).casefold()
