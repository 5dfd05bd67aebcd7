"""How large the neglects of docs/methods are: ``python -m hevesy.tests.verification.neglects [NAME...]``.

Numbers come from the tables of the transport, from textbook estimates where it has no data (impact ionisation, Doppler
broadening), and from short runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from hevesy.engine.physics import collisions, elastic, photons, stopping
from hevesy.engine.physics.data import atomic_weight, tables
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.tables import electron as electron_tables
from hevesy.tests.verification.drivers import BONE, IODINE, LUNG, WATER, electron_line, momentum_transfer
from hevesy.tools.reference import reference_folder
from hevesy.tools.validation import kernels, radial
from hevesy.tools.validation.voxels import ENOUGH

MC2 = 0.51099895
AVOGADRO = 6.02214076e23


def soft_x_rays() -> None:
    """X rays of 5 keV and less that stay local: share of the absorbed energy, and their mean free path."""
    for medium, energies in ((WATER, (0.01, 0.03)), (BONE, (0.01, 0.03, 0.06)), (IODINE, (0.01, 0.03, 0.06))):
        for energy in energies:
            part = photons.photoelectric_by_element(medium, np.array([energy]))[:, 0]
            share = furthest = 0.0
            for Z, absorbed in zip(medium.Z, part / part.sum(), strict=True):
                data = photons.relaxation(Z)
                left = 1.0
                for i, shell in enumerate(("K", "L1", "L2", "L3")):
                    lines, rate = data.lines(shell)
                    soft = lines <= 0.005
                    if energy <= data.edge_mev[i] or not soft.any():
                        left *= 1 - data.shell_fraction[i] if energy > data.edge_mev[i] else 1.0
                        continue
                    emitted = absorbed * left * data.shell_fraction[i] * data.fluorescence_yield[i]
                    share += float(emitted * (lines * rate)[soft].sum()) / energy
                    left *= 1 - data.shell_fraction[i]
                    top = max(float(lines[soft].max()), 0.001)
                    reach = 10 / (float(photons.total(medium, top)) * medium.nominal_density_g_cm3)
                    furthest = max(furthest, reach if emitted > 1e-6 else 0.0)
            print(
                f"{1e3 * energy:g} keV in {medium.name}: {100 * share:.2g} % of the energy, "
                f"mean free path at most {1e3 * furthest:.3g} um"
            )


def doppler() -> None:
    """Spread of the energy of scattered photons by the motion of the electrons, and what it does to their range."""
    t = tables()
    rows = slice(int(t["shells/offset"][7]), int(t["shells/offset"][8]))
    number, binding = np.abs(t["shells/electrons"][rows]), t["shells/binding"][rows]
    # kinetic energy of a shell about its binding energy (virial); a third of p^2 along any direction
    momentum = np.sqrt((number * 2 * binding * 1e-6 / MC2 / 3).sum() / number.sum())
    cosine = np.linspace(-1, 1, 2001)
    for energy in (0.03, 0.14, 0.3645):
        ratio = 1 / (1 + energy / MC2 * (1 - cosine))
        law = ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)
        law *= photons.incoherent_function(WATER, momentum_transfer(energy, cosine))
        after = energy * ratio
        kick = np.sqrt(energy**2 + after**2 - 2 * energy * after * cosine)
        spread = momentum * kick * ratio
        mean = np.trapezoid(law * spread, cosine) / np.trapezoid(law, cosine)
        transfer = np.trapezoid(law * (energy - after), cosine) / np.trapezoid(law, cosine)
        h = 0.05 * energy
        mu = [float(photons.total(WATER, e)) for e in (energy - h, energy, energy + h)]
        bend = 0.5 * (mu[0] - 2 * mu[1] + mu[2]) / h**2 / mu[1] * mean**2
        bound = (number * binding).sum() / number.sum() * 1e-3
        print(
            f"{1e3 * energy:g} keV in water (oxygen's shells): spread {1e3 * mean:.2f} keV of scattered photons, whose "
            f"mean stays; energy transfer {1e3 * transfer:.2f} keV; attenuation of what follows {100 * bend:+.3f} %; "
            f"mean binding energy {bound:.2f} keV"
        )


def coherent() -> None:
    """What coherent scattering does to the direction of photons, of all that scattering does."""
    cosine = 1 - np.geomspace(1e-8, 2, 20001)
    for energy in (0.03, 0.06, 0.14, 0.3645):
        ratio = 1 / (1 + energy / MC2 * (1 - cosine))
        s = photons.incoherent_function(WATER, momentum_transfer(energy, cosine))
        laws = {
            "coherent": photons.form_factor_squared(WATER, momentum_transfer(energy, cosine)) * (1 + cosine**2),
            "incoherent": ratio**2 * (ratio + 1 / ratio - 1 + cosine**2) * s,
        }
        turned = {}
        for name, law in laws.items():
            mean = np.trapezoid(law * (1 - cosine), cosine) / np.trapezoid(law, cosine)
            turned[name] = float(mean * getattr(photons, name)(WATER, energy))
        share = float(photons.coherent(WATER, energy) / photons.total(WATER, energy))
        print(
            f"{1e3 * energy:g} keV in water: coherent {100 * share:.1f} % of collisions, "
            f"{100 * turned['coherent'] / sum(turned.values()):.2f} % of the transport cross section of scattering"
        )


def impact_ionisation() -> None:
    """K X rays that electrons make by ionising inner shells (Lotz 1967), share of their energy."""
    for medium in (WATER, BONE, replace(IODINE, name="1 mg/g iodine in water", mass_fraction=(0.1118, 0.8872, 0.001))):
        for energy in (0.19, 0.6):
            T = np.geomspace(0.001, energy, 2000)
            total = 0.0
            for Z, w in zip(medium.Z, medium.mass_fraction, strict=True):
                data = photons.relaxation(Z)
                lines, rate = data.lines("K")
                if lines.size == 0:
                    continue
                edge = data.edge_mev[0]
                sigma = np.where(edge < T, 2 * 4.5e-14 * np.log(np.maximum(T / edge, 1)) / (T * edge * 1e12), 0.0)
                number = np.trapezoid(sigma * AVOGADRO * w / atomic_weight(Z) / stopping.total(medium, T), T)
                total += number * data.fluorescence_yield[0] * float((lines * rate).sum())
            print(f"{energy} MeV electron in {medium.name}: {100 * total / energy:.2g} % of its energy")


def density_effect() -> None:
    """Collision stopping power at another density than the nominal one, where the density effect is taken."""
    for medium, densities in ((WATER, (0.9, 1.1)), (LUNG, (0.15, 0.5)), (BONE, (1.4, 2.0))):
        for rho in densities:
            other = replace(medium, nominal_density_g_cm3=rho)
            change = [
                100 * float(stopping.collision(other, T) / stopping.collision(medium, T) - 1) for T in (0.2, 0.6, 2.0)
            ]
            print(
                f"{medium.name}, {rho} instead of {medium.nominal_density_g_cm3} g/cm3: "
                + ", ".join(f"{c:+.2f} % at {T} MeV" for c, T in zip(change, (0.2, 0.6, 2.0), strict=True))
            )


def steps() -> None:
    """Length of a step and the energy lost in it."""
    for medium in (WATER, BONE):
        energy = np.geomspace(0.005, 3.0, 800)
        rows = electron_tables._Slowing(medium, "electron", energy, 0.001, 0.01, True)
        for T in (0.02, 0.05, 0.1, 0.3, 1.0, 2.0):
            strength = float(electron_tables.step_strength(T, electron_tables.STEP_STRENGTH))
            left = np.interp(np.log(T), np.log(energy), rows.strength)
            end = float(np.exp(np.interp(max(left - strength, 0.0), rows.strength, np.log(energy))))
            path = float(np.interp(T, energy, rows.range) - np.interp(end, energy, rows.range))
            share = path / float(np.interp(T, energy, rows.range))
            print(
                f"{T} MeV in {medium.name}: K = {strength:.3f}, {1e4 * path / medium.nominal_density_g_cm3:.3g} um, "
                f"{100 * share:.1f} % of the soft range, {100 * (1 - end / T):.1f} % of the energy"
            )


def thresholds() -> None:
    """Mean radius of the energy around a point source with other treatments of soft collisions, against the reference.

    The mean-loss clock drifts by the soft straggling's (Omega/2) d ln L/dE, so that the drawn factor keeps the mean
    energy loss of a step instead of its mean residual range.
    """
    for T in (0.02, 0.1, 0.5):
        moments = [_transport_moment(T, threshold) for threshold in (0.01, 0.001)]
        print(f"{T} MeV: transport moment with the threshold at 1 keV {100 * (moments[1] / moments[0] - 1):+.2f} %")
    folder = reference_folder()
    reference = kernels.load(folder) if folder else {}
    for name, energy, half_edge in (("electron_100_keV", 0.1, 0.0165), ("electron_200_keV", 0.2, 0.051)):
        radii, base = np.linspace(0, 0.98 * half_edge, 51)[1:], None
        target = None
        if name in reference:
            problem, radii = kernels.problem_of(reference[name], 101)
            half_edge = 0.05 * 101 * problem.voxel_size_mm[0]
            every = np.array(reference[name]["shell_outer_radius_cm"])
            shells = np.array(reference[name]["energy_in_shell_mev_per_particle"]) / energy
            seen = radial.seen_through_voxels(shells, every, problem.voxel_size_mm[0] * 0.1, 3)
            target = radial.mean_radius(seen[np.isin(every, radii)], radii)
        for label, threshold, mean_loss in (
            ("10 keV", 0.01, False),
            ("3 keV", 0.003, False),
            ("1 keV", 0.001, False),
            ("10 keV, mean-loss clock", 0.01, True),
            ("1 keV, mean-loss clock", 0.001, True),
        ):
            mean, sigma = _mean_radius(energy, half_edge, radii, threshold, mean_loss)
            base = base or (mean, sigma)
            text = f"{100 * (mean / base[0] - 1):+.2f} ({100 * np.hypot(sigma, base[1]) / mean:.2f}) %"
            if target:
                text += f"; against the reference {100 * (mean / target - 1):+.2f} ({100 * sigma / mean:.2f}) %"
            print(f"{energy} MeV, threshold {label}: mean radius {mean:.6f} cm, {text}")


def _transport_moment(energy: float, threshold: float) -> float:
    """Soft and hard deflection of an electron in water, integral (1 - cos) d sigma [cm2/g]."""
    soft = elastic.moments(WATER, np.array([energy]), threshold, "electron")[0][1, 0]
    nodes, weights = np.polynomial.legendre.leggauss(100)
    half = 0.5 * np.log(energy / 2 / threshold)
    W = threshold * np.exp(half * (1 + nodes))
    rest = energy - W
    cosine = np.sqrt(rest * (energy + 2 * MC2) / (energy * (rest + 2 * MC2)))
    per_gram = collisions.COLLISION_CONSTANT * collisions.electrons_per_gram(WATER)
    return float(soft + per_gram * half * ((collisions.moller(energy, W) * (1 - cosine) * W) @ weights))


def _mean_radius(energy, half_edge, radii, threshold, mean_loss) -> tuple[float, float]:
    problem = radial.point_problem(
        electron_line(energy), half_edge, 101, {"electron_cutoff_mev": 0.001, "delta_ray_threshold_mev": threshold}
    )
    voxel = problem.voxel_size_mm[0] * 0.1
    problem = replace(problem, regions=radial.shell_labels(101, voxel, radii))
    with _mean_loss_clock() if mean_loss else nullcontext():
        tally = simulate(problem, decays=200_000, seed=6, backend="cpu", batches=50)
    scale = 2.0**26 * tally.decays * energy
    share = radial.cumulative_share(tally.energy_quanta / scale, voxel, radii, 3)
    means = [radial.mean_radius(row, radii) for row in np.cumsum(tally.region_quanta.astype(float), axis=1)]
    return radial.mean_radius(share, radii), float(np.std(means, ddof=1) / np.sqrt(len(means)))


@contextmanager
def _mean_loss_clock() -> Iterator[None]:
    """Tables whose soft slowing down is L + (Omega/2) d ln L/dE."""
    slowing = electron_tables._Slowing
    plain = slowing.__init__

    def changed(self, *given: Any) -> None:
        plain(self, *given)
        omega = collisions.soft_straggling(self.material, self.energy, self.delta_ray_threshold, self.particle)
        self.soft = self.soft + 0.5 * omega * np.gradient(np.log(self.soft), self.energy)
        self.range = self._integral(1.0 / self.soft) + self.energy[0] / (1.7 * self.soft[0])
        self.majorant = float(self._hard_per_mev().max())
        self.strength = self._integral(self.G1 / self.soft)

    slowing.__init__ = changed
    try:
        yield
    finally:
        slowing.__init__ = plain


def few_deposits() -> None:
    """Far voxels of a short 124I run: means over 40 runs of 1e5 decays against their common mean, two tests."""
    from hevesy.engine.transport.two_sample import root_z
    from hevesy.phantoms import problems
    from hevesy.tools.validation.voxels import OffsetRegions

    problem = problems.voxel_s("I-124", 3.0, 61)
    regions = OffsetRegions(problem)
    tally = simulate(problem, decays=4_000_000, batch_histories=2000, seed=77, backend="cpu", regions=regions)
    quanta = tally.region_quanta[:, len(regions.own_names) :].astype(float)
    truth = quanta.mean(axis=0)
    runs = quanta.reshape(40, 50, -1)
    mean, sigma = runs.mean(axis=1), runs.std(axis=1, ddof=1) / np.sqrt(50)
    known = (mean > ENOUGH * sigma).all(axis=0)
    plain = ((mean - truth) / sigma)[:, known]
    root = np.array(
        [
            [root_z(m, s, t, 0.0) for m, s, t in zip(*row, truth[known], strict=True)]
            for row in zip(mean[:, known], sigma[:, known], strict=True)
        ]
    )
    for name, z in (("plain", plain), ("square roots", root)):
        low, high = np.quantile(z, [0.005, 0.995])
        print(
            f"{name}: {known.sum()} offsets x 40 runs, mean square {np.mean(z**2):.3f} (1.043 expected), "
            f"0.5 and 99.5 % quantiles {low:+.2f} {high:+.2f} (Student: 2.68)"
        )


ALL = (soft_x_rays, doppler, coherent, impact_ionisation, density_effect, steps, thresholds, few_deposits)

if __name__ == "__main__":
    wanted = sys.argv[1:] or [f.__name__ for f in ALL]
    for function in ALL:
        if function.__name__ in wanted:
            print(f"== {function.__name__}: {(function.__doc__ or '').splitlines()[0]}")
            function()
