"""Damaged files: bytes that are not what was written are found by their hash, named, and never become a number."""

from __future__ import annotations

import io
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from .ground import BATCH, RUN, SIMULATE, ended, kill_group
from .kills import checkpoints, go_on
from .suite import Findings, Suite, case, copied_cache

#: Datasets of a result that decide a number.
SUMS = ("balance", "tally/energy_quanta", "tally/energy_quanta_squared", "tally/region_quanta", "dose/mc/mean")
#: Single damages of one file in the long and in the short form.
DAMAGES, FEW_DAMAGES = 60, 4


def flip(file: Path, dice: random.Random) -> str:
    """Flip one bit."""
    data = bytearray(file.read_bytes())
    at = dice.randrange(len(data))
    data[at] ^= 1 << dice.randrange(8)
    file.write_bytes(data)
    return f"a bit of byte {at} flipped"


def cut(file: Path, dice: random.Random) -> str:
    """Cut the end off."""
    data = file.read_bytes()
    length = dice.randrange(len(data))
    file.write_bytes(data[:length])
    return f"cut to {length} bytes"


def garbage(file: Path, dice: random.Random) -> str:
    """Other bytes of the same length."""
    file.write_bytes(dice.randbytes(file.stat().st_size))
    return "garbage"


def emptied(file: Path, dice: random.Random) -> str:
    """No bytes."""
    del dice
    file.write_bytes(b"")
    return "empty"


def rewritten(file: Path, dice: random.Random) -> str:
    """A sound archive with other sums in it."""
    del dice
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["energy_quanta"] = arrays["energy_quanta"] + 1
    with file.open("wb") as out:
        np.savez(out, **arrays)
    return "written again with other sums"


KINDS: tuple[Callable[[Path, random.Random], str], ...] = (flip, cut, garbage, emptied)


@case("a damaged result is resumed from")
def damaged_result(suite: Suite, found: Findings) -> None:
    """Damage to a result that is whole: --resume, merge and report refuse it by name, or nothing has changed."""
    expected, _ = suite.undisturbed(SIMULATE)
    out = suite.ground.fresh("damaged result") / SIMULATE.out
    found.told(suite.ground.run(SIMULATE.words(suite.ground, out)), 0)
    sound, dice = out.read_bytes(), suite.random("result")
    for number in range(FEW_DAMAGES if suite.short else DAMAGES):
        out.write_bytes(sound)
        how = KINDS[number % len(KINDS)](out, dice) if number % 2 else flip(out, dice)
        end = found.told(suite.ground.run(SIMULATE.again(suite.ground, out)), 0, 2)
        found.tried += 1
        if end.code == 0:
            found.whole(SIMULATE, out, expected, how)


@case("sums that were tampered with")
def tampered(suite: Suite, found: Findings) -> None:
    """Numbers changed through HDF5 itself, whose own checksums then fit: refused by the digest."""
    out = suite.ground.fresh("tampered") / SIMULATE.out
    found.told(suite.ground.run(SIMULATE.words(suite.ground, out)), 0)
    sound = out.read_bytes()
    for name in SUMS:
        out.write_bytes(sound)
        with h5py.File(out, "r+", locking=False) as file:
            values = file[name][()]
            values[np.unravel_index(np.argmax(values), values.shape)] += values.dtype.type(1)
            file[name][...] = values
        for words in (SIMULATE.again(suite.ground, out), ["merge", str(out), "-o", str(out.with_name("merged.h5"))]):
            end = found.told(suite.ground.run(words), 0, 2)
            found.tried += 1
            if end.code == 0:
                found.wrong.append(f"{words[0]}: {name} was changed, and nothing was said")


@case("a damaged checkpoint")
def damaged_checkpoint(suite: Suite, found: Findings) -> None:
    """Damage to what a killed run left: the run that goes on uses none of it, or nothing has changed."""
    suite.undisturbed(SIMULATE)
    dice = suite.random("checkpoint")
    for number, kind in enumerate([rewritten, *(KINDS[:2] if suite.short else KINDS * 3)]):
        out = suite.ground.fresh(f"checkpoint {number}") / SIMULATE.out
        process = suite.ground.start(words := SIMULATE.words(suite.ground, out))
        while process.poll() is None and not checkpoints(out):
            time.sleep(0.005)
        kill_group(process)
        ended(process, words, 0.0)
        files = checkpoints(out)
        if not files:
            continue
        for file in files:
            how = kind(file, dice)
        found.tried += 1
        end = suite.ground.run(SIMULATE.again(suite.ground, out))
        found.told(end, 0, 2)
        if end.code == 2:
            end = found.told(suite.ground.run(SIMULATE.words(suite.ground, out)), 0)
        found.whole(SIMULATE, out, suite.undisturbed(SIMULATE)[0], f"its checkpoint was {how}")


@case("a damaged shard")
def damaged_shard(suite: Suite, found: Findings) -> None:
    """Damage to the result, the problem or a record of a job: named, and mended by running that job again."""
    whole = suite.ground.fresh("shards") / BATCH.out
    found.told(suite.ground.run(BATCH.words(suite.ground, whole)), 0)
    dice = suite.random("shard")
    names = ["result.h5", "status.json"] if suite.short else ["result.h5", "status.json", "job.json", "problem.npz"]
    for name in names:
        for kind in KINDS:
            out = suite.ground.fresh(f"shard {name} {kind.__name__}") / BATCH.out
            shutil.copytree(whole, out)
            (out / "result.h5").unlink()
            how = f"{name} of a shard was {kind(out / 'jobs' / 'shard-0002' / name, dice)}"
            end = found.told(suite.ground.run(["merge", str(out)]), 0, 1, 2)
            found.tried += 1
            if end.code == 0:
                found.whole(BATCH, out, suite.undisturbed(BATCH)[0], how)
                continue
            if name in ("job.json", "problem.npz"):
                shutil.copyfile(whole / "jobs" / "shard-0002" / name, out / "jobs" / "shard-0002" / name)
            go_on(suite, found, BATCH, out, how)


@case("a damaged manifest")
def damaged_manifest(suite: Suite, found: Findings) -> None:
    """Paths that lead out of the folder, other ranges, unknown keys: refused."""
    whole = suite.ground.fresh("manifest") / BATCH.out
    found.told(suite.ground.run(BATCH.words(suite.ground, whole)), 0)
    sound = json.loads((whole / "manifest.json").read_text())
    changes: list[tuple[str, Callable[[dict], object]]] = [
        ("a job called ../../x", lambda m: m["jobs"].update({"../../x": "0" * 64})),
        ("one batch more", lambda m: m["wholes"][0].update(batches=m["wholes"][0]["batches"] + 1)),
        ("a shard twice", lambda m: m["wholes"][0]["jobs"].append(m["wholes"][0]["jobs"][0])),
        ("a shard less", lambda m: m["wholes"][0]["jobs"].pop()),
        ("another seed", lambda m: m["wholes"][0].update(seed=77)),
        ("an unknown key", lambda m: m.update(more=1)),
        ("other sources", lambda m: m.update(code_hash="0" * 64)),
    ]
    for what, change in changes:
        manifest = json.loads(json.dumps(sound))
        change(manifest)
        (whole / "manifest.json").write_text(json.dumps(manifest))
        (whole / "result.h5").unlink(missing_ok=True)
        found.told(suite.ground.run(["merge", str(whole)]), 1, 2)
        found.tried += 1
        if (whole / "result.h5").exists():
            found.wrong.append(f"merge: a manifest with {what} was taken")


@case("damaged caches")
def damaged_caches(suite: Suite, found: Findings) -> None:
    """Damage to cached tables and compiled kernels: found, made again, and the integers are the same."""
    expected, _ = suite.undisturbed(SIMULATE)
    dice = suite.random("caches")
    sound = suite.ground.fresh("cache") / "sound"
    copied_cache(sound)
    patterns = {"tables": "tables/*.tables", "code": "kernels-*/**/*.nbc"}
    targets = {what: (pattern, KINDS) for what, pattern in patterns.items()}
    if suite.short:
        targets = {"tables": (patterns["tables"], (flip, cut))}
    for what, (pattern, kinds) in targets.items():
        for kind in kinds:
            cache = sound.with_name(f"{what}-{kind.__name__}")
            shutil.copytree(sound, cache)
            files = list(cache.glob(pattern))
            assert files, f"nothing in the cache is {pattern}"
            hows = [kind(file, dice) for file in files]
            out = suite.ground.fresh(f"cache run {what} {kind.__name__}") / SIMULATE.out
            found.told(suite.ground.run(SIMULATE.words(suite.ground, out), HEVESY_CACHE=str(cache)), 0)
            found.tried += 1
            found.whole(SIMULATE, out, expected, f"cached {what}: {hows[0]}")


def _scaled(data: bytes, factor: float) -> bytes:
    """A cached file behind whose head is an archive with all of its numbers times a factor."""
    start = data.index(b"PK")
    with np.load(io.BytesIO(data[start:]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, values in arrays.items():
        if values.dtype.kind == "f" and values.ndim:
            arrays[name] = (values * factor).astype(values.dtype)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return data[:start] + out.getvalue()


@case("cached tables with other numbers")
def other_tables(suite: Suite, found: Findings) -> None:
    """A cached table that reads well, and holds other numbers, or no numbers: not used."""
    expected, _ = suite.undisturbed(SIMULATE)
    cache = suite.ground.fresh("other tables") / "cache"
    copied_cache(cache)
    for factor in (1.01, np.nan):
        files = list((cache / "tables").glob("*.tables"))
        assert files, "no tables are cached"
        for file in files:
            file.write_bytes(_scaled(file.read_bytes(), factor))
        out = suite.ground.fresh(f"other tables {factor}") / SIMULATE.out
        found.told(suite.ground.run(SIMULATE.words(suite.ground, out), HEVESY_CACHE=str(cache)), 0)
        found.tried += 1
        found.whole(SIMULATE, out, expected, f"cached tables times {factor}")


@case("damaged records of a run", long=True)
def damaged_records(suite: Suite, found: Findings) -> None:
    """Damage to the JSON, CSV and YAML files of a run: report, compare and --resume have one message."""
    whole = suite.ground.fresh("records") / RUN.out
    found.told(suite.ground.run(RUN.words(suite.ground, whole)), 0)
    dice = suite.random("records")
    for file in sorted(path for path in whole.rglob("*") if path.suffix in (".json", ".yaml", ".csv", ".h5")):
        for kind in KINDS:
            out = suite.ground.fresh("record") / RUN.out
            shutil.copytree(whole, out)
            kind(out / file.relative_to(whole), dice)
            for words in (["report", str(out)], RUN.again(suite.ground, out)):
                found.told(suite.ground.run(words), 0, 2)
                found.tried += 1
