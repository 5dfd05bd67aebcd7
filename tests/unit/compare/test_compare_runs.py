"""Runs that lack something, methods that a run holds, and a comparison that is stopped or has no room on the disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import hevesy
import pytest
import yaml
from hevesy.tests.patience import PATIENCE_S, end_all, until
from hevesy.tests.unit.small_case import TEXT, write_small_case

COMMAND = "import sys; sys.argv[0] = 'hevesy'; from hevesy.cli.main import entry; entry()"


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """A run of two visits and a further therapy, without simulation."""
    folder = tmp_path_factory.mktemp("two")
    write_small_case(folder)
    data = yaml.safe_load(TEXT)
    data["visits"].append(data["visits"][0] | {"name": "follow-up"})
    data["further_therapies"] = [{"nuclide": "Lu-177", "activity": "7.4 GBq"}]
    done = hevesy.run(hevesy.Case.from_dict(data, base=folder), method="local", out=folder / "run")
    assert done.folder is not None
    return done.folder


@pytest.mark.parametrize(
    ("lost", "words", "visits", "further", "told"),
    [
        ("therapy_Lu-177/follow-up", ("--visit", "follow-up"), ["follow-up"], {}, "no result of follow-up for it"),
        ("therapy_Lu-177/*", (), ["baseline", "follow-up"], {}, "no result for it"),
        (
            "therapy_Lu-177",
            (),
            ["baseline", "follow-up"],
            {},
            "therapy_Lu-177 is not compared: the run has no result for it",
        ),
        ("therapy_Lu-177/baseline", (), ["baseline", "follow-up"], {"therapy_Lu-177": ["follow-up"]}, ""),
        ("follow-up", (), ["baseline"], {"therapy_Lu-177": ["baseline", "follow-up"]}, "no result of it: follow-up"),
        ("follow-up", ("--visit", "follow-up"), None, {}, "has no result of the visit 'follow-up'"),
    ],
)
def test_an_interrupted_run_is_compared_as_far_as_it_goes(two, command, tmp_path, lost, words, visits, further, told):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    for folder in copy.glob(lost):
        if folder.name == "therapy_Lu-177":
            shutil.rmtree(folder)
        elif folder.is_dir():
            (folder / "result.h5").unlink(missing_ok=True)
    methods = ("--methods", "local,local+photons", "--reference", "local")
    code, out, err = command("compare", copy, *methods, *words, "--json")
    if visits is None:
        assert code == 2 and told in err and "--resume" in err
        return
    assert code == 0, err
    found = json.loads(out)
    assert found["visits"] == visits
    assert {name: one["visits"] for name, one in found.get("further_therapies", {}).items()} == further
    assert any(told in text for text in found["warnings"])
    other = found.get("further_therapies", {}).get("therapy_Lu-177")
    if other and other["visits"] == ["follow-up"]:
        assert any("no result of it: baseline" in text for text in other["warnings"])


def test_one_method_is_nothing_to_compare(two, command):
    code, _, err = command("compare", two, "--methods", "mc")
    assert code == 2 and "nothing to compare mc with" in err and "--methods mc,local" in err and "--with" in err
    code, _, err = command("compare", two, "--methods", "local", "--reference", "local")
    assert code == 2 and "nothing to compare local with" in err
    code, _, err = command("compare", two, "--tolerance", "nan")
    assert code == 2 and "nan fraction" not in err and "for example" in err


def test_a_hybrid_dose_of_the_run_beside_its_monte_carlo(tmp_path, command):
    """The file holds the tally of one alone: the other's batches are simulated again, to the same dose.

    One estimate of the mean by Monte Carlo is what every method is held against.
    """
    write_small_case(tmp_path)
    hevesy.run(tmp_path / "case.yaml", method="mc,hybrid", out=tmp_path / "run")
    code, out, err = command("compare", tmp_path / "run", "--methods", "mc,local,hybrid", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [told[name]["origin"] for name in ("mc", "local", "hybrid")] == ["run"] * 3
    assert any("simulated again" in note for note in told["hybrid"]["notes"])
    hot = told["lesions"][0]
    best = hot["mc"]["mean_without_decay_noise_gy"]
    assert best is not None and best != hot["mc"]["mean_gy"]
    for name in ("local", "hybrid"):
        assert hot[name]["bias"]["percent"] == pytest.approx(100 * (hot[name]["mean_gy"] / best - 1), rel=1e-9)
        low, high = hot[name]["changes_side_between_gbq"]
        at = hot["mc"]["activity_at_threshold_gbq"]
        assert at == pytest.approx(7.4 * 20.0 / best) and at in (low, high)
    assert hot["hybrid"]["mean_standard_error_gy"] > 0.0 and hot["hybrid"]["bias"]["standard_error_percent"] > 0.0
    merit = (best / hot["mc"]["mean_without_decay_noise_standard_error_gy"]) ** 2 / told["mc"]["wall_time_s"]
    assert hot["mc"]["figure_of_merit_per_s"] == pytest.approx(merit, rel=1e-9)


def started(words: list[str], limit: int | None = None) -> subprocess.Popen:
    """The command in a process of its own, which may write files of so many bytes.

    Python would write the compiled forms of modules that it has none of, no longer than that, for all processes after.
    """
    before, own = "", {"HEVESY_TRACEBACK": ""}
    if limit is not None:
        before = f"import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        before += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        own["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.Popen(
        [sys.executable, "-c", before + COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | own,
    )  # fmt: skip


def test_a_signal_leaves_nothing_and_ends_with_3(tmp_path):
    """A simulation that takes minutes is stopped by Ctrl-C once the comparison has begun to write."""
    case = write_small_case(tmp_path / "case", TEXT.replace("decays: 40000", "decays: 900000000"))
    run, place = tmp_path / "run", tmp_path / "place"
    hevesy.run(case, method="local", out=run)
    place.mkdir()
    before = sorted(run.rglob("*"))
    process = started(["compare", str(run), "--methods", "mc,local", "--out", str(place / "there"), "-q"])
    try:
        until(lambda: (place / ".there.work").exists() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        end_all([process])
    assert process.returncode == 3 and "stopped" in err and "Traceback" not in err
    assert not list(place.iterdir()) and sorted(run.rglob("*")) == before


@pytest.mark.parametrize("limit", [200, 20_000])
def test_a_full_disk_is_said_with_the_folder(two, tmp_path, limit):
    """The first file, a map, and later ones: no file may be larger than so many bytes."""
    words = ["compare", str(two), "--methods", "local,local+photons", "--reference", "local"]
    process = started([*words, "--out", str(tmp_path / "there"), "-q"], limit)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2, err
    assert "there" in err and "could not be written" in err and "--out" in err and ".part-" not in err
    assert not list(tmp_path.iterdir())
