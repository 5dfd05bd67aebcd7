"""Shards on several devices of one machine, under the emulated driver: one worker for each, and its device alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hevesy.tests.gates import cuda_batch, emulated
from hevesy.tools import driver

SCRIPT = str(Path(cuda_batch.__file__))
TWO_GPUS, GPU_AND_CPU = "cuda:0,cuda:1", "cuda:1,cpu"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    ended = emulated.session().run([SCRIPT, str(folder), TWO_GPUS, GPU_AND_CPU], driver.Settings(devices=2))
    assert ended.code == 0, ended.err[-3000:]
    return json.loads(ended.out)


def test_two_gpus_share_the_jobs_and_give_the_undivided_run(found):
    both = found[TWO_GPUS]
    assert {job["state"] for job in both["jobs"]} == {"done"}, both
    assert {job["by"] for job in both["jobs"]} == {"worker 1 (cuda:0)", "worker 2 (cuda:1)"}
    assert (both["planned"], both["backend"], both["complete"], both["residual"]) == ("cuda", "cuda", True, 0)
    assert both["hash"] == found["undivided"]["hash"]


def test_each_worker_sees_its_device_alone(found):
    """The undivided run used both devices, and the same numbers came of it."""
    assert found["undivided"]["device"].startswith("2 x Emulated GPU")
    assert all(job["device"].startswith("Emulated GPU") for job in found[TWO_GPUS]["jobs"])


def test_a_gpu_and_the_cpu_share_a_batch_that_says_so(found):
    mixed = found[GPU_AND_CPU]
    assert {job["state"] for job in mixed["jobs"]} == {"done"}, mixed
    assert {(job["by"], job["backend"]) for job in mixed["jobs"]} == {
        ("worker 1 (cuda:1)", "cuda"), ("worker 2 (cpu)", "cpu"),
    }  # fmt: skip
    assert mixed["planned"] == "mixed" and mixed["decays"] == cuda_batch.DECAYS
    assert (mixed["complete"], mixed["residual"]) == (True, 0)
    assert mixed["backend"] == "cuda+cpu"
    assert any("several backends" in note for note in mixed["notes"])
