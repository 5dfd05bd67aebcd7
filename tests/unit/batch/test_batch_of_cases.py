"""`hevesy batch CASE.yaml...`: each case as one job, or every transport of it in shards; the same results."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hevesy.engine.batch.plan_cases import CaseOptions, plan_cases
from hevesy.engine.batch.regions import read_regions
from hevesy.engine.batch.work import run_job
from hevesy.engine.cohort.cohort_file import load_trial
from hevesy.engine.results.result import Result
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tools.result_hash import result_hashes

ONE = TEXT.replace("patient: T1", "patient: Müller 1").replace("decays: 40000", "decays: 4000")
#: Two visits and two therapies: four transports.
CASE = ONE.replace(
    "transport:",
    """\
  - name: week 6
    scans:
      - {pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}
      - {pet: pet_96.nii.gz, ct: ct.nii.gz, after: 100 h}
    lesions: lesions.nii.gz
further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]
transport:""",
)
#: Where their results are, in the folder of the case.
PLACES = ("baseline", "week_6", "therapy_Lu-177/baseline", "therapy_Lu-177/week_6")


def manifest_of(out: Path) -> dict:
    return json.loads((out / "manifest.json").read_text())


def test_a_divided_case_is_the_case_as_it_is(tmp_path, command):
    case, out = write_small_case(tmp_path / "in", CASE), tmp_path / "out"
    assert command("run", case, "--out", tmp_path / "run", "--backend", "cpu", "--quiet")[0] == 0
    code, _, err = command("batch", case, "--out", out, "--shards", 3, "--backend", "cpu", "--quiet")
    assert code == 0, err
    assert len(manifest_of(out)["jobs"]) == 4 * 3 and len(manifest_of(out)["wholes"]) == 4
    made = out / "Müller_1"
    for place in PLACES:
        assert result_hashes(made / place / "result.h5") == result_hashes(tmp_path / "run" / place / "result.h5")
    for file in ("lesions.csv", "visits.csv", "therapy_Lu-177/lesions.csv"):
        assert (made / file).read_text() == (tmp_path / "run" / file).read_text()
    assert {p.name for p in made.iterdir()} - {"batch.json"} == {p.name for p in (tmp_path / "run").iterdir()}
    assert (out / "trial.html").is_file() and (out / "lesions_all.csv").is_file()
    # again: nothing is done twice
    written = {file: file.stat().st_mtime_ns for file in out.rglob("*.h5")}
    code, told, _ = command("batch", case, "--out", out, "--shards", 3, "--backend", "cpu", "--quiet", "--json")
    assert code == 0 and json.loads(told)["cases"][0]["state"] == "kept"
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.h5")} == written
    # other settings, or another input, are refused by name
    for flag, value in (("--seed", 5), ("--decays", 5000), ("--shards", 4), ("--method", "mc")):
        words = ("batch", case, "--out", out, "--shards", 3, "--backend", "cpu", flag, value)
        code, _, err = command(*words)
        assert code == 2 and f"{flag}: Müller 1: the batch was made with" in err
    (tmp_path / "in" / "lesions.json").write_text('{"1": {"name": "renamed", "site": "node"}}')
    code, _, err = command("batch", case, "--out", out, "--shards", 3, "--backend", "cpu")
    assert code == 2 and "lesions.json: has been changed since the batch was made" in err


def test_shards_need_neither_images_nor_case(tmp_path, command):
    case, out = write_small_case(tmp_path / "in", ONE), tmp_path / "out"
    manifest = plan_cases(load_trial([case]).cases, out, CaseOptions(shards=2), title="t")
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    folders = [out / "jobs" / name for name in manifest.jobs]
    assert [run_job(folder).state for folder in folders] == ["done"] * 2
    problem = Problem.load(folders[0] / "problem.npz")
    weights, names = read_regions(folders[0] / "regions.npz", problem.density_g_cm3.shape)
    assert names == ("hot cube",) and weights.sum() == 27 * 255
    assert Result.load(folders[0] / "result.h5").tally.region_names == names
    # the merge reads the images: without them it says so, and the work of the shards stays
    code, _, err = command("retry", out, "--quiet")
    assert code == 1 and "no such file or folder" in err
    (tmp_path / "elsewhere").rename(tmp_path / "in")
    assert command("retry", out, "--quiet")[0] == 0
    assert {json.loads((folder / "status.json").read_text())["attempts"] for folder in folders} == {1}
    assert (out / "Müller_1" / "lesions.csv").is_file()


def test_an_image_that_changes_under_the_jobs_is_found(tmp_path, command):
    case, out = write_small_case(tmp_path / "in", ONE), tmp_path / "out"
    cases = load_trial([case]).cases
    whole = plan_cases(cases, out, CaseOptions({"method": "local"}), title="t")
    pet = tmp_path / "in" / "pet_24.nii.gz"
    content = pet.read_bytes()
    pet.write_bytes(content + b"\0")
    (name,) = whole.jobs
    assert run_job(out / "jobs" / name).state == "failed"
    code, told, _ = command("status", out, "--json")
    message = json.loads(told)["jobs"][name]["message"]
    assert "pet_24.nii.gz: has been changed since the batch was made" in message and str(tmp_path) not in message
    # while it runs: the run itself must not be taken for one of either
    pet.write_bytes(content)

    def change(fraction: float, text: str) -> None:
        pet.write_bytes(content + b"\0")

    assert run_job(out / "jobs" / name, progress=change).state == "failed"
    marked = out / "Müller_1" / "batch.json"
    assert not marked.exists() or not json.loads(marked.read_text())["complete"]
    # the command makes the job again, with the input as it is now
    code, told, err = command("batch", case, "--out", out, "--method", "local", "--json", "--quiet")
    assert code == 0 and json.loads(told)["cases"][0]["state"] == "done", err
    # shards have what they need; the merge finds the change
    divided = plan_cases(cases, tmp_path / "divided", CaseOptions(shards=2), title="t")
    pet.write_bytes(content)
    for name in divided.jobs:
        assert run_job(tmp_path / "divided" / "jobs" / name).state == "done"
    code, _, err = command("merge", tmp_path / "divided", "--quiet")
    assert code == 1 and "pet_24.nii.gz: has been changed since the batch was made" in err
    assert not (tmp_path / "divided" / "Müller_1" / "result.h5").exists()


def test_a_stopped_case_goes_on_where_it_was(tmp_path, command):
    text = ONE.replace("decays: 4000", "decays: 10000")
    case, out = write_small_case(tmp_path / "in", text), tmp_path / "out"
    assert command("run", case, "--out", tmp_path / "run", "--backend", "cpu", "--quiet")[0] == 0
    manifest = plan_cases(load_trial([case]).cases, out, CaseOptions({"backend": "cpu"}), title="t")
    (folder,) = (out / "jobs" / name for name in manifest.jobs)
    asked = iter([False] * 30)
    stopped = run_job(folder, stop=lambda: next(asked, True))
    assert stopped.state == "stopped" and 0 < stopped.decays < 10000
    assert not json.loads((out / "Müller_1" / "batch.json").read_text())["complete"]
    assert not (out / "trial.json").exists()
    assert command("batch", case, "--out", out, "--backend", "cpu", "--quiet")[0] == 0
    assert "resuming after" in (out / "Müller_1" / "log.txt").read_text()
    assert result_hashes(out / "Müller_1" / "result.h5") == result_hashes(tmp_path / "run" / "result.h5")


def test_results_that_are_gone_are_made_again(tmp_path, command):
    case, out = write_small_case(tmp_path / "in"), tmp_path / "out"
    words = ("batch", case, "--out", out, "--method", "local", "--quiet")
    assert command(*words)[0] == 0
    (out / "T1" / "batch.json").unlink()
    code, told, _ = command(*words, "--json")
    assert code == 0 and json.loads(told)["cases"][0]["state"] == "done"


def test_a_precision_of_a_case_is_said_and_judged(tmp_path, command):
    case, out = (
        write_small_case(tmp_path / "in", TEXT.replace("until: null", '"until": "lesions:2%"')),
        tmp_path / "out",
    )
    code, told, err = command("batch", case, "--out", out, "--shards", 2, "--backend", "cpu")
    assert code == 0, err
    assert "T1: shards need a number of decays: 4e+04 for lesions:2%" in told  # the most that the case allows
    result = Result.load(out / "T1" / "result.h5")
    quanta = result.tally.region_quanta[:, 0].astype(float)
    error = 100 * quanta.std(ddof=1) / quanta.mean() / math.sqrt(len(quanta))
    assert result.decays == 40000 and 0.1 < error < 2.0
    assert f"T1, baseline, I-131: lesions:2% was reached, with {error:.2g} %" in told.replace("\u00a0", " ")
    assert not [text for text in result.warnings if "ended the transport before" in text]
    few = tmp_path / "few"
    words = ("batch", case, "--out", few, "--shards", 2, "--backend", "cpu", "--quiet")
    code, told, _ = command(*words, "--until", "lesions:0.1%", "--decays", 2000)
    assert code == 0 and "lesions:0.1% was not reached" in told
    assert [
        text for text in Result.load(few / "T1" / "result.h5").warnings if "before lesions:0.1% was reached" in text
    ]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--method", "hybrid"), "a case whose main method is hybrid cannot be divided"),
        (("--time-limit", "10 s"), "a limit of 10 s cannot be kept by shards"),
    ],
)
def test_what_cannot_be_divided_is_refused(tmp_path, command, flags, why):
    case, out = write_small_case(tmp_path / "in"), tmp_path / "out"
    code, _, err = command("batch", case, "--out", out, "--shards", 2, "--quiet", *flags)
    assert code == 2 and err.startswith(f"{flags[0] if flags[0] != '--method' else '--shards'}: {why}")
    assert not out.exists()


def test_a_case_without_a_simulation_is_one_job(tmp_path, command):
    case, out = write_small_case(tmp_path / "in"), tmp_path / "out"
    assert command("batch", case, "--out", out, "--shards", 8, "--method", "local", "--quiet")[0] == 0
    assert list(manifest_of(out)["jobs"]) == ["T1"]


def test_a_case_may_not_have_the_name_of_a_file_of_the_batch(tmp_path, command):
    case = write_small_case(tmp_path / "in", TEXT.replace("patient: T1", "patient: Jobs"))
    code, _, err = command("batch", case, "--out", tmp_path / "out")
    assert code == 2 and "a case cannot be called 'Jobs'" in err


def test_a_batch_of_cases_and_one_of_a_problem_are_two(tmp_path, command):
    case, out = write_small_case(tmp_path / "in"), tmp_path / "out"
    assert command("batch", case, "--out", out, "--method", "local", "--quiet")[0] == 0
    code, _, err = command("batch", tmp_path / "p.npz", "--out", out)
    assert code == 2 and "is the folder of a batch of cases" in err
    code, _, err = command("batch", case, tmp_path / "p.npz", "--out", out)
    assert code == 2 and "is a transport problem" in err
