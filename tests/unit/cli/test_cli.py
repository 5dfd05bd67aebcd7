"""The command line: exit codes, one clear message, JSON where a table is printed, and a fast start."""

import json
import subprocess
import sys
from types import SimpleNamespace

import hevesy
import numpy as np
import pytest
from hevesy.tests.patience import promised
from hevesy.tests.unit.small_case import TEXT, write_small_case


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    return write_small_case(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def problem_file(tmp_path_factory):
    """A block of water with one active voxel and the dose of another seed as its reference."""
    from hevesy.engine.dose.map import relative_source
    from hevesy.engine.imaging.tissue import materials
    from hevesy.engine.nuclides.decay import nuclide
    from hevesy.engine.transport.problem import Problem

    soft = materials()[7]
    source = np.zeros((9, 9, 9), np.float32)
    source[4, 4, 4] = 1.0
    problem = Problem(
        density_g_cm3=np.ones((9, 9, 9), np.float32),
        material=np.zeros((9, 9, 9), np.uint8),
        materials=(soft,),
        voxel_size_mm=(4.0, 4.0, 4.0),
        source=source,
        emission=nuclide("I-131").emission,
    )
    assert relative_source(problem).sum() == pytest.approx(1.0)
    result = hevesy.simulate(problem, decays=40_000, seed=77)
    path = tmp_path_factory.mktemp("problem") / "water.npz"
    from dataclasses import replace

    replace(problem, reference_dose=result.dose_gy_per_decay, reference_sigma=result.sigma_gy_per_decay).save(path)
    return path


def test_help_answers_at_once():
    """Where something heavy is imported at the start, it takes longer: 0.3 s without."""
    with promised(1.5):
        done = subprocess.run([sys.executable, "-m", "hevesy.cli.main", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for name in (
        "demo",
        "import",
        "check",
        "run",
        "simulate",
        "validate",
        "report",
        "info",
        "schema",
        "merge",
    ):
        assert name in done.stdout


def test_start_imports_nothing_heavy():
    code = (
        "import sys, hevesy.cli.main; "
        "print([m for m in ('numpy','numba','scipy','SimpleITK','pydicom','matplotlib','pint','pydantic') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_is_printed(command):
    assert command("--version")[:2] == (0, f"hevesy {hevesy.__version__}\n")


def test_bad_input_is_one_message_without_traceback_and_exit_2(command, tmp_path):
    path = tmp_path / "case.yaml"
    path.write_text(TEXT.replace("threshold", "treshold"))
    for name in ("check", "run"):
        code, out, err = command(name, path)
        assert code == 2
        assert out == ""
        assert "did you mean 'threshold'?" in err
        assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir()] == ["case.yaml"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("run", "x.yaml", "--metod", "mc"), "--method"),
        (("chek", "x.yaml"), "check"),
        (("run",), "case_file"),
    ],
)
def test_wrong_words_are_answered_with_the_nearest(command, words, hint):
    code, _, err = command(*words)
    assert code == 2
    assert hint in err


def test_missing_case_file(command, tmp_path):
    code, _, err = command("run", tmp_path / "nothing.yaml")
    assert code == 2
    assert "no such file" in err


def test_check_runs_nothing_and_tells_all(command, case_file):
    before = sorted(p.name for p in case_file.parent.iterdir())
    code, out, _ = command("check", case_file)
    assert code == 0
    for words in ("hot cube", "24", "I-124", "I-131", "memory", "assumption:", "Nothing was run"):
        assert words in out
    assert sorted(p.name for p in case_file.parent.iterdir()) == before
    code, out, _ = command("check", case_file, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["visits"][0]["scans"][1]["hours_after"] == 96
    assert found["visits"][0]["decays"] == found["visits"][0]["histories"] > 0  # the second is deprecated
    assert found["visits"][0]["lesions"][0]["volume_ml"] == pytest.approx(1.728, rel=1e-5)


def test_run_prints_the_lesion_table_and_the_verdict(command, case_file, tmp_path):
    code, out, err = command("run", case_file, "--out", tmp_path / "out", "--method", "local")
    assert code == 0
    assert "hot cube" in out
    assert "at least one lesion reaches 20 Gy" in out and "hot cube ≥ " in out  # not corrected for recovery
    assert (tmp_path / "out" / "report.html").exists()
    assert "%" in err  # progress, on standard error alone


def test_run_json_is_json_alone(command, case_file, tmp_path):
    code, out, err = command("run", case_file, "--out", tmp_path / "o", "--method", "mc", "--decays", "2e4", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["verdicts"][0]["verdict"] == "eligible"
    balance = found["visits"][0]["balance_mev_per_decay"]
    assert balance["emitted"] == pytest.approx(balance["deposited"] + balance["escaped"], rel=1e-12)
    assert found["visits"][0]["decays"] == found["visits"][0]["histories"] == 20_000  # the second is deprecated
    code, out, _ = command("report", tmp_path / "o")
    assert (code, "report.html" in out) == (0, True)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--method", "locl"), "did you mean 'local'?"),
        (("--decays", "many"), "is not a number of decays"),
        (("--until", "1%"), "'1%' is not a valid stop criterion"),
        (("--time-limit", "10"), "10 has no unit"),
        (("--backend", "opencl"), "is not a valid choice"),
    ],
)
def test_wrong_flag_values(command, case_file, tmp_path, flags, words):
    code, _, err = command("run", case_file, "--out", tmp_path / "out", *flags)
    assert code == 2
    assert words in err
    assert not (tmp_path / "out").exists()


def test_schema_is_printed_and_written(command, tmp_path):
    code, out, _ = command("schema")
    assert code == 0
    assert json.loads(out)["title"] == "hevesy case"
    assert command("schema", "-o", tmp_path / "s.json")[0] == 0
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(out)


def test_info_lists_versions_and_tables(command):
    code, out, _ = command("info", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["hevesy"]["version"] == hevesy.__version__
    assert len(found["data"]["physics.h5"].split()[1]) == 64
    assert found["machine"]["cores"] >= 1


def test_simulate_and_merge(command, problem_file, tmp_path):
    code, out, _ = command(
        "simulate", problem_file, "--decays", "2e4", "--seed", "5", "-o", tmp_path / "r.h5", "--json"
    )
    assert code == 0
    assert json.loads(out)["decays"] == json.loads(out)["histories"] == 20_000  # the second is deprecated
    result = hevesy.Result.load(tmp_path / "r.h5")
    again = hevesy.simulate(hevesy.Problem.load(problem_file), decays=20_000, seed=5, backend="cpu")
    np.testing.assert_array_equal(result.tally.energy_quanta, again.tally.energy_quanta)
    np.testing.assert_allclose(result.dose_gy_per_decay, again.dose_gy_per_decay, rtol=1e-12)
    code, _, err = command("merge", tmp_path / "r.h5", tmp_path / "r.h5", "-o", tmp_path / "m.h5")
    assert code == 2
    assert "r.h5: is given twice" in err
    assert not (tmp_path / "m.h5").exists()


def test_validate_passes_on_itself_and_fails_on_a_wrong_reference(command, problem_file, tmp_path):
    code, out, err = command("validate", problem_file, "--decays", "4e4", "--json")
    found = json.loads(out)
    assert code == 0, err
    assert found["passed"] is True
    from dataclasses import replace

    problem = hevesy.Problem.load(problem_file)
    wrong = tmp_path / "wrong.npz"
    replace(problem, reference_dose=problem.reference_dose * 1.1).save(wrong)
    code, out, _ = command("validate", wrong, "--decays", "4e4")
    assert code == 1
    assert out.rstrip().endswith("FAIL")


def test_validate_without_reference(command, problem_file, tmp_path):
    from dataclasses import replace

    plain = tmp_path / "plain.npz"
    problem = hevesy.Problem.load(problem_file)
    replace(problem, reference_dose=None, reference_sigma=None).save(plain)
    code, _, err = command("validate", plain)
    assert code == 2
    assert "holds no reference dose" in err


def test_import_does_not_overwrite(command, case_file, tmp_path):
    code, _, err = command("import", case_file.parent, "-o", case_file)
    assert code == 2
    assert "exists already" in err
    code, _, err = command("import", tmp_path / "nowhere", "-o", tmp_path / "c.yaml")
    assert code == 2
    assert "no such folder" in err


def test_first_interrupt_asks_and_second_insists():
    import signal

    from hevesy.cli.interrupt import Interrupted, stop_on_interrupt

    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted), stop_on_interrupt() as stop:
        assert not stop()  # before the images
        assert not stop()  # after the first batch
        signal.raise_signal(signal.SIGINT)
        assert stop()
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second signal did not end the run")
    assert signal.getsignal(signal.SIGINT) is former


def test_a_signal_that_comes_twice_at_once_asks_once(capsys, monkeypatch):
    """As from `timeout`, which signals a process and its group, and from a shell that ends with its terminal."""
    import signal

    from hevesy.cli import interrupt
    from hevesy.cli.interrupt import TOGETHER_S, Interrupted, stop_on_interrupt

    now = [1000.0]
    monkeypatch.setattr(interrupt, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for number in (signal.SIGTERM, signal.SIGHUP):
        with pytest.raises(Interrupted), stop_on_interrupt(before=-1) as stop:
            try:
                signal.raise_signal(number)
                now[0] += 0.9 * TOGETHER_S
                signal.raise_signal(number)
            except Interrupted:
                raise AssertionError("the same signal was taken for a second one") from None
            assert stop()
            assert capsys.readouterr().err.count("stopping; what is done is kept; press Ctrl-C again") == 1
            now[0] += 0.2 * TOGETHER_S
            signal.raise_signal(number)
            raise AssertionError("a later signal did not end the run")
    with pytest.raises(Interrupted), stop_on_interrupt(before=-1):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_before_the_first_batch_ends_at_once():
    import signal

    from hevesy.cli.interrupt import Interrupted, stop_on_interrupt

    with pytest.raises(Interrupted), stop_on_interrupt() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the signal did not end the run")


@pytest.mark.parametrize("flag", ["-o", "--out", "--output"])
def test_output_has_one_option_everywhere(command, case_file, problem_file, tmp_path, flag):
    result = tmp_path / "r.h5"
    calls = {
        "schema": ((), tmp_path / "s.json"),
        "simulate": ((problem_file, "--decays", "2000", "--quiet"), result),
        "merge": ((result,), tmp_path / "m.h5"),
        "run": ((case_file, "--method", "local", "--quiet"), tmp_path / "run"),
        "batch": ((case_file, "--method", "local", "--quiet"), tmp_path / "batch"),
        "cohort": (("--patients", "1", "--control", "0", "--truth", "sphere", "--voxel-mm", "16"), tmp_path / "trial"),
    }
    for name, (words, out) in calls.items():
        code, _, err = command(name, *words, flag, out)
        assert code == 0, err
        assert out.exists()
    for name in ("import", "demo"):  # refused for a reason that only a known option has
        code, _, err = command(name, *([tmp_path] if name == "import" else []), flag, result / "x")
        assert code == 2
        assert "No such option" not in err and "r.h5" in err


def test_help_shows_the_option_of_the_output_once(command):
    for name in ("import", "schema", "simulate", "merge", "run", "demo", "cohort", "batch"):
        code, out, _ = command(name, "--help")
        assert code == 0
        assert "--out " in out and "-o " in out and "--output" not in out


def test_verbose_on_either_side_of_the_command(command, case_file, monkeypatch):
    import logging

    for words in (("-v", "check", case_file), ("check", case_file, "-v"), ("check", "--verbose", case_file)):
        with monkeypatch.context() as patch:
            patch.setattr(logging.getLogger(), "handlers", [])
            _, _, err = command(*words)
        assert "INFO hevesy." in err
    with monkeypatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [])
        assert "INFO" not in command("check", case_file)[2]


def test_the_package_is_a_command():
    done = subprocess.run([sys.executable, "-m", "hevesy", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"hevesy {hevesy.__version__}\n")


def test_exit_codes_are_in_the_help(command):
    out = " ".join(command("--help")[1].split())
    assert "Exit codes: 0 done; 1 a check failed, a device failed during a run, or an import lacks a scan; 2 inv" in out


@pytest.mark.parametrize("name", ["cuda", "gpu"])
def test_a_backend_that_cannot_run_is_refused_before_any_image(command, case_file, tmp_path, monkeypatch, name):
    from hevesy.kernels.backends import cuda_probe

    def none():
        raise cuda_probe.CudaUnavailable("no device here", "use the CPU")

    def unread(*_, **__):
        raise AssertionError("an image was read")

    monkeypatch.setattr(cuda_probe, "devices", none)
    monkeypatch.setattr("hevesy.engine.imaging.volumes.read_file", unread)
    file = case_file.with_name(f"{name}.yaml")
    file.write_text(case_file.read_text().replace("until: null", f"until: null, backend: {name}"))
    for words in (("run", case_file, "--backend", name, "-o", tmp_path / "o"), ("check", file)):
        code, _, err = command(*words)
        assert code == 2
        assert "backend 'cuda' cannot run here" in err and "no device here" in err
    # deposition where the decay is simulates nothing
    monkeypatch.undo()
    monkeypatch.setattr(cuda_probe, "devices", none)
    assert command("run", case_file, "--backend", name, "--method", "local", "-o", tmp_path / "local")[0] == 0


def test_what_was_written_is_listed_as_it_is(command, case_file, tmp_path):
    text = case_file.read_text()
    visit = text[text.index("  - name: baseline") : text.index("transport:")]
    two = case_file.with_name("two.yaml")
    two.write_text(text.replace("transport:", visit.replace("baseline", "later") + "transport:"))
    for file in (case_file, two):
        out = tmp_path / file.stem
        code, printed, _ = command("run", file, "--method", "local", "-o", out, "--quiet")
        assert code == 0
        names = printed.rsplit(": ", 1)[1].strip().split(", ")
        assert names
        assert all((out / name).exists() for name in names)
        assert ("report.html" in names) is (out / "report.html").exists()
