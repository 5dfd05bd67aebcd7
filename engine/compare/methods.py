"""The dose maps of a comparison: those of the run, those calculated from its transport problem, and foreign ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..case.transport import Transport
from ..constants import JOULE_PER_MEV, QUANTUM_MEV
from ..dose.compute import compute_dose
from ..dose.local import NO_DOSE_BELOW_G_CM3
from ..dose.map import DoseMap
from ..dose.methods import METHODS
from ..errors import StoppedEarly
from ..progress import Progress
from ..transport.run_options import RunOptions
from .regions import BODY, WEIGHT_ONE, Region
from .runs import StoredVisit

#: Where a dose comes from.
RUN, COMPARED, FILE = "run", "compared", "file"
#: A calculation of more seconds may have prepared what is stored for the next one: it is timed again.
WORTH_REPEATING_S = 1.0


@dataclass(frozen=True)
class VisitDose:
    """The dose of one method in one visit.

    Parameters
    ----------
    name, label
        What commands and reports call the method.
    origin
        :data:`RUN`, :data:`COMPARED` or :data:`FILE`.
    dose
        The map [Gy].
    seconds
        Time it took [s]; None where it is not known.
    batches
        Energy that each batch of its simulation left in each region, in an arbitrary unit (batch, region); NaN in
        the columns of regions that it did not score. None for a method without noise, and where nothing is known.
        A method that simulates a part has the batches of that part (:meth:`simulated_gy_g`).
    notes
        One sentence each.
    copy_of
        Method of the run whose very map a foreign one is, in some region at least; empty otherwise.
    copied
        In which regions it is.
    """

    name: str
    label: str
    origin: str
    dose: DoseMap
    seconds: float | None = None
    batches: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    copy_of: str = ""
    copied: tuple[bool, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether it has no statistical noise, as far as is known."""
        return self.dose.sigma is None or not np.any(self.dose.sigma)

    def simulated_gy_g(self, region: int) -> float:
        """Energy of its batches in a region, by the number of that, as dose times mass [Gy g].

        Parameters
        ----------
        region
            Column of :attr:`batches`.
        """
        assert self.batches is not None and self.dose.tally is not None
        per_decay = float(self.batches[:, region].mean()) / WEIGHT_ONE / self.dose.tally.batch_histories
        return per_decay * QUANTUM_MEV * JOULE_PER_MEV * 1e3 * self.dose.decays

    @property
    def decays(self) -> int:
        """Decays behind its noise; 0 without any."""
        return 0 if self.exact or self.dose.tally is None else self.dose.tally.decays


def visit_doses(
    visit: StoredVisit, regions: Sequence[Region], names: Sequence[str], progress: Progress
) -> dict[str, VisitDose]:
    """The doses of a visit by each method, those of the run where it has them.

    Parameters
    ----------
    visit
        The visit.
    regions
        Its regions, which a simulation scores.
    names
        Registered methods, in the order of the result.
    progress
        Called with the fraction done and a line of text.

    Returns
    -------
    dict
        By the name of the method.

    Raises
    ------
    InputError
        What a method refuses.
    StoppedEarly
        A simulation was stopped.
    """
    doses: dict[str, VisitDose] = {}
    for number, name in enumerate(names):

        def tell(fraction: float, text: str, number: int = number, label: str = METHODS[name].label) -> None:
            progress((number + fraction) / len(names), f"{label}: {text}" if text else label)

        tell(0.0, "")
        given = visit.result.doses.get(name)
        doses[name] = (
            _calculated(visit, regions, name, tell) if given is None else _stored(visit, regions, name, given, tell)
        )
    return doses


def _stored(visit: StoredVisit, regions: Sequence[Region], name: str, dose: DoseMap, progress: Progress) -> VisitDose:
    """A dose of the run.

    Calculated again are: a method without simulation, for its time, which a run does not record; and a simulation
    whose batches are not in the file, since that holds those of one alone.
    """
    method, simulated = METHODS[name], dose.sigma is not None
    if simulated and dose.tally is not None:
        return VisitDose(name, method.label, RUN, dose, dose.tally.wall_time_s, _batches(dose, regions), dose.notes)
    again = _calculated(visit, regions, name, progress)
    same = np.allclose(again.dose.mean, dose.mean, rtol=1e-6, atol=1e-9 * float(np.max(dose.mean, initial=0.0)))
    if simulated:
        note = f"{visit.name}: simulated again, because the run holds the batches of another simulation."
        return replace(again, origin=RUN if same else COMPARED, notes=(*again.notes, note))
    notes = again.notes
    if not same:
        notes += (
            f"{visit.name}: this version of hevesy calculates another dose by this method than the run; that of the "
            "run is compared.",
        )
    return VisitDose(name, method.label, RUN, dose, again.seconds, None, notes)


def _calculated(visit: StoredVisit, regions: Sequence[Region], name: str, progress: Progress) -> VisitDose:
    """A dose from the transport problem of the run."""
    method, case = METHODS[name], visit.case
    chosen = Transport() if case is None else case.transport
    scored = [region for region in regions if method.simulates or region.role != BODY]
    options = RunOptions(
        decays=chosen.decays,
        seed=chosen.seed,
        backend=chosen.backend,
        until=chosen.until,
        time_limit_s=chosen.time_limit_s,
        short_batches=True,
        regions=[region.weight for region in scored],
        region_names=tuple(region.name for region in scored),
        progress=progress,
    )

    def calculate() -> tuple[DoseMap, float]:
        start = time.perf_counter()
        dose = compute_dose(name, visit.problem, visit.decays, air_density_g_cm3=NO_DOSE_BELOW_G_CM3, options=options)
        return dose, time.perf_counter() - start

    dose, seconds = calculate()
    notes = dose.notes
    if method.simulates and case is None:
        notes += ("The case in the result cannot be read: simulated with the defaults of a case.",)
    if dose.tally is not None:
        if dose.tally.stopped_by == "interrupt":
            raise StoppedEarly("stopped; nothing was compared")
        seconds = dose.tally.wall_time_s
    elif seconds > WORTH_REPEATING_S:
        first = seconds
        dose, seconds = calculate()
        if first > 2.0 * seconds:
            notes += (f"{visit.name}: {first:.0f} s with what it prepares once and stores, {seconds:.1f} s without.",)
    return VisitDose(name, method.label, COMPARED, dose, seconds, _batches(dose, regions), notes)


def _batches(dose: DoseMap, regions: Sequence[Region]) -> np.ndarray | None:
    """Energy that each batch left in each region (batch, region); NaN where the simulation did not score it."""
    if dose.sigma is None or dose.tally is None:
        return None
    quanta = dose.tally.region_quanta.astype(np.float64)
    if quanta.shape[1] == len(regions):  # simulated here, for these regions
        return quanta
    columns = {name: column for column, name in enumerate(dose.tally.region_names)}
    out = np.full((len(quanta), len(regions)), np.nan)
    for number, region in enumerate(regions):
        if region.role != BODY and region.name in columns:
            out[:, number] = quanta[:, columns[region.name]]
    return out
