"""A comparison in the order of its page: methods with their signs, regions with their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..lesions.record import TARGET
from ..text import dose_unit, or_nan, plain, printable
from .figures import COLOURS, DASHES, INK
from .units import DoseUnit

#: What the rule says of a method in a lesion, as the record spells it.
USE, DO_NOT_USE, UNDETERMINED = "use", "do not use", "undetermined"
#: Markers of the figures, and the same as a character for a table.
MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("P", "✚"), ("X", "✖"))


@dataclass(frozen=True)
class Method:
    """A method as the page shows it.

    Parameters
    ----------
    name, label
        What commands and readers call it.
    facts
        The record of the method.
    colour, dash, marker, sign
        How figures draw it, and the marker as a character.
    """

    name: str
    label: str
    facts: Mapping[str, Any]
    colour: str
    dash: str
    marker: str
    sign: str

    @property
    def title(self) -> str:
        """The label as the beginning of a sentence; the name of a foreign file as it is."""
        return self.label if self.facts.get("origin") == "file" else self.label[:1].upper() + self.label[1:]


@dataclass(frozen=True)
class Region:
    """A region of a visit.

    Parameters
    ----------
    number
        Its place in the visit, from 1: lesions first, each group by dose, as in the report of the visit.
    visit, name, role, volume_ml, mass_g
        As in the record.
    doses
        Record of each method that has this region, by name.
    threshold_gy
        What the mean is held against [Gy]: the threshold of a lesion, the limit of an organ; NaN without one.
    """

    number: int
    visit: str
    name: str
    role: str
    volume_ml: float
    mass_g: float
    doses: Mapping[str, Mapping[str, Any]]
    threshold_gy: float = math.nan

    @property
    def is_lesion(self) -> bool:
        """Whether it is a lesion, for which the rule speaks."""
        return self.role == TARGET


@dataclass(frozen=True)
class Shown:
    """A comparison as its page shows it.

    Parameters
    ----------
    record
        Content of compare.json, plain.
    methods
        The reference first.
    regions
        Visit by visit in the order of their numbers.
    """

    record: Mapping[str, Any]
    methods: tuple[Method, ...]
    regions: tuple[Region, ...]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Shown:
        """From the content of compare.json."""
        record = plain(record)
        reference = record["reference"]
        names = [reference, *(name for name in record["methods"] if name != reference)]
        methods = tuple(_method(place, name, record[name]) for place, name in enumerate(names))
        return cls(record, methods, tuple(_regions(record, names)))

    @property
    def reference(self) -> Method:
        """The method that the others are compared with."""
        return self.methods[0]

    @property
    def others(self) -> tuple[Method, ...]:
        """The methods that are compared with it."""
        return self.methods[1:]

    @property
    def visits(self) -> tuple[str, ...]:
        """The visits that have regions, in order."""
        return tuple(dict.fromkeys(region.visit for region in self.regions))

    @property
    def lesions(self) -> tuple[Region, ...]:
        """The lesions of every visit."""
        return tuple(region for region in self.regions if region.is_lesion)

    @property
    def judged(self) -> bool:
        """Whether lesions are held against a threshold."""
        return any(dose.get("above") is not None for region in self.lesions for dose in region.doses.values())

    @property
    def threshold_gy(self) -> float:
        """The threshold [Gy]; NaN where nothing is held against one."""
        return or_nan(self.record.get("threshold_gy")) if self.judged else math.nan

    @property
    def unit(self) -> DoseUnit:
        """The unit of all doses, by the highest mean."""
        means = (or_nan(dose.get("mean_gy")) for region in self.regions for dose in region.doses.values())
        return DoseUnit(*dose_unit(max((gy for gy in means if math.isfinite(gy)), default=math.nan)))

    def name_of(self, region: Region) -> str:
        """Number and name of a region, with its visit where there are several."""
        text = f"{region.number} {region.name}"
        return f"{text} ({region.visit})" if len(self.visits) > 1 else text


def _method(place: int, name: str, facts: Mapping[str, Any]) -> Method:
    colour = INK if place == 0 else COLOURS[:6][(place - 1) % 6]
    marker, sign = MARKERS[place % len(MARKERS)]
    label = printable(str(facts.get("label") or name))
    return Method(name, label, facts, colour, DASHES[place % len(DASHES)], marker, sign)


def _regions(record: Mapping[str, Any], methods: Sequence[str]) -> Iterable[Region]:
    """Every region with its doses, from the lists of the methods, which no name of a method can shadow."""
    doses: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for name in methods:
        for row in record[name]["lesions"]:
            doses.setdefault((row["visit"], row["lesion"]), {})[name] = row
    for visit in dict.fromkeys([*record["visits"], *(row["visit"] for row in record["lesions"])]):
        rows = [row for row in record["lesions"] if row["visit"] == visit]
        ordered = sorted(rows, key=lambda row: _order(row, doses.get((visit, row["lesion"]), {}), methods))
        for number, row in enumerate(ordered, 1):
            own = doses.get((visit, row["lesion"]), {})
            name, volume, mass = row["lesion"], or_nan(row["volume_ml"]), or_nan(row["mass_g"])
            yield Region(number, visit, name, row["role"], volume, mass, own, or_nan(row.get("threshold_gy")))


def _order(
    row: Mapping[str, Any], doses: Mapping[str, Mapping[str, Any]], methods: Sequence[str]
) -> tuple[bool, bool, float]:
    """Lesions before others, the body last, each by the dose of the first method that has one."""
    mean = next((or_nan(doses[name].get("mean_gy")) for name in methods if name in doses), math.nan)
    return row["role"] != TARGET, row["role"] == "body", -mean if math.isfinite(mean) else math.inf
