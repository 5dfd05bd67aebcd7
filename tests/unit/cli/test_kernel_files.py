"""``hevesy kernels --from``: every format into every other, tables that cannot be, and files in each other's way."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.dose.voxel_s import (
    KernelRequest,
    VoxelKernel,
    extent,
    make_kernel,
    medium_named,
    read_kernel,
    write_kernel,
)
from hevesy.engine.dose.voxel_s import cache as cache_module
from hevesy.engine.dose.voxel_s.facts import facts_of
from hevesy.engine.dose.voxel_s.plausible import least_in_source_mev, least_inside_mev, most_in_source_mev
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.nuclides.progeny import decay_emission
from hevesy.engine.physics.material import Material
from hevesy.tests.unit.small_kernel import SMALL

ENDINGS = (".npz", ".csv", ".nii.gz", ".nii")


@lru_cache
def simulated(name: str, mm: float = 3.0, reach: int = 2, decays: int = 4000) -> VoxelKernel:
    """A kernel of water."""
    counted = decay_emission(name)
    kernel = in_water(counted.emission, mm, reach, decays)
    return replace(kernel, progeny=counted.progeny, notes=(*kernel.notes, "Made for a test: with a colon."))


def in_water(emission: Emission, mm: float, reach: int, decays: int) -> VoxelKernel:
    """A kernel with little of the medium around, which is nearly all of the work for small voxels."""
    water, density = medium_named("water")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extent, "LARGEST_SIMULATED", 30_000)
        request = KernelRequest(emission, (mm, mm, mm), water, density, (reach,) * 3, decays=decays)
        return make_kernel(request, backend="cpu")


@lru_cache
def kernel_like(kind: str) -> VoxelKernel:
    """One of ours with progeny, one of others, and one whose emission and medium have no name."""
    if kind == "ours":
        return simulated("Ac-225")
    kernel = replace(simulated("I-131"), decays=0, seed=0, backend="", averaged_from_mm=None, notes=("Read from x.",))
    if kind == "of others":
        return replace(kernel, standard_error_mev=np.zeros(kernel.energy_mev.shape))
    line = Emission(electron_lines=np.array([[0.2, 1.0]]))
    gel = Material("a gel", (1, 8), (0.1, 0.9), 75.0, 1.02)
    energy = np.zeros((3, 3, 3))
    energy[1, 1, 1] = 0.19
    return replace(
        kernel, energy_mev=energy, standard_error_mev=energy / 300.0, emission=line, medium=gel, emitted_mev=0.2
    )


# ------------------------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("kind", ["ours", "of others", "without names"])
@pytest.mark.parametrize("first", ENDINGS)
@pytest.mark.parametrize("second", ENDINGS)
def test_any_format_becomes_any_other(kernels, kind, first, second):
    """File, to first, to second, to file again: numbers to the figures of a table, all facts exactly."""
    kernel = kernel_like(kind)
    write_kernel(kernel, Path("start.npz"))
    for source, made in (("start.npz", f"a{first}"), (f"a{first}", f"b{second}"), (f"b{second}", "end.npz")):
        code, out, err = kernels("--from", source, "-o", made)
        assert (code, err) == (0, ""), made
        assert ("read from a file" in out) == bool(kernel.decays)
    back = read_kernel("end.npz")
    figures = ".csv" in (first, second)
    np.testing.assert_allclose(back.energy_mev, kernel.energy_mev, rtol=1e-11 if figures else 1e-14)
    np.testing.assert_allclose(back.standard_error_mev, kernel.standard_error_mev, rtol=1e-5 if figures else 1e-14)
    sums = ("deposited_mev", "truncated_mev", "truncated_share")
    stated, expected = facts_of(back), facts_of(kernel)
    for name in sums:
        assert stated.pop(name) == pytest.approx(expected.pop(name), rel=1e-9, abs=1e-11 * kernel.emitted_mev)
    assert stated == expected


def test_what_nothing_leaves_truncates_nothing(kernels):
    """A kernel that holds all that is emitted, but for the rounding of its sum."""
    alpha = Emission(alpha_lines=np.array([[5.5, 0.7], [8.8, 0.3]]))
    water, density = medium_named("water")
    kernel = make_kernel(KernelRequest(alpha, (3.0, 3.0, 3.0), water, density, (1, 1, 1), decays=3001), backend="cpu")
    for factor in (1.0 - 3e-14, 1.0, 1.0 + 3e-14):
        write_kernel(replace(kernel, energy_mev=kernel.energy_mev * factor), Path("k.csv"))
        told = json.loads(kernels("--from", "k.csv", "-o", "k.npz", "--json")[1])
        assert (told["truncated_mev"], told["truncated_share"]) == (0.0, 0.0)
    assert "-" not in kernels("--from", "k.csv", "-o", "k.npz")[1].partition("truncated")[2].partition("\n")[0]


def test_facts_of_another_image_are_refused(kernels):
    write_kernel(simulated("I-131"), Path("a.nii"))
    write_kernel(simulated("Lu-177"), Path("b.nii"))
    Path("b.json").replace("a.json")
    code, _, err = kernels("--from", "a.nii", "-o", "k.npz")
    assert code == 2 and "a.json belongs to another kernel" in err


# ------------------------------------------------------------------------------------------ energies that cannot be

NUCLIDES = ("I-131", "Y-90", "Lu-177", "Tc-99m", "H-3")


@pytest.mark.parametrize("mm", [0.5, 3.0, 10.0])
@pytest.mark.parametrize("name", NUCLIDES)
def test_a_table_in_another_unit_is_refused_and_the_unit_named(kernels, name, mm):
    kernel = simulated(name, mm)
    middle = kernel.reach
    table = replace(kernel, decays=0)
    # bounds hold for a true kernel with room to spare, and are sharp enough for a factor of a hundred
    assert least_in_source_mev(table) < 0.6 * kernel.energy_mev[middle] < 200.0 * least_in_source_mev(table)
    assert least_inside_mev(table) < 0.6 * kernel.energy_mev.sum()
    assert kernel.energy_mev[middle] < most_in_source_mev(table)
    write_kernel(table, Path("t.csv"))
    assert kernels("--from", "t.csv", "-o", "k.npz")[0] == 0
    for factor, unit in ((1e-3, "Gy/(MBq s)"), (1e-9, "Gy/(Bq s)"), (1e3, "uGy/(MBq s)"), (3600.0, "mGy/(MBq h)")):
        code, _, err = kernels("--from", _scaled("t.csv", factor), "-o", "no.npz")
        assert code == 2 and "in another unit" in err and unit in err, (factor, err)
    assert not Path("no.npz").exists()


def test_photons_alone_have_bounds_too():
    gamma = Emission(photon_lines=np.array([[0.364, 1.0]]))
    for mm in (0.5, 3.0, 10.0):
        kernel = in_water(gamma, mm, 2, 20_000)
        assert 0 < least_in_source_mev(kernel) < 0.6 * kernel.energy_mev[2, 2, 2] < 200.0 * least_in_source_mev(kernel)
        assert 0 < least_inside_mev(kernel) < 0.6 * kernel.energy_mev.sum()


def _scaled(name: str, factor: float) -> str:
    """The same table with all values times a factor, as a published one without the facts of ours."""
    lines = Path(name).read_text().splitlines()
    head = [line for line in lines if line.startswith(("# nuclide", "# voxel:", "# medium", "# density", "# progeny"))]
    rows = [line.split(",") for line in lines if line[0].isdigit()]
    body = [f"{i},{j},{k},{float(s) * factor!r}" for i, j, k, s, _ in rows]
    Path("scaled.csv").write_text("\n".join([*head, "i,j,k,S [mGy/(MBq s)]", *body]))
    return "scaled.csv"


# -------------------------------------------------------------------------------------------------- what a table says


def test_an_option_gives_the_density_that_a_header_lacks(kernels):
    write_kernel(replace(simulated("I-131"), density_g_cm3=1.04), Path("k.csv"))
    text = Path("k.csv").read_text()
    Path("k.csv").write_text("\n".join(line for line in text.splitlines() if not line.startswith("# density")))
    code, _, err = kernels("--from", "k.csv", "--density", "1.04 g/cm3", "-o", "k.npz")
    assert (code, err) == (0, "")
    assert read_kernel("k.npz").density_g_cm3 == 1.04
    assert kernels("--from", "k.csv", "--voxel", "4 mm", "-o", "k.npz")[0] == 2


@pytest.mark.parametrize(
    ("heading", "share"),
    [
        ("unc", 0.0), ("err", 0.0), ("u", 0.0), ("u(S)", 0.0), ("SD", 0.0), ("std. error", 0.0), ("sigma", 0.0),
        ("error [mGy/MBq/s]", 0.0), ("sigma %", 1.0), ("rel [%]", 1.0), ("relative error (%)", 1.0), ("u [%]", 1.0),
        ("relative uncertainty", 0.01), ("rel. error", 0.01),
    ],
)  # fmt: skip
def test_columns_of_errors_under_their_usual_names(kernels, heading, share):
    """One per cent of each value, given in the unit of S, in per cent or as a share."""
    kernel = simulated("I-131")
    write_kernel(kernel, Path("k.csv"))
    lines = Path("k.csv").read_text().splitlines()
    rows = [line.split(",")[:4] for line in lines if line[0].isdigit()]
    body = [",".join([*row, repr(share or 0.01 * float(row[3]))]) for row in rows]
    facts = [line for line in lines if line.startswith("#")]
    Path("t.csv").write_text("\n".join([*facts, f"i,j,k,S [mGy/(MBq s)],{heading}", *body]))
    assert kernels("--from", "t.csv", "-o", "k.npz")[0] == 0
    back = read_kernel("k.npz")
    np.testing.assert_allclose(back.standard_error_mev, 0.01 * back.energy_mev, rtol=1e-9)


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("error (2 sigma)", "one standard error, not a multiple"),
        ("expanded uncertainty (k=2)", "one standard error, not a multiple"),
        ("error [mGy/(MBq h)]", "both columns must have one unit"),
        ("relative error", "name its unit in the heading"),
    ],
)
def test_errors_of_another_meaning_are_refused(kernels, heading, text):
    Path("t.csv").write_text(f"i,j,k,S [mGy/(MBq s)],{heading}\n0,0,0,0.9,1.5\n")
    code, _, err = kernels("I-131", "--voxel", "3 mm", "--medium", "water", "--from", "t.csv", "-o", "k.npz")
    assert code == 2 and text in err


def test_columns_that_are_not_read_are_named(kernels):
    Path("t.csv").write_text("i,j,k,S [mGy/(MBq s)],distance\n0,0,0,0.9,0\n")
    code, out, _ = kernels("I-131", "--voxel", "3 mm", "--medium", "water", "--from", "t.csv", "-o", "k.npz")
    assert code == 0 and "Not read: the columns 'distance'." in out


# ----------------------------------------------------------------------------------------- files in each other's way


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (("a.nii", "a.nii.gz"), "a.json: would be written for a.nii and for a.nii.gz"),
        (("x.nii", "x_standard_error.nii"), "x_standard_error.nii: would be written for"),
        (("k.csv", "./k.csv"), "is listed twice"),
        (("/proc/k.npz",), "nothing can be written in this folder"),
        (("n" * 252 + ".npz",), "File name too long"),
        (("file/k.npz",), "is a file, not a folder"),
        (("folder",), "give for example folder/kernel.npz"),
        (("ro",), "has no ending"),
    ],
)
def test_outputs_are_checked_before_anything_is_simulated(kernels, monkeypatch, outputs, text):
    def never(*_, **__):
        raise AssertionError("simulated")

    monkeypatch.setattr(cache_module, "make_kernel", never)
    Path("folder").mkdir()
    Path("file").write_text("")
    code, out, err = kernels(*SMALL, *(word for name in outputs for word in ("-o", name)))
    assert (code, out) == (2, "") and text in err
    assert sorted(path.name for path in Path().iterdir()) == ["file", "folder"]


def test_the_files_beside_an_image_are_not_written_over_by_its_own_conversion(kernels):
    write_kernel(simulated("I-131"), Path("a.nii.gz"))
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    code, _, err = kernels("--from", "a.nii.gz", "-o", "a.nii")
    assert code == 2 and "is the input itself" in err
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_an_earlier_kernel_is_replaced_as_by_every_command(kernels):
    for seed in ("1", "2"):
        assert kernels(*SMALL, "--seed", seed, "-o", "k.npz")[0] == 0
    assert read_kernel("k.npz").seed == 2


# --------------------------------------------------------------------------------------------------- words and cache


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (("--extent", "auto"), "--extent with --from"),
        (("--truncation", "1 %"), "--truncation with --from"),
        (("--photons", "analog"), "--photons with --from"),
        (("--seed", "1"), "--seed with --from"),
        (("--backend", "auto"), "--backend with --from"),
        (("--decays", "1e6"), "--decays with --from"),
    ],
)
def test_options_of_a_simulation_have_no_place_in_a_conversion(kernels, option, text):
    write_kernel(simulated("I-131"), Path("a.npz"))
    code, _, err = kernels("--from", "a.npz", "-o", "k.npz", *option)
    assert code == 2 and text in err


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("--density", "-1 g/cm3"), ("a density of -1 g/cm3", "above zero")),
        (("--density", "0 g/cm3"), ("above zero",)),
        (("--extent", "1.5 voxels"), ("a whole number of voxels", 'write "2 voxels"')),
        (("--extent", "-3 voxels"), ("a whole number of voxels", 'write "1 voxel"')),
        (("--extent", "1"), ('write "1 voxel"',)),
        (("--medium", ""), ("the medium ''", "name one: water")),
        (("--medium", "vacuum"), ("without one nothing is deposited",)),
    ],
)
def test_words_that_say_nothing_are_refused_as_what_they_are(kernels, words, texts):
    code, _, err = kernels("I-131", "--voxel", "3 mm", "-o", "k.npz", f"{words[0]}={words[1]}")
    assert code == 2
    for text in texts:
        assert text in err


def test_a_density_with_an_exponent_is_read(kernels):
    words = [word if word != "4 g/cm3" else "4e3 kg/m3" for word in SMALL]
    assert json.loads(kernels(*words, "-o", "k.npz", "--json")[1])["density_g_cm3"] == 4.0


def test_messages_about_a_damaged_kernel_and_missing_facts_are_about_kernels(kernels):
    Path("k.npz").write_bytes(b"PK not")
    code, _, err = kernels("--from", "k.npz", "-o", "l.npz")
    assert code == 2 and "problem file" not in err and "a kernel is a NumPy .npz archive" in err
    Path("t.csv").write_text("i,j,k,S [mGy/(MBq s)]\n0,0,0,0.9\n")
    assert '--density "1.04 g/cm3"' in kernels("--from", "t.csv", "-o", "l.npz")[2]


def test_a_damaged_cache_is_not_said_to_have_given_the_kernel(kernels, tmp_path):
    kernels(*SMALL, "-o", "a.npz")
    (file,) = (tmp_path / "cache" / "voxel_s").glob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    code, out, _ = kernels(*SMALL, "-o", "a.npz")
    assert code == 0 and "from the cache" not in out
    assert "from the cache" in kernels(*SMALL, "-o", "a.npz")[1]


def test_a_folder_in_place_of_a_cached_kernel_is_told(kernels, tmp_path, caplog):
    kernels(*SMALL, "-o", "a.npz")
    (file,) = (tmp_path / "cache" / "voxel_s").glob("*.npz")
    file.unlink()
    file.mkdir()
    assert kernels(*SMALL, "-o", "a.npz")[0] == 0
    assert "remove it" in caplog.text
