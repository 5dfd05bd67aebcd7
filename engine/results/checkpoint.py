"""The sums of a run on disk while it runs: a file that is whole or not there, and says which run it is of."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ..archive import Archive
from ..errors import InputError
from ..files import parse_json, written_whole
from ..text import plain
from ..transport.checkpoints import Checkpoints
from ..transport.options import PhysicsOptions
from ..transport.problem import Problem
from ..transport.tally import BALANCE, Tally
from ..work_folder import work_folder
from .identity import RunIdentity, changed

log = logging.getLogger(__name__)

FORMAT, FORMAT_VERSION = "hevesy-checkpoint", 1
#: Seconds between checkpoints by default [s].
EVERY_S = 60.0
#: Arrays of a tally, and their types.
ARRAYS = {"energy_quanta": "<i8", "energy_quanta_squared": "<u8", "region_quanta": "<i8", "batch_ids": "<i8"}
#: What else a tally says, as JSON.
FACTS = (
    "batch_histories", "balance", "counters", "region_names", "seed", "backend", "device", "threads", "wall_time_s",
    "cpu_time_s", "complete", "stopped_by", "options",
)  # fmt: skip

Regions = Sequence[np.ndarray] | np.ndarray | None


class CheckpointFile:
    """The checkpoint of one transport, and the one before it until the new one is whole.

    Parameters
    ----------
    path
        The file. The one before it has ``.previous`` before the ending.
    every_s
        Shortest time between two [s]; None: none is saved.
    finished
        Whether a transport that is complete is saved too, because more work follows before there is a result.
    strict
        Whether one that cannot be used is an error; else the log says so and the transport begins anew.
    superseded
        Checkpoints of another run, removed as soon as this one has a checkpoint of its own.
    """

    def __init__(
        self,
        path: Path,
        every_s: float | None = EVERY_S,
        *,
        finished: bool = False,
        strict: bool = True,
        superseded: list[Path] | None = None,
    ) -> None:
        self.path, self.every_s, self.finished, self.strict = Path(path), every_s, finished, strict
        self.previous = self.path.with_name(f"{self.path.stem}.previous{self.path.suffix}")
        self._superseded = [] if superseded is None else superseded
        self._keeps_former = not self._superseded

    @property
    def files(self) -> list[Path]:
        """The checkpoint and the one before it, those that are there, of whichever run."""
        return [path for path in (self.path, self.previous) if path.exists()]

    def load(self, problem: Problem, weights: Regions = None) -> Tally | None:
        """The sums of a run that has ended in whichever way.

        Parameters
        ----------
        problem
            The problem as it is now.
        weights
            The regions as they are now, uint8 (n, nz, ny, nx), where they are not the problem's own.

        Returns
        -------
        Tally or None
            Whole batches; None when there is no checkpoint. One that cannot be used is passed over, which the log
            says, for the one before it.

        Raises
        ------
        InputError
            None of them can be used: they are damaged, or of another problem, regions, tables or code.
        """
        refusals: list[InputError] = []
        files = self.files
        now = RunIdentity.now(problem, weights) if files else None
        for path in files:
            try:
                was, tally = _read(path)
                assert now is not None
                was.check_same(now)
                if tally.energy_quanta.shape != np.shape(problem.density_g_cm3):
                    raise changed("the grid is not that of the stopped run", "input_hash")
            except InputError as refusal:
                refusals.append(refusal)
                continue
            for newer in refusals:
                log.warning("%s; the one before it is used", newer.problem)
            return tally
        if refusals and self.strict:
            raise refusals[0]
        for useless in refusals:
            log.warning("%s; what it held is simulated again", useless.problem)
        return None

    def saving(self, problem: Problem, weights: Regions = None) -> Checkpoints | None:
        """What a transport of this problem saves its sums with; None where it does not. Arguments of :meth:`load`."""
        if self.every_s is None:
            return None
        identity = RunIdentity.now(problem, weights)
        return Checkpoints(lambda tally: self.save(identity, tally), self.every_s, finished=self.finished)

    def save(self, identity: RunIdentity, tally: Tally) -> None:
        """Save whole batches; at every moment a good checkpoint is there, once there was one.

        Parameters
        ----------
        identity
            Of the run.
        tally
            Its sums so far.

        Raises
        ------
        OSError
            A disk that is full or fails; the checkpoint before is still there.
        """
        with written_whole(self.path) as part:
            _write(part, identity, tally)
            if self._keeps_former and self.path.exists():
                self.path.replace(self.previous)
        self._keeps_former = True
        while self._superseded:
            other = self._superseded.pop()
            if other != self.path:
                other.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the checkpoint: its sums are in a result. The folder goes too where nothing else is in it."""
        _remove(self.path.parent, (self.path.name, self.previous.name))


class RunCheckpoints:
    """The checkpoints of a run of a case: one for each therapy, visit and method that simulates.

    Parameters
    ----------
    folder
        The working folder of the run.
    every_s
        Shortest time between two checkpoints of one transport [s]; None: none is saved.
    resume
        Whether those of a run that has ended are taken up. Else they stay until this run has one of its own.
    """

    def __init__(self, folder: Path, every_s: float | None, *, resume: bool) -> None:
        self.folder, self.every_s, self.resume = folder, every_s, resume
        self.left = sorted(folder.glob("therapy-*.npz"))
        self._superseded = [] if resume else list(self.left)

    def file(self, therapy: int, visit: int, method: str) -> CheckpointFile:
        """The checkpoint of one transport; therapies and visits are counted from 0, in the order of the case."""
        method = "".join(sign if sign.isalnum() else "_" for sign in method)
        path = self.folder / f"therapy-{therapy + 1}_visit-{visit + 1}_{method}.npz"
        return CheckpointFile(path, self.every_s, finished=True, superseded=self._superseded)

    def remove(self) -> None:
        """Remove all of them: the run is complete and its results are written."""
        _remove(self.folder, ["therapy-", *(path.name for path in self.folder.glob("therapy-*.npz"))])


def checkpoint_of(out: Path, every_s: float | None, *, resume: bool) -> CheckpointFile:
    """The checkpoint of the transport whose result is one file.

    Parameters
    ----------
    out
        The result file.
    every_s
        Shortest time between two checkpoints [s]; None: none is saved.
    resume
        Whether one that is there is taken up. Else it stays until this run has one of its own.
    """
    path = work_folder(out) / "checkpoint.npz"
    return CheckpointFile(path, every_s, superseded=[] if resume else CheckpointFile(path).files)


def say_left(files: Sequence[Path]) -> None:
    """Say, where checkpoints are left of a run that is not resumed, how it can be."""
    if files:
        log.warning(
            "a run that ended early left a checkpoint in %s: --resume continues from it; this run starts with the "
            "first history",
            files[0].parent.name,
        )


def _write(path: Path, identity: RunIdentity, tally: Tally) -> None:
    facts = plain({name: getattr(tally, name) for name in FACTS})
    saved = datetime.now(timezone.utc).isoformat(timespec="seconds")
    about = json.dumps(
        {"format": FORMAT, "format_version": FORMAT_VERSION, "saved": saved, "run": identity.to_dict(), "tally": facts}
    )
    arrays = {name: np.ascontiguousarray(getattr(tally, name), kind) for name, kind in ARRAYS.items()}
    texts = {"about": about, "sha256": _digest(about, arrays)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # sums hardly compress, and it takes long
        for name, values in (arrays | {key: np.array(text.encode()) for key, text in texts.items()}).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array_header_1_0(entry, np.lib.format.header_data_from_array_1_0(values))
                entry.write(values.reshape(-1).view(np.uint8).data if values.size else b"")


def _read(path: Path) -> tuple[RunIdentity, Tally]:
    """Identity and sums in a checkpoint.

    Raises
    ------
    InputError
        It is damaged, or of another format.
    """
    try:
        archive = Archive(path, "a checkpoint")
        if not {*ARRAYS, "about", "sha256"} <= set(archive.entries):
            raise _damaged(path, "parts of it are missing")
        archive.check_memory(tuple(archive.entries))
        about = archive.text("about")
        arrays = {name: archive.numbers(name) for name in ARRAYS}
        stated = archive.text("sha256")
    except InputError as refusal:
        raise _damaged(path, refusal.why) from None
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from None
    if stated != _digest(about, arrays):
        raise _damaged(path, "its content is not what its SHA-256 says")
    try:
        content = parse_json(about)
        if (content["format"], content["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError("another format")
        facts: dict[str, Any] = {name: content["tally"][name] for name in FACTS}
        if "code_hash" not in content["run"]:
            raise changed("the stopped run was made by another hevesy, of which the sources are unknown", "code_hash")
        identity = RunIdentity(**content["run"])
        given = {"region_names": tuple(facts["region_names"]), "options": PhysicsOptions.recorded(facts["options"])}
        values: dict[str, Any] = {**arrays, **facts, **given}
        tally = Tally(**values)
        _check(tally)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(path, f"it does not hold the sums of a run ({error})") from None
    return identity, tally


def _check(tally: Tally) -> None:
    """Refuse sums whose parts do not fit each other; ValueError."""
    for name, kind in ARRAYS.items():
        if getattr(tally, name).dtype != np.dtype(kind):
            raise ValueError(f"type of {name}")
    shape, batches = tally.energy_quanta.shape, tally.n_batches
    regions = (batches, len(tally.region_names))
    if tally.energy_quanta_squared.shape != (2, *shape) or tally.region_quanta.shape != regions or not batches:
        raise ValueError("shapes")
    emitted, deposited, escaped = (tally.balance[name] for name in BALANCE)
    if emitted != deposited + escaped or not isinstance(tally.batch_histories, int) or tally.batch_histories < 1:
        raise ValueError("balance")


def _digest(about: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(about.encode())
    for name, values in arrays.items():
        digest.update(f"{name}:{values.dtype.str}:{values.shape};".encode())
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data if values.size else b"")
    return digest.hexdigest()


def _damaged(path: Path, why: str) -> InputError:
    return InputError(
        f"the checkpoint {path.name} is damaged",
        why=why,
        suggestion="delete it: --resume then simulates again what it held, and nothing else",
        file=path,
    )


def _remove(folder: Path, names: Collection[str]) -> None:
    """Remove checkpoints and what processes that were killed left of them; then the folder, if it is empty."""
    with suppress(OSError):
        for path in folder.iterdir():
            part = path.name.startswith(".") and any(name in path.name for name in names)
            if part or path.name in names:
                path.unlink(missing_ok=True)
        folder.rmdir()
