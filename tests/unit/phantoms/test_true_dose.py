"""True lesion doses: transport parts against the closed form of a sphere and the inverse square law."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hevesy.phantoms import true_dose
from hevesy.phantoms.anatomy import Lesion, Uptakes
from hevesy.phantoms.patient import SyntheticPatient, synthetic_patient

COLD = Uptakes(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def patient() -> SyntheticPatient:
    """One node of 1 g at unit density in soft tissue, no background, and a second lesion 127 mm away."""
    node = Lesion("node", "node", (205.0, -35.0, 0.0), 1.0, 0.05, 80.0, 1.0)
    far = Lesion("far", "node", (315.0, 12.0, -42.0), 1.0, 0.5, 80.0, 1.0)
    return synthetic_patient(lesions=(node, far), uptakes=COLD)


def test_local_dose_is_that_of_the_reference_sphere(patient: SyntheticPatient, reference_dir) -> None:
    """131I sphere of 1 g: the independent reference dose, photons from the rest of the patient apart.

    Allowed: four standard errors, 0.3 % for the stepped surface, 0.5 % for photons scattered back from
    beyond the box, 0.2 % between the two sets of decay data, and 0.5 % for the transport itself.
    """
    spheres = json.loads((reference_dir / "spheres_i131.json").read_text())["spheres"]
    reference = next(row["S_gy_per_decay"] for row in spheres if row["mass_g"] == 1.0)
    none = np.zeros(2)
    found = true_dose.true_doses(patient, decays=20_000, background=none)[0]
    decays = patient.truth[0].tia_coefficient_h * patient.therapy_mbq * 1e6 * 3600.0
    assert found.local_gy / decays == pytest.approx(reference, abs=4 * found.sigma_gy / decays + 0.015 * reference)
    assert found.dose_gy == pytest.approx(found.local_gy + found.other_lesions_gy)


def test_other_lesions_shine_by_the_inverse_square(patient: SyntheticPatient) -> None:
    """Against the published voxel S value of 131I five 3 mm voxels away, all of it photons."""
    distance = math.dist(patient.truth[0].centre_mm, patient.truth[1].centre_mm) / 10.0
    near = true_dose._point_photons_gy("I-131", 1.5)
    assert near == pytest.approx(7.31e-14, rel=0.15)  # voxel (0, 0, 5) of 3 mm in water
    ratio = true_dose._point_photons_gy("I-131", distance) / near
    assert 0.5 * (1.5 / distance) ** 2 < ratio < (1.5 / distance) ** 2


def test_lesion_box_is_sharp_and_holds_the_whole_lesion(patient: SyntheticPatient) -> None:
    given = true_dose.lesion_box(patient, 1)
    volume = math.prod(given.voxel_size_mm) * 1e-3
    inside = given.regions == 1
    assert np.count_nonzero(inside) * volume == pytest.approx(1.0, abs=volume)
    np.testing.assert_allclose(given.density_g_cm3[inside], 1.0)
    decays = patient.truth[0].tia_coefficient_h * patient.therapy_mbq * 1e6 * 3600.0
    assert given.source[inside].sum(dtype=float) == pytest.approx(decays, rel=2e-3)
    assert given.source[~inside].max() < 0.01 * given.source[inside].min()


def test_background_photons_depend_on_the_background_alone() -> None:
    few = {"decays": 20_000, "seed": 3}
    lesion = Lesion("node", "node", (205.0, -35.0, 0.0), 1.0, 0.05, 80.0, 1.0)
    a = true_dose.background_photon_dose(synthetic_patient(lesions=(lesion,)), **few)
    hot = Lesion("node", "node", (205.0, -35.0, 0.0), 3.0, 0.9, 80.0, 1.0)
    b = true_dose.background_photon_dose(synthetic_patient(lesions=(hot,)), **few)
    np.testing.assert_array_equal(a, b)
    # Some tenths of a gray from the stomach, the glands and the muscle at 7.4 GBq.
    assert 0.03 < a[0] < 0.3
