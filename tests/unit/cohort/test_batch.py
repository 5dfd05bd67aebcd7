"""A batch of small cases: one failure stops no other, what is complete is kept, and the trial is tabulated."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from hevesy.cli.main import app
from hevesy.engine.batch.marks import read_mark
from hevesy.engine.batch.plan_cases import CaseOptions
from hevesy.engine.cohort.batch import DONE, FAILED, KEPT, STOPPED, run_batch
from hevesy.engine.cohort.cohort_file import load_trial
from hevesy.engine.cohort.outputs import write_trial
from hevesy.engine.errors import InputError
from hevesy.tests.unit.small_case import TEXT, write_small_case
from typer.testing import CliRunner

TWO_VISITS = TEXT.replace(
    "transport:",
    """\
  - name: week 6
    scans:
      - {pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}
      - {pet: pet_96.nii.gz, ct: ct.nii.gz, after: 96 h}
    lesions: lesions.nii.gz
transport:""",
)
LOCAL = CaseOptions({"method": "local"})
PHOTONS = CaseOptions({"method": "local+photons"})


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two cases that run, and between them one whose PET is no image."""
    write_small_case(tmp_path / "A1", TWO_VISITS)
    write_small_case(tmp_path / "A2", TWO_VISITS.replace("patient: T1", "patient: T2"))
    write_small_case(tmp_path / "B1", TWO_VISITS)
    (tmp_path / "A2" / "pet_96.nii.gz").write_bytes(b"no image")
    file = tmp_path / "cohort.yaml"
    file.write_text(
        "name: small trial\ncases:\n"
        "  - {patient: A1, arm: treated, case: A1/case.yaml}\n"
        "  - {patient: A2, arm: treated, case: A2/case.yaml}\n"
        "  - {patient: B1, arm: control, case: B1/case.yaml}\n"
    )
    return file


def test_one_failing_case_stops_no_other(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[float] = []
    done = run_batch(load_trial([cohort]), out, options=LOCAL, progress=lambda f, text: told.append(f))
    assert [one.state for one in done.cases] == [DONE, FAILED, DONE]
    assert "pet_96.nii.gz" in done.cases[1].message
    assert told == sorted(told) and told[-1] == 1.0
    record = write_trial("small trial", done)
    assert {row["arm"]: row["patients"] for row in record["tables"]["arms"]} == {"treated": 1, "control": 1}
    assert [one["state"] for one in record["cases"]] == [DONE, FAILED, DONE]
    assert json.loads((out / "trial.json").read_text())["tables"] == record["tables"]
    with (out / "lesions_all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["arm"], r["patient"], r["visit"]) for r in rows] == [
        ("treated", "A1", "baseline"),
        ("treated", "A1", "week 6"),
        ("control", "B1", "baseline"),
        ("control", "B1", "week 6"),
    ]
    with (out / "visits_all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["arm"], r["patient"], r["visit"]) for r in rows if r["state"] != "first"] == [
        ("treated", "A1", "week 6"),
        ("control", "B1", "week 6"),
    ]
    with (out / "methods.csv").open() as file:
        rows = list(csv.DictReader(file))
    table = record["tables"]["methods"]
    assert [(r["by"], r["group"]) for r in rows] == [(t["by"], t["group"]) for t in table]
    assert {r["by"] for r in rows} == {"site", "size", "all"} and int(rows[-1]["sphere_percent_n"]) == 4
    assert int(rows[-1]["local_percent_n"]) == 0  # local deposition is the dose here, not another method beside it
    assert float(rows[-1]["sphere_percent_median"]) == pytest.approx(table[-1]["sphere_percent"]["median"])
    # the same images at both visits: every ratio is one
    ratios = {row["quantity"]: row["ratio"] for row in record["tables"]["changes"] if row["arm"] == "treated"}
    assert len(ratios) == 6 and all(value == pytest.approx(1.0, abs=1e-12) for value in ratios.values())


def test_report_stands_alone_and_names_what_is_missing(cohort: Path, tmp_path: Path) -> None:
    done = run_batch(load_trial([cohort]), tmp_path / "out", options=LOCAL)
    write_trial("small <trial>", done)
    page = (tmp_path / "out" / "trial.html").read_text()
    assert "small &lt;trial&gt;" in page and "small <trial>" not in page
    assert "1 of 3 cases is missing from every table" in page and "A2: failed" in page
    assert str(tmp_path) not in page.replace(str(tmp_path / "A2"), "")
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", page)
    assert page.count("<svg") >= 3


def test_complete_cases_are_kept_until_input_or_settings_change(cohort: Path, tmp_path: Path) -> None:
    out, trial = tmp_path / "out", load_trial([cohort])
    run_batch(trial, out, options=LOCAL)
    before = (out / "A1" / "lesions.csv").stat().st_mtime_ns
    again = run_batch(trial, out, options=LOCAL)
    assert [one.state for one in again.cases] == [KEPT, FAILED, KEPT]
    assert (out / "A1" / "lesions.csv").stat().st_mtime_ns == before
    other = run_batch(trial, out, options=PHOTONS)
    assert [one.state for one in other.cases] == [DONE, FAILED, DONE]
    # the image comes: only that case is run
    (cohort.parent / "A2" / "pet_96.nii.gz").write_bytes((cohort.parent / "A1" / "pet_96.nii.gz").read_bytes())
    mended = run_batch(trial, out, options=PHOTONS)
    assert [one.state for one in mended.cases] == [KEPT, DONE, KEPT]
    # names of the lesions are input too
    (cohort.parent / "B1" / "lesions.json").write_text('{"1": {"name": "renamed"}}')
    renamed = run_batch(trial, out, options=PHOTONS)
    assert [one.state for one in renamed.cases] == [KEPT, KEPT, DONE]


def test_stopped_case_is_not_complete(cohort: Path, tmp_path: Path) -> None:
    out, trial = tmp_path / "out", load_trial([cohort])
    asked, told = iter([False, False]), []
    stop, tell = lambda: next(asked, True), lambda fraction, text: told.append((fraction, text))
    done = run_batch(trial, out, options=LOCAL, progress=tell, stop=stop)
    assert [one.state for one in done.cases] == [STOPPED] * 3
    assert told and not any(fraction == 1.0 or "complete" in text for fraction, text in told)
    mark = read_mark(out / "A1")
    assert mark is None or not mark.complete
    assert [one.state for one in run_batch(trial, out, options=LOCAL).cases] == [DONE, FAILED, DONE]


def test_an_error_of_any_kind_is_that_case_s_alone(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(case: object, **options: object) -> None:
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr("hevesy.engine.batch.case_work.run", broken)
    done = run_batch(load_trial([cohort]), tmp_path / "out", options=LOCAL)
    assert [one.state for one in done.cases] == [FAILED] * 3
    assert done.cases[0].message == "ZeroDivisionError: no luck"
    with pytest.raises(InputError, match="no case is complete"):
        write_trial("none", done)


def test_batch_command_writes_the_trial_and_its_exit_codes(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = ["batch", str(cohort), "--out", str(out), "--method", "local", "--quiet"]
    found = CliRunner().invoke(app, line)
    assert found.exit_code == 1
    assert "FAILED A2:" in found.output and "1 of 3 cases failed" in found.output
    assert "wrote" in found.output and (out / "trial.html").is_file()
    good = [str(cohort.parent / name / "case.yaml") for name in ("A1",)]
    found = CliRunner().invoke(app, ["batch", *good, "--out", str(tmp_path / "one"), "--method", "local", "--json"])
    assert found.exit_code == 0
    assert json.loads(found.stdout)["cases"][0]["state"] == DONE


def test_bad_cases_are_bad_input_of_the_batch_and_all_are_named(tmp_path: Path, command) -> None:
    out = tmp_path / "out"
    good = write_small_case(tmp_path / "A", TEXT)
    typo = write_small_case(tmp_path / "B", TEXT.replace("patient: T1", "patient: T2").replace("threshold", "treshold"))
    gone = write_small_case(tmp_path / "C", TEXT.replace("patient: T1", "patient: T3"))
    (tmp_path / "C" / "pet_96.nii.gz").unlink()
    other = tmp_path / "D.yaml"
    other.write_text("nonsense: 1\n")
    # one: the very message of `hevesy check`
    code, told, err = command("batch", typo, "--out", out, "--method", "local", "--quiet")
    assert (code, told, err) == (2, "", command("check", typo)[2]) and "unknown key 'treshold'" in err
    assert not out.exists()
    # several: all of them, and nothing is started
    for files, count in (((good, typo, gone), "2 of 3 cases are"), ((typo, good, other, gone), "3 of 4 files are")):
        code, told, err = command("batch", *files, "--out", out, "--method", "local")
        assert code == 2 and f"{count} refused" in err and "nothing was started" in err
        assert "unknown key 'treshold'" in err and "pet_96.nii.gz" in err
        assert ("is neither a cohort nor a case" in err) == (other in files)
        assert not out.exists()
    # so it is where a case that ran before has become bad
    assert command("batch", good, gone.parent / "../A/../A/case.yaml", "--out", out, "--quiet")[0] == 2  # of one name
    assert command("batch", good, "--out", out, "--method", "local", "--quiet")[0] == 0
    before = (out / "manifest.json").read_bytes()
    assert command("batch", good, gone, "--out", out, "--method", "local", "--quiet")[0] == 2
    assert (out / "manifest.json").read_bytes() == before


def test_a_case_that_cannot_be_divided_leaves_nothing_of_the_others(tmp_path: Path, command) -> None:
    out = tmp_path / "out"
    good = write_small_case(tmp_path / "A", TEXT.replace("decays: 40000", "decays: 4000"))
    bad = write_small_case(tmp_path / "B", TEXT.replace("patient: T1", "patient: T2"))
    (tmp_path / "B" / "pet_96.nii.gz").write_bytes(b"no image")
    words = ("batch", good, bad, "--out", out, "--shards", 2, "--backend", "cpu", "--quiet")
    code, told, err = command(*words)
    assert code == 2 and told == "" and "it is no NIfTI file" in err and "1 of 2 cases is refused" in err
    assert not out.exists()
    write_small_case(tmp_path / "B", TEXT.replace("patient: T1", "patient: T2").replace("40000", "4000"))
    assert command(*words)[0] == 0


def test_bad_flags_are_bad_input_of_the_batch(cohort: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["batch", str(cohort), "--out", str(tmp_path / "x"), "--method", "monte"])
    assert isinstance(found.exception, InputError) and "unknown dose method 'monte'" in str(found.exception)
    assert not (tmp_path / "x").exists()


def test_cohort_files_that_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "cohort.yaml"
    for text, message in (
        ("name: x\n", "is neither a cohort nor a case"),
        ("cases: []\n", "'cases' must be a list"),
        ("cases:\n  - {patient: A}\n", "names no case file"),
        ("cases:\n  - {pateint: A, case: a.yaml}\n", "unknown key 'pateint'"),
        ("case: a\ncases: [a.yaml]\n", "unknown key 'case'"),
        ("cases: [{patient: A, case: a.yaml}, {patient: a, case: b.yaml}]\n", "two cases are called 'a'"),
    ):
        file.write_text(text)
        with pytest.raises(InputError) as caught:
            load_trial([file])
        assert message in str(caught.value)
    file.write_text("cases: [one/case.yaml, two/second.yaml]\n")
    trial = load_trial([file])
    assert [one.name for one in trial.cases] == ["one", "second"]
    assert {one.arm for one in trial.cases} == {"all"}
    with pytest.raises(InputError, match="is a transport problem"):
        load_trial([tmp_path / "problem.npz"])


def test_workers_run_in_processes_of_their_own(cohort: Path, tmp_path: Path) -> None:
    trial = load_trial([cohort])
    done = run_batch(trial, tmp_path / "out", options=LOCAL, executor="processes", executor_options={"workers": 2})
    assert [one.state for one in done.cases] == [DONE, FAILED, DONE]
    one = run_batch(trial, tmp_path / "alone", options=LOCAL)
    for a, b in zip(done.complete, one.complete, strict=True):
        assert (a.folder / "lesions.csv").read_text() == (b.folder / "lesions.csv").read_text()
