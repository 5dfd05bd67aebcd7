"""Cut-offs and switches of a transport run, and the checks on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..case.ranges import CUTOFF
from ..errors import InputError
from ..text import did_you_mean, shortened

#: production threshold of delta rays [MeV], unless the electron cut-off is higher
DEFAULT_DELTA_RAY_THRESHOLD_MEV = 0.010
#: former names of options, which problem files may still use
FORMER_NAMES = {"collision_cutoff_mev": "delta_ray_threshold_mev"}

#: how photons leave their dose
PHOTON_SCORING = ("analog", "track-length")


@dataclass(frozen=True)
class PhysicsOptions:
    """What is transported, down to which energy.

    Parameters
    ----------
    electron_cutoff_mev, photon_cutoff_mev
        Kinetic energy below which an electron, energy below which a photon, is deposited where it is [MeV].
        The photon cut-off is also the production threshold of bremsstrahlung.
    delta_ray_threshold_mev
        Production threshold of delta rays (hard collisions) [MeV]; 0 stands for 10 keV, or the electron cut-off when
        that is higher. Smaller losses slow the electron down continuously, with straggling sampled once per step.
    photons
        False: bremsstrahlung, annihilation and X-ray energy is deposited where it is born.
    bremsstrahlung
        False: radiative losses are deposited along the track.
    range_rejection
        Deposit an electron at once when it cannot leave its voxel.
    photon_scoring
        ``"analog"``: electrons that photons release are transported. ``"track-length"``: photon flights score
        mu_en E along their way instead, which gives photon dose with far less noise where electron ranges are
        below the voxel.
    step_strength
        Scattering strength K of one electron step (mean cosine exp(-K)).

    Raises
    ------
    InputError
        A cut-off, threshold or strength out of its range, or an unknown scoring.
    """

    electron_cutoff_mev: float = 0.010
    photon_cutoff_mev: float = 0.001
    delta_ray_threshold_mev: float = 0.0
    photons: bool = True
    bremsstrahlung: bool = True
    range_rejection: bool = True
    step_strength: float = 0.20
    photon_scoring: str = "analog"

    def __post_init__(self) -> None:
        if self.photon_scoring not in PHOTON_SCORING:
            raise InputError(
                f"unknown photon scoring {shortened(repr(self.photon_scoring), 60)}",
                why="photons are scored in one of two ways",
                suggestion=" or ".join(f'"{name}"' for name in PHOTON_SCORING),
                field="physics.photon_scoring",
            )
        for name, low, high in (
            ("electron_cutoff_mev", CUTOFF.least, CUTOFF.most),
            ("photon_cutoff_mev", CUTOFF.least, CUTOFF.most),
            ("delta_ray_threshold_mev", 0.0, 1.0),
            ("step_strength", 0.01, 0.6),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(
                    f"{value:g} is outside {low:g} to {high:g}",
                    why=CUTOFF.reason,
                    suggestion=f"choose a value between {low:g} and {high:g} (MeV where it is an energy)",
                    field=f"physics.{name}",
                )
        if not self.delta_ray_threshold_mev:
            usual = max(self.electron_cutoff_mev, DEFAULT_DELTA_RAY_THRESHOLD_MEV)
            object.__setattr__(self, "delta_ray_threshold_mev", usual)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], file: object | None = None) -> PhysicsOptions:
        """Options from a problem file's ``physics`` object; on/off words and unknown keys are checked."""
        values: dict[str, Any] = {}
        known = list(cls.__dataclass_fields__)
        for key, value in given.items():
            name = FORMER_NAMES.get(key, key)
            if name not in known:
                raise InputError(
                    f"unknown key {key!r}",
                    why=f"physics options are {', '.join(known)}",
                    suggestion=did_you_mean(key, [*known, *FORMER_NAMES], "remove it"),
                    file=file,
                    field="physics",
                )
            if name in values:
                raise InputError(
                    f"{key!r} and its present name {name!r} are both given",
                    why="they are one option",
                    suggestion=f"keep {name!r}",
                    file=file,
                    field="physics",
                )
            values[name] = _option_value(name, value, file)
        return cls(**values)

    @staticmethod
    def recorded(values: Mapping[str, Any]) -> dict[str, Any]:
        """Options as a result file records them, in today's names and with the threshold that was in force.

        Files of format 1.0 name the delta-ray threshold otherwise, and leave its default as null.
        """
        today = {FORMER_NAMES.get(name, name): value for name, value in values.items()}
        if "delta_ray_threshold_mev" in today and today["delta_ray_threshold_mev"] is None:
            cutoff = float(today.get("electron_cutoff_mev", PhysicsOptions.electron_cutoff_mev))
            today["delta_ray_threshold_mev"] = max(cutoff, DEFAULT_DELTA_RAY_THRESHOLD_MEV)
        return today

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for provenance."""
        return asdict(self)


#: No option is as large; a whole number may have more digits than a float holds.
_MOST = 1e300


def _option_value(name: str, value: Any, file: object | None) -> Any:
    """A value of a problem file's ``physics`` as the option holds it.

    Raises
    ------
    InputError
        A word where a number belongs, a switch that is neither on nor off, or null.
    """
    default = PhysicsOptions.__dataclass_fields__[name].default
    if isinstance(default, str) or isinstance(default, bool) and isinstance(value, bool):
        return value
    if isinstance(default, bool):
        if value in ("on", "off"):
            return value == "on"
        problem, why = f"{shortened(repr(value), 60)} is neither 'on' nor 'off'", "it switches a part of the physics"
        suggestion = 'write "on" or "off"'
    elif isinstance(value, int | float) and not isinstance(value, bool) and -_MOST < value < _MOST:
        return float(value)
    else:
        problem, why = f"{shortened(repr(value), 60)} is not a number", "this option is one finite number"
        suggestion = f"write for example {default or 0.010:g}"
    raise InputError(problem, why=why, suggestion=suggestion, file=file, field=f"physics.{name}")
