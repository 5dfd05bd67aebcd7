"""Coverage-guided fuzzing of the parsers that are Python: atheris mutates bytes towards code that it has not yet seen.

Atheris (https://github.com/google/atheris) is there for Linux and some versions of Python; without it this part says
so and does nothing.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: File that a target reads, by the kind of input.
TARGETS = {
    "case": "case.yaml", "cohort": "cohort.yaml", "job": "job.json", "manifest": "manifest.json", "sidecar": "pet.json",
    "recovery-curve": "t.csv", "ct-calibration": "t.csv", "samples": "t.csv", "voxel-s-table": "t.csv",
    "problem": "p.npz", "nifti": "a.nii", "nrrd": "a.nrrd", "metaimage": "a.mha", "archive": "all.zip",
}  # fmt: skip
#: Inputs to begin with, longest input [bytes], memory [MB], time for one input [s].
SEEDS, LONGEST, MEMORY_MB, LIMIT_S = 40, 8192, 3072, 20


def guide(target: str, seconds: float, out: Path) -> tuple[int, str]:
    """Fuzz one parser in a process of its own.

    Parameters
    ----------
    target
        One of `TARGETS`.
    seconds
        For how long.
    out
        Folder of the corpus, which a later run goes on from, and of what was found.

    Returns
    -------
    (int, str)
        Inputs that were read; where the input lies that did not end as it may, empty where all did.
    """
    if importlib.util.find_spec("atheris") is None:
        print(f"coverage-guided {target}: not done, atheris is not installed (pip install '.[fuzz]')")
        return 0, ""
    corpus = out / target
    corpus.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "hevesy.tools.fuzz.guided", target, str(seconds), str(corpus), f"{out}/{target}-"]
    ended = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    told = ended.stdout + ended.stderr
    counts = re.findall(r"stat::number_of_executed_units:\s*(\d+)|Done (\d+) runs", told)
    executed = max((int(a or b) for a, b in counts), default=0)
    if ended.returncode == 0:
        return executed, ""
    (out / f"{target}.log").write_text(told[-20_000:], encoding="utf-8")
    named = re.search(r"Test unit written to (\S+)", told)
    return executed, named[1] if named else f"{out / target}.log"


def main(target: str, seconds: str, corpus: str, artifacts: str) -> None:
    """What runs inside the process: instrument the readers, then read what atheris makes."""
    import atheris

    with atheris.instrument_imports(include=["hevesy.engine", "zipfile"]):
        from .registry import KINDS, sample_of
    from .judge import judge
    from .sample import Sample

    kind, name = KINDS[target], TARGETS[target]
    work = Path(tempfile.mkdtemp(prefix="hevesy-guided-"))
    others: dict[str, bytes] = {}
    for number in range(SEEDS):
        sample = sample_of(kind, number)
        if name in sample.files:
            (Path(corpus) / f"seed-{number}").write_bytes(sample.files[name][:LONGEST])
            others = {key: data for key, data in sample.files.items() if key != name}

    def one(data: bytes) -> None:
        folder = work / "one"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        outcome = judge(kind, Sample("guided", {**others, name: data}), folder, memory=False, limit_s=LIMIT_S)
        if not outcome.right:
            raise RuntimeError(f"{outcome.word}: {outcome.text}")

    flags = [
        f"-max_total_time={float(seconds):.0f}", f"-artifact_prefix={artifacts}", f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={LONGEST}", f"-timeout={LIMIT_S + 20}", "-print_final_stats=1", corpus,
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *flags], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
