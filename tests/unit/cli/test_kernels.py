"""``hevesy kernels`` at the door: files, JSON, the cache, conversion of tables, every refusal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hevesy.cli.kernel_words import read_density, read_voxel
from hevesy.engine.errors import InputError
from hevesy.tests.patience import promised
from hevesy.tests.unit.small_kernel import SMALL


def lines_of(name: str) -> list[str]:
    return Path(name).read_text().splitlines()


def test_a_kernel_is_written_in_every_format_and_told(kernels, tmp_path):
    code, out, err = kernels(*SMALL, "-o", "k.npz", "-o", "k.csv", "-o", "k.nii.gz")
    assert (code, err) == (0, "")
    for word in ("z 3 mm, y 3 mm, x 3 mm", "WATER, LIQUID, 4 g/cm3", "5 x 5 x 5 voxels", "truncated", "k.csv"):
        assert word in out, word
    files = {"k.npz", "k.csv", "k.nii.gz", "k_standard_error.nii.gz", "k.json"}
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} == files
    assert "is deposited beyond the last neighbours" in " ".join(out.split())


def test_json_states_the_kernel_and_its_truncated_energy(kernels):
    code, out, _ = kernels(*SMALL, "-o", "k.npz", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["voxel_size_mm"] == {"z": 3.0, "y": 3.0, "x": 3.0}
    assert told["reach_voxels"] == {"z": 2, "y": 2, "x": 2}
    assert told["deposited_mev"] + told["truncated_mev"] == pytest.approx(told["emitted_mev"], rel=1e-12)
    assert told["truncated_share"] == pytest.approx(told["truncated_mev"] / told["emitted_mev"])
    assert told["cached"] is False
    assert told["decays"] == 20_000
    with np.load("k.npz") as archive:
        energy = archive["energy_mev"]
    source = told["values"][0]
    assert (source["i"], source["j"], source["k"]) == (0, 0, 0)
    assert source["s_mgy_per_mbq_s"] == pytest.approx(energy[2, 2, 2] * 1.602176634e-13 / (0.027 * 4e-3) * 1e9)
    assert 0 < source["relative_error"] < 0.02
    assert len(told["values"]) == 10


def test_the_second_time_it_comes_from_the_cache(kernels):
    first = json.loads(kernels(*SMALL, "-o", "a.csv", "--json")[1])
    again = json.loads(kernels(*SMALL, "-o", "b.csv", "--json")[1])
    assert (first["cached"], again["cached"]) == (False, True)
    assert Path("a.csv").read_text() == Path("b.csv").read_text()
    other = json.loads(kernels(*SMALL, "--seed", "2", "-o", "c.csv", "--json")[1])
    assert other["cached"] is False
    assert Path("c.csv").read_text() != Path("a.csv").read_text()


def test_a_cached_kernel_takes_less_than_a_second(tmp_path):
    """The whole command in a process of its own, in processor time."""
    words = [sys.executable, "-c", "from hevesy.cli.main import entry; entry()", "kernels", *SMALL, "-o", "k.npz"]

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True)

    run(words)
    with promised(1.0):
        told = run(words)
    assert "from the cache" in told.stdout
    loaded = [sys.executable, "-X", "importtime", *words[1:]]  # half a second of imports that nothing here needs
    told = run(loaded)
    assert not re.search(r"\| +(scipy\.interpolate|scipy\.optimize|numba)$", told.stderr, re.M)


def test_until_and_anisotropic_voxels_and_media(kernels):
    words = ("Lu-177", "--voxel", "2 x 3 x 4 mm", "--medium", "bone", "--extent", "8 mm", "--until", "2 %")
    code, out, _ = kernels(*words, "-o", "k.npz", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["voxel_size_mm"] == {"z": 2.0, "y": 3.0, "x": 4.0}
    assert told["reach_voxels"] == {"z": 4, "y": 2, "x": 2}
    assert told["medium"]["name"] == "BONE, CORTICAL (ICRP)"
    assert told["values"][0]["relative_error"] < 0.02


def test_photons_by_track_length(kernels):
    words = ("I-131", "--voxel", "3 mm", "--density", "4 g/cm3", "--extent", "2 voxels", "--decays", "20000")
    analog = json.loads(kernels(*words, "-o", "a.npz", "--json")[1])
    track = json.loads(kernels(*words, "--photons", "track-length", "-o", "b.npz", "--json")[1])
    last = [{(row["i"], row["j"], row["k"]): row for row in told["values"]}[2, 2, 2] for told in (analog, track)]
    assert last[1]["relative_error"] < 0.5 * last[0]["relative_error"]
    assert track["deposited_mev"] + track["truncated_mev"] == pytest.approx(track["emitted_mev"], rel=1e-12)
    assert track["emitted_mev"] == analog["emitted_mev"]  # the same decays
    assert any("by track length" in note for note in track["notes"])


def test_progeny_are_counted_as_stated(kernels):
    words = ("Ac-225", "--voxel", "3 mm", "--extent", "1 voxel", "--decays", "1000", "--density", "4 g/cm3")
    alone = json.loads(kernels(*words, "--progeny", "none", "-o", "a.csv", "--json")[1])
    both = json.loads(kernels(*words, "-o", "b.csv", "--json")[1])
    assert alone["emitted_mev"] == pytest.approx(5.9, abs=0.1)
    assert both["emitted_mev"] == pytest.approx(28.9, abs=0.1)
    assert both["progeny"] == "equilibrium"
    assert "counted with progeny in equilibrium" in both["notes"][0]
    assert "# progeny: none" in Path("a.csv").read_text()
    assert kernels("--from", "a.csv", "-o", "c.npz", "--json")[0] == 0


def test_tables_are_converted(kernels):
    kernels(*SMALL, "-o", "k.csv")
    code, out, _ = kernels("--from", "k.csv", "-o", "k.npz", "-o", "k.nii.gz", "--json")
    assert code == 0
    again, _, _ = kernels("--from", "k.npz", "-o", "l.csv")
    assert again == 0
    rows = [[line for line in lines_of(name) if not line.startswith("#")] for name in ("k.csv", "l.csv")]
    assert rows[0] == rows[1]
    assert json.loads(out)["truncated_share"] > 0.1


def test_published_tables_are_converted(kernels):
    lines = ["i j k S", "0 0 0 0.9", "0 0 1 0.03", "0 1 1 0.0024", "1 1 1 0.00073"]
    Path("table.txt").write_text("\n".join(lines))
    words = ("I-131", "--voxel", "3 mm", "--medium", "soft tissue", "--density", "1.04 g/cm3", "--from", "table.txt")
    code, _, err = kernels(*words, "-o", "k.npz")
    assert code == 2
    assert '--unit "mGy/(MBq s)"' in err
    code, out, _ = kernels(*words, "--unit", "mGy/(MBq s)", "-o", "k.npz", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["values"][0]["s_mgy_per_mbq_s"] == pytest.approx(0.9)
    deposited = (0.9 + 6 * 0.03 + 12 * 0.0024 + 8 * 0.00073) * 1e-9 * 28.08e-6 / 1.602176634e-13
    assert told["truncated_mev"] == pytest.approx(told["emitted_mev"] - deposited)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("I-131", "-o", "k.npz"), "no voxel is given"),
        (("--voxel", "3 mm", "-o", "k.npz"), "no nuclide is given"),
        (("I-13", "--voxel", "3 mm", "-o", "k.npz"), "I-13"),
        (("I-131", "--voxel", "3", "-o", "k.npz"), "3 has no unit"),
        (("I-131", "--voxel", "3 kg", "-o", "k.npz"), "'kg' is not a unit of length"),
        (("I-131", "--voxel", "3 x 4 mm", "-o", "k.npz"), "has not one side or three"),
        (("I-131", "--voxel", "3 m", "-o", "k.npz"), "a voxel side of 3000 mm"),
        (("I-131", "--voxel", "0 mm", "-o", "k.npz"), "0 mm is out of range"),
        (("I-131", "--voxel", "3 mm", "-o", "k.mat"), "has the ending '.mat'"),
        (("I-131", "--voxel", "3 mm", "-o", "kernel"), "the ending says the format"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "-o", "k.npz"), "is listed twice"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--medium", "lunk"), "unknown medium 'lunk'"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--density", "1.04"), "it has no unit"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--density", "1 mm"), "'mm' is not a unit of density"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--density", "1040 g/cm3"), "a density of 1040 g/cm3"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--extent", "12"), '"12 voxels"'),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--extent", "1 mm"), "an extent of 1 mm holds no neighbour"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--extent", "far"), "'far' is not a quantity"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--extent", "20 m"), "voxels needs"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--until", "0.1"), "0.1 has no unit"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--until", "0 %"), "'0 %' is out of range"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--truncation", "100 %"), "'100 %' is out of range"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--decays", "many"), "many"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--decays", "3"), "decays of 3"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--backend", "tpu"), "tpu"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--progeny", "Cs-137"), "Cs-137 is not a progeny"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--photons", "kerma"), "unknown scoring of photons 'kerma'"),
        (("I-131", "--voxel", "3 mm", "-o", "k.npz", "--unit", "Gy/(Bq s)"), "--unit without --from"),
        (("I-131", "--from", "t.csv", "-o", "k.npz", "--until", "1 %"), "--until with --from"),
        (("I-131", "--from", "none.csv", "-o", "k.npz"), "no such file"),
        (("I-131", "--voxel", "0.02 mm", "--density", "0.001 g/cm3", "--extent", "1 voxel", "-o", "k.npz"), "cut-off"),
    ],
)
def test_refusals(kernels, words, text, tmp_path):
    code, out, err = kernels(*words)
    assert (code, out) == (2, "")
    assert text in err
    assert "Traceback" not in err
    assert not (tmp_path / "k.npz").exists()


def test_the_output_may_not_be_the_input_nor_a_folder(kernels, tmp_path):
    kernels(*SMALL, "-o", "k.npz")
    before = (tmp_path / "k.npz").read_bytes()
    assert "is the input itself" in kernels("--from", "k.npz", "-o", "k.npz")[2]
    assert (tmp_path / "k.npz").read_bytes() == before
    (tmp_path / "d.npz").mkdir()
    assert "is a folder" in kernels(*SMALL, "-o", "d.npz")[2]


def test_voxels_and_densities_as_people_write_them():
    assert read_voxel("3 mm") == (3.0, 3.0, 3.0)
    assert read_voxel("3.27 x 4.07 x 4.07 mm") == (3.27, 4.07, 4.07)
    assert read_voxel("3,27 x 4,07 × 4,07 mm") == (3.27, 4.07, 4.07)
    assert read_voxel("3.27 mm, 4.07 mm, 4.07 mm") == (3.27, 4.07, 4.07)
    assert read_voxel("0.3cm*4mm*4mm") == pytest.approx((3.0, 4.0, 4.0))
    assert read_density("1040 kg/m3") == pytest.approx(1.04)
    assert read_density("0,26 g/mL") == pytest.approx(0.26)
    with pytest.raises(InputError, match="is not a density"):
        read_density("thick")
