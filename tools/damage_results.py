"""Damage a result file in many ways and read it: every damage is refused, or changes nothing of what is read.

Run as ``python -m hevesy.tools.damage_results [RESULT] --bytes 2000 --seed 1``; ``--bytes 0`` changes each byte once.
Without a result a small one is simulated. The HDF5 library may end the process that reads: it is counted, in a process
of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.errors import InputError
from ..engine.results.result import Result
from ..engine.simulation import simulate
from ..phantoms.problems import point_source

OUTCOMES = {"r": "refused", "s": "the same", "c": "CHANGED", "o": "another error"}


def everything(value: Any) -> Any:
    """All that a result holds, in a form that can be compared.

    Parameters
    ----------
    value
        A result, or a part of one.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if dataclasses.is_dataclass(value):
        return {field.name: everything(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: everything(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [everything(item) for item in value]
    return repr(value)


def damaged_copies(file: Path, to: Path, rng: random.Random, bytes_: int, cuts: int) -> Iterator[Path]:
    """Write damaged copies of a file, one after another, to the same place.

    Parameters
    ----------
    file, to
        The whole file, and where the copies go.
    rng
        Chooses what is damaged.
    bytes_
        How many bytes are changed, every second one by one bit; 0 for each byte of the file.
    cuts
        How many lengths the file is cut to.

    Yields
    ------
    Path
        ``to``, each time with another damage.
    """
    whole = file.read_bytes()
    places = range(len(whole)) if not bytes_ else [rng.randrange(len(whole)) for _ in range(bytes_)]
    for number, place in enumerate(places):
        content = bytearray(whole)
        content[place] ^= 1 << rng.randrange(8) if number % 2 else rng.randrange(1, 256)
        to.write_bytes(content)
        yield to
    for _ in range(cuts):
        to.write_bytes(whole[: rng.randrange(len(whole))])
        yield to


def _read(file: Path, good: Any) -> str:
    try:
        return "s" if everything(Result.load(file)) == good else "c"
    except InputError:
        return "r"
    except Exception as error:
        print(repr(error)[:200], flush=True)
        return "o"


def main(words: list[str] | None = None) -> int:
    """Print how many damages had which outcome; 1 where one changed a number or ended in anything but a message."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    parser.add_argument("--bytes", type=int, default=2000, dest="bytes_")
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        file = given.result or Path(folder) / "result.h5"
        if given.result is None:
            simulate(point_source("I-131", voxel_mm=3.0, voxels=5), 20_000, backend="cpu").save(file)
        good, counts, ended = everything(Result.load(file)), dict.fromkeys(OUTCOMES, 0), 0
        copies = damaged_copies(file, Path(folder) / "damaged.h5", random.Random(given.seed), given.bytes_, given.cuts)
        for copy in copies:
            outcome = _in_a_process(copy, good)
            ended += not outcome
            if outcome:
                counts[outcome] += 1
    print(", ".join(f"{OUTCOMES[key]} {count}" for key, count in counts.items()), f"; processes ended: {ended}")
    return int(bool(counts["c"] or counts["o"] or ended))


def _in_a_process(file: Path, good: Any) -> str:
    """Outcome of reading a file, empty where that ended the process."""
    end, start = os.pipe()
    child = os.fork()
    if not child:
        os.write(start, _read(file, good).encode())
        os._exit(0)
    os.close(start)
    outcome = os.read(end, 1).decode()
    os.close(end)
    os.waitpid(child, 0)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
