"""The main emissions that stand in for decay data where there are none: the same work for a kernel."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.benchmarks.gpu_emission import LINES, main_emission
from hevesy.engine.nuclides import decay

#: agreement with the complete data [relative]; two evaluations of 177Lu differ by 5 % in their photons
CLOSE = {"photon": 0.06, "beta": 0.01, "electron": 0.12}


def energies(emission) -> dict[str, float]:
    """Energy per decay [MeV] by kind."""
    return {
        "photon": float(np.prod(emission.photon_lines, axis=1).sum()),
        "beta": float(np.trapezoid(emission.beta_per_mev * emission.beta_mev, emission.beta_mev)),
        "electron": float(np.prod(emission.electron_lines, axis=1).sum()),
    }


@pytest.mark.parametrize("nuclide", LINES)
def test_energies_are_those_of_the_complete_data(nuclide):
    main, whole = energies(main_emission(nuclide)), energies(decay.nuclide(nuclide).emission)
    for kind, expected in whole.items():
        assert main[kind] == pytest.approx(expected, rel=CLOSE[kind]), kind


@pytest.mark.parametrize("name", problems.PATIENTS)
def test_a_patient_needs_nothing_outside_the_checkout(monkeypatch, name):
    def not_installed(_):
        raise ImportError("no decay data")

    monkeypatch.setattr(decay, "nuclide", not_installed)
    monkeypatch.setattr(problems, "reference_folder", lambda: None)
    assert problems.emission_source(name) == "main lines"
    problem = problems.load(name)
    nuclide = problems.PATIENTS[name][0]
    assert np.array_equal(problem.emission.photon_lines, main_emission(nuclide).photon_lines)
    assert problem.source.sum() > 0
