"""Work divided into named parts whose numbers are stored, so that a long run can be stopped, resumed and divided."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from hevesy.engine.text import plain

Part = dict[str, Any]


def made_parts(
    names: Sequence[str],
    make: Callable[[str], Part],
    key: Sequence[Any],
    folder: Path | None = None,
    *,
    jobs: int = 1,
    time_limit_s: float | None = None,
) -> Iterator[Part]:
    """Each part: the stored ones, then the others when they are ready.

    Parameters
    ----------
    names
        Names of the parts.
    make
        What makes a part from its name; with several `jobs` it goes to other processes.
    key
        Settings in which a stored part must agree; else it is made again.
    folder
        Where parts are stored and looked for; None for neither.
    jobs
        Parts at a time, each in a process of its own.
    time_limit_s
        No other part is begun after this time [s].
    """
    start = time.monotonic()
    todo = []
    for name in names:
        kept = _kept(name, key, folder)
        if kept is None:
            todo.append(name)
        else:
            yield kept
    if jobs == 1 or len(todo) < 2:
        for number, name in enumerate(todo):
            if number and time_limit_s is not None and time.monotonic() - start > time_limit_s:
                return
            yield _stored(name, make, key, folder)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread) as pool:
        futures = [pool.submit(_stored, name, make, key, folder) for name in todo]
        for future in as_completed(futures):
            if not future.cancelled():
                yield future.result()
            if time_limit_s is not None and time.monotonic() - start > time_limit_s:
                for other in futures:
                    other.cancel()


def _one_thread() -> None:
    os.environ["HEVESY_THREADS"] = "1"


def _kept(name: str, key: Sequence[Any], folder: Path | None) -> Part | None:
    """A part from a run before, if it is of the same settings."""
    file = None if folder is None else folder / f"{name}.json"
    if file is None or not file.is_file():
        return None
    part: Part = json.loads(file.read_text(encoding="utf-8"))
    return part if part["key"] == plain(list(key)) else None


def _stored(name: str, make: Callable[[str], Part], key: Sequence[Any], folder: Path | None) -> Part:
    """Make a part, and store it if there is a folder for it."""
    begun = time.process_time()
    made = make(name)
    part: Part = plain({"name": name, "key": list(key), "cpu_time_s": time.process_time() - begun, **made})
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        begun_file = folder / f".{name}.{os.getpid()}"
        begun_file.write_text(json.dumps(part) + "\n", encoding="utf-8")
        begun_file.replace(folder / f"{name}.json")  # whole or not there, whenever the run is stopped
    return part
