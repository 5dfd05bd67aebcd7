"""The scripts that Slurm runs: an array of tasks over a list of job folders, and the merge that follows it.

All paths in them are relative to the folder of the batch, so that they hold on every node that sees it.
"""

from __future__ import annotations

import re

from .slurm_request import SlurmRequest, is_for_gpus, quoted, shell_command

ARRAY_SCRIPT, MERGE_SCRIPT, LIST_FILE = "array.sh", "merge.sh", "jobs.txt"

_HEAD = """#!/bin/bash
# {about}
# Slurm needs nothing but this file and the folder of the batch, the one with manifest.json: there
#   {submit}
{directives}

# Slurm runs a copy of this file. It starts where sbatch was called, and can say where the file lay.
home={home}
if [ ! -f "$home/{list_file}" ]; then
  script=$(scontrol show job "{job_id}" | sed -n 's/^ *Command=//p' | head -n 1)
  cd "$(dirname "$script")/../.." || exit 2
  if [ ! -f "$home/{list_file}" ]; then
    echo "no $home/{list_file}: submit this script from the folder of the batch" >&2
    exit 2
  fi
fi
{setup}"""

_ARRAY = """
tasks={tasks}
mapfile -t folders <"$home/{list_file}"
mine=()
for ((number = SLURM_ARRAY_TASK_ID; number < ${{#folders[@]}}; number += tasks)); do
  mine+=("${{folders[number]}}")
done

# Slurm warns this shell alone before the time limit (USR1): hevesy saves a checkpoint, and the task is requeued. At the
# end of a task (cancelled, preempted) it sends TERM to every process. bash runs a trap only while it waits.
asked='' child='' signalled=''
on_signal() {{
  asked=$1 signalled=1
  if [ -n "$child" ]; then kill -USR1 "$child" 2>/dev/null; fi
}}
trap 'on_signal limit' USR1
trap 'on_signal end' TERM

{command} job "${{mine[@]}}" --quiet --threads "${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}" &
child=$!
if [ -n "$asked" ]; then kill -USR1 "$child" 2>/dev/null; fi
# a signal ends a wait before the command has ended; 127 says that a former wait had its code
code=''
until [ -n "$code" ] && [ -z "$signalled" ]; do
  signalled=''
  wait "$child" 2>/dev/null
  ended=$?
  if [ -z "$code" ] || [ "$ended" -ne 127 ]; then code=$ended; fi
done
child=''

# 1 and 2: a job failed by itself, and all have been tried
if [ "$code" -gt 2 ]; then
  echo "hevesy ended with code $code" >&2
  if [ "$asked" = limit ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {max_requeues} ]; then
    echo "time limit: requeued, to resume from the checkpoint" >&2
    trap '' TERM # which comes with the requeue
    # not $SLURM_JOB_ID, which in one of the tasks is the number of the whole array
    scontrol requeue "{job_id}" && exit 0
  fi
  echo "not requeued; resume by: hevesy retry" >&2
fi
exit "$code"
"""

_MERGE = """
exec {command} merge .
"""


def array_script(request: SlurmRequest, *, title: str, home: str, tasks: int) -> str:
    """The script of an array: task ``i`` runs the jobs ``i``, ``i + tasks``, ... of the list beside it.

    Parameters
    ----------
    request
        What is asked of Slurm.
    title
        Of the batch, for the name of the job.
    home
        Folder of this submission, relative to that of the batch.
    tasks
        Tasks of the array.

    Returns
    -------
    str
        The whole file.
    """
    limit = f"%{request.max_concurrent}" if request.max_concurrent else ""
    lines = [
        f"--job-name={job_name(title)}",
        f"--array=0-{tasks - 1}{limit}",
        "--requeue",
        "--open-mode=append",
        f"--signal=B:USR1@{request.warning_s}",
        *_options(request),
    ]
    job_id = "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    head = _head(request, lines, home=home, job_id=job_id, about=f"Jobs of a batch of hevesy: {one_line(title)}",
                 submit=f"sbatch {home}/{ARRAY_SCRIPT}")  # fmt: skip
    return head + _ARRAY.format(
        tasks=tasks,
        list_file=LIST_FILE,
        command=shell_command(request),
        job_id=job_id,
        max_requeues=request.max_requeues,
    )


def merge_script(request: SlurmRequest, *, title: str, home: str) -> str:
    """The script of the merge that depends on an array; parameters as of :func:`array_script`.

    Returns
    -------
    str
        The whole file. It asks for no GPU.
    """
    options = [line for line in _options(request) if not is_for_gpus(line)]
    lines = [f"--job-name={job_name(title)}-merge", "--open-mode=append", *options]
    head = _head(request, lines, home=home, job_id="$SLURM_JOB_ID", about=f"Merge of a batch: {one_line(title)}",
                 submit=f"sbatch --dependency=afterany:ARRAY {home}/{MERGE_SCRIPT}")  # fmt: skip
    return head + _MERGE.format(command=shell_command(request))


def job_name(title: str) -> str:
    """The name of the array in the queue, in plain characters."""
    return "hevesy-" + (re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-")[:40] or "batch")


def one_line(title: str) -> str:
    """A title within a comment."""
    return "".join(sign if sign.isprintable() else " " for sign in title)


def _options(request: SlurmRequest) -> list[str]:
    """Options that both scripts have; those of the user last, where they prevail."""
    named = {
        "partition": request.partition,
        "account": request.account,
        "time": request.time_limit,
        "gres": request.gres,
        "cpus-per-task": request.cpus,
        "mem": request.memory,
    }
    return [*(f"--{name}={quoted(str(v))}" for name, v in named.items() if v is not None), *request.extra]


def _head(request: SlurmRequest, lines: list[str], **places: str) -> str:
    """What both scripts begin with."""
    directives = "\n".join(f"#SBATCH {line}" for line in lines)
    setup = "".join(f"{line}\n" for line in request.setup)
    return _HEAD.format(directives=directives, setup=setup, list_file=LIST_FILE, **places)
