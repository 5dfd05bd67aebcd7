"""The energy balance of a simulation: exact integers, read as MeV per decay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .. import statistics


@dataclass(frozen=True)
class Balance(Mapping[str, float]):
    """Energy emitted, deposited in the grid and escaped from it: exact integers, read as MeV per decay.

    A mapping too: ``balance["emitted"]`` and ``balance.emitted`` are the same number.

    Parameters
    ----------
    emitted_quanta, deposited_quanta, escaped_quanta
        Energies in units of :data:`hevesy.engine.statistics.QUANTUM_MEV`, exact: emitted = deposited + escaped.
    histories
        Number of decays simulated.
    """

    emitted_quanta: int
    deposited_quanta: int
    escaped_quanta: int
    histories: int

    def _per_decay(self, quanta: int) -> float:
        return quanta / self.histories * statistics.QUANTUM_MEV if self.histories else 0.0

    @property
    def emitted(self) -> float:
        """Energy emitted [MeV per decay]."""
        return self._per_decay(self.emitted_quanta)

    @property
    def deposited(self) -> float:
        """Energy deposited in the grid [MeV per decay]."""
        return self._per_decay(self.deposited_quanta)

    @property
    def escaped(self) -> float:
        """Energy that left the grid [MeV per decay]."""
        return self._per_decay(self.escaped_quanta)

    @property
    def residual_quanta(self) -> int:
        """Emitted - deposited - escaped: zero, or energy was lost."""
        return self.emitted_quanta - self.deposited_quanta - self.escaped_quanta

    def __getitem__(self, key: str) -> float:
        if key not in ("emitted", "deposited", "escaped"):
            raise KeyError(key)
        return float(getattr(self, key))

    def __iter__(self) -> Iterator[str]:
        return iter(("emitted", "deposited", "escaped"))

    def __len__(self) -> int:
        return 3
