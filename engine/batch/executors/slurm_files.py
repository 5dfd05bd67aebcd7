"""The files of a submission to Slurm: its scripts and its list, in a folder of its own; and how they are shown."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ...files import write_text
from ..manifest import MANIFEST_FILE, Manifest, job_folder
from . import slurm_queue as queue
from .slurm_request import SlurmRequest
from .slurm_script import ARRAY_SCRIPT, LIST_FILE, MERGE_SCRIPT, array_script, merge_script

SCRIPTS_FOLDER = "slurm"


def written(out: Path, manifest: Manifest, request: SlurmRequest, names: Sequence[str]) -> tuple[str, int]:
    """Write the scripts of a submission: their folder, relative to that of the batch, and the tasks of the array."""
    most = min(queue.max_array_size(), request.max_tasks or len(names))
    tasks = min(most, len(names))
    # the name says which batch: a script that is started in another one finds nothing there
    token = hashlib.sha256((out / MANIFEST_FILE).read_bytes()).hexdigest()[:8]
    former = (re.match(r"(\d{3,8})-", path.name, re.A) for path in (out / SCRIPTS_FOLDER).iterdir())
    number = 1 + max((int(match[1]) for match in former if match), default=0)
    home = f"{SCRIPTS_FOLDER}/{number:03d}-{token}"
    (out / home).mkdir(parents=True)
    relative = [job_folder(Path(), name).as_posix() for name in names]
    texts = {
        LIST_FILE: "".join(f"{folder}\n" for folder in relative),
        ARRAY_SCRIPT: array_script(request, title=manifest.title, home=home, tasks=tasks),
        MERGE_SCRIPT: merge_script(request, title=manifest.title, home=home),
    }
    for name, text in texts.items():
        write_text(out / home / name, text)
    return home, tasks


def shown(out: Path, home: str) -> list[str]:
    """What a dry run shows: the scripts, and how they are submitted by hand."""
    array, merge = f"{home}/{ARRAY_SCRIPT}", f"{home}/{MERGE_SCRIPT}"
    return [
        *(out / array).read_text(encoding="utf-8").splitlines(),
        "",
        f"# {merge}",
        *(out / merge).read_text(encoding="utf-8").splitlines(),
        "",
        "# nothing was submitted; in the folder of the batch:",
        f"#   array=$(sbatch --parsable {array})",
        f"#   sbatch --dependency=afterany:$array {merge}",
    ]


def own_command(request: SlurmRequest) -> tuple[str, ...]:
    """How this hevesy is called on a node: by its name where that is found, else by this interpreter."""
    if request.setup or request.image:  # these bring one
        return ("hevesy",)
    on_path = shutil.which("hevesy")
    same = on_path is not None and Path(on_path).absolute().parent == Path(sys.executable).absolute().parent
    return ("hevesy",) if same else (sys.executable, "-m", "hevesy")
