"""JSON records: jobs, status and manifest of batches, sidecars of PET, names of labels."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

from ....engine.batch.job import read_record
from ....engine.batch.manifest import job_folder, read_job, read_manifest
from ....engine.batch.status import JobStatus
from ....engine.cohort.cohort_file import folder_name
from ....engine.imaging.masks.label_names import titles_of
from ....engine.imaging.pet.sidecar import read_sidecar
from ....engine.text import shown_name
from ..damage import damaged, encoded, odd_value, reworded, transplanted
from ..sample import Kind, Reading, Sample
from .case import shuffled

PAYLOAD = b"payload"
JOB: dict[str, Any] = {
    "format": "hevesy-batch-job", "format_version": 1, "name": "shard-0001", "kind": "shard", "whole": "problem",
    "seed": 7, "backend": "cpu", "first_batch": 10, "batches": 5, "batch_histories": 1000, "input_hash": "ab" * 32,
    "version": "0.1.0", "commit": "abc", "code_hash": "ef" * 32, "table_hashes": {"photons": "cd" * 32},
    "files": {"problem.npz": hashlib.sha256(PAYLOAD).hexdigest()},
}  # fmt: skip
STATUS: dict[str, Any] = {
    "state": "done", "attempts": 2, "host": "node1", "pid": 4711, "executor_id": "12_3",
    "started": "2026-01-05T09:00:00+00:00", "ended": "2026-01-05T10:00:00+00:00", "wall_time_s": 3600.0,
    "transport_s": 3500.5, "decays": 5000, "message": "",
}  # fmt: skip
MANIFEST: dict[str, Any] = {
    "format": "hevesy-batch", "format_version": 1, "title": "trial", "created": "2026-01-05T09:00:00+00:00",
    "version": "0.1.0", "commit": "abc", "code_hash": "ef" * 32, "table_hashes": {"photons": "cd" * 32},
    "wholes": [
        {"name": "problem", "case": "", "visit": "", "therapy": "", "input_hash": "ab" * 32, "seed": 7,
         "batches": 15, "batch_histories": 1000, "jobs": ["shard-0001", "shard-0002"]},
    ],
    "jobs": {"shard-0001": "ab" * 32, "shard-0002": "cd" * 32}, "executor": "here", "options": {"threads": "2"},
}  # fmt: skip
SIDECAR: dict[str, Any] = {
    "Units": "Bq/mL", "TracerRadionuclide": "I124", "RadionuclideHalfLife": 360806.4, "InjectedRadioactivity": 74.0,
    "InjectedRadioactivityUnits": "MBq", "PatientWeight": 75.0, "TimeZero": "09:00:00", "ScanStart": 86400.0,
    "InjectionStart": 0.0, "FrameTimesStart": [0.0], "FrameDuration": [1200.0], "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 86400.0, "ManufacturersModelName": "Scanner", "DecayFactor": [1.0],
}  # fmt: skip
NAMES: dict[str, Any] = {"1": {"name": "hot cube", "site": "node"}, "2": "left kidney", "3": {"name": "liver"}}
#: Ways out of a folder.
WAYS = ("../x", "..", ".", "/etc/passwd", "a/b", "a\\b", "", "x" * 200, "a\0b", "-x", "a b", "a\n", "C:x", "~", ".x")


def _text(data: Any, rng: Random) -> str:
    return json.dumps(data, indent=rng.choice((None, 1, 4)), ensure_ascii=rng.choice((True, False)))


def mutated(base: dict[str, Any], file: str, rng: Random, others: dict[str, bytes]) -> Sample:
    """A record changed in one way; ``truth["record"]`` is the base where its meaning is the same."""
    kind = rng.randrange(8)
    if kind == 0:
        content = encoded(_text(shuffled(base, rng), rng), rng)
        return Sample("the same meaning", {**others, file: content}, {"record": base}, must="read")
    if kind == 1:
        key = rng.choice([key for key, value in base.items() if isinstance(value, int | float)] or [""])
        if key and not isinstance(base[key], bool):
            value = rng.choice((0, 1, 2, 17, 10**6, 2**31, 2**63)) if isinstance(base[key], int) else rng.random() * 1e5
            text = _text({**base, key: value}, rng)
            return Sample("a number", {**others, file: text.encode()}, {"record": {**base, key: value}})
    if kind == 2:
        key = rng.choice(list(base))
        text = _text(base, rng).rstrip()[:-1] + f", {json.dumps(key)}: {json.dumps(odd_value(rng), default=str)}}}"
        return Sample("a key twice", {**others, file: text.encode("utf-8", "surrogatepass")})
    if kind == 3:
        deep = rng.choice(("[", '{"a":')) * rng.randrange(500, 100_000)
        text = rng.choice((deep, _text(base, rng)[:-1] + f', "x": {deep}', "9" * 100_000, f'{{"seed": {"9" * 5000}}}'))
        return Sample("without end", {**others, file: text.encode()}, must="refuse")
    if kind < 6:
        text = _text(transplanted(base, rng), rng)
        return Sample("a value, key or item", {**others, file: text.encode("utf-8", "surrogatepass")})
    if kind == 6:
        return Sample("text", {**others, file: reworded(_text(base, rng), rng).encode("utf-8", "surrogatepass")})
    return Sample("bytes", {**others, file: damaged(_text(base, rng).encode(), rng)})


def generate_job(rng: Random) -> Sample:
    """A job file; the file that it names is there, and a way out leads to one too."""
    if rng.randrange(6) == 0:
        way = rng.choice(WAYS)
        key = rng.choice(("files", "name"))
        base = {**JOB, key: {way: hashlib.sha256(PAYLOAD).hexdigest()} if key == "files" else way}
        return Sample("a way out", {"job.json": json.dumps(base).encode(), "problem.npz": PAYLOAD}, must="refuse")
    return mutated(JOB, "job.json", rng, {"problem.npz": PAYLOAD})


def read_a_job(folder: Path) -> Reading:
    """The job, its files compared with their hashes."""
    job = read_job(folder)
    for name in job.files:
        assert (folder / name).resolve().parent == folder.resolve(), f"{name} is outside"
    return {"record": job.model_dump(mode="json", exclude_unset=True)}


def generate_status(rng: Random) -> Sample:
    """A status file."""
    return mutated(STATUS, "status.json", rng, {})


def read_a_status(folder: Path) -> Reading:
    """What became of a job."""
    return {"record": read_record(folder / "status.json", JobStatus).model_dump(mode="json", exclude_unset=True)}


def generate_manifest(rng: Random) -> Sample:
    """A manifest."""
    if rng.randrange(5) == 0:
        way, key = rng.choice(WAYS), rng.randrange(4)
        whole = dict(MANIFEST["wholes"][0])
        base = {**MANIFEST, "jobs": {way: "ab" * 32}} if key == 0 else MANIFEST
        if key:
            whole[("jobs", "name", "case")[key - 1]] = [way] if key == 1 else way
            base = {**MANIFEST, "wholes": [whole]}
        return Sample("a way out", {"manifest.json": json.dumps(base).encode()})
    return mutated(MANIFEST, "manifest.json", rng, {})


def read_a_manifest(folder: Path) -> Reading:
    """The manifest; nothing in it leads out of its folder."""
    manifest = read_manifest(folder)
    inside = folder.resolve()
    for name in (*manifest.jobs, *(name for whole in manifest.wholes for name in whole.jobs)):
        assert job_folder(folder, name).resolve().is_relative_to(inside), f"{name!r} leads out"
    for whole in manifest.wholes:  # what a folder is made of these names is called
        assert (folder / folder_name(whole.case)).resolve().parent == inside, f"{whole.case!r} leads out"
    return {"record": manifest.model_dump(mode="json", exclude_unset=True)}


def generate_sidecar(rng: Random) -> Sample:
    """A sidecar of a PET."""
    return mutated(SIDECAR, "pet.json", rng, {"pet.nii.gz": b""})


def read_a_sidecar(folder: Path) -> Reading:
    """What a sidecar states, by its own keys."""
    facts, _ = read_sidecar(folder / "pet.nii.gz")
    stated = facts.model_dump(by_alias=True, exclude_unset=True)
    return {"record": stated}


def generate_names(rng: Random) -> Sample:
    """Names of the labels of a map."""
    return mutated(NAMES, "map.json", rng, {"map.nii.gz": b""})


def read_names(folder: Path) -> Reading:
    """Names by label; nothing comes back that cannot be printed."""
    titles = titles_of(folder / "map.nii.gz")
    names = {str(label): name for (_, label), name in titles.names.items()}
    assert all(shown_name(name) == name for name in names.values()), names
    return {"record": NAMES if names == {"1": "hot cube", "2": "left kidney", "3": "liver"} else names}


KINDS = (
    Kind("job", generate_job, read_a_job, 10),
    Kind("status", generate_status, read_a_status, 6),
    Kind("manifest", generate_manifest, read_a_manifest, 8),
    Kind("sidecar", generate_sidecar, read_a_sidecar, 10),
    Kind("label-names", generate_names, read_names, 8),
)
