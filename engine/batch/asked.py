"""What a batch was asked for: a command that asks for something else in the same folder is refused, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import InputError
from ..text import shortened
from .folders import ours
from .manifest import Manifest

#: What to do where two hevesy meet in one batch.
SAME_CODE = "plan and run from one checkout, or from one installed wheel or image everywhere"


def check_asked(out: Path, before: Mapping[str, str], now: Mapping[str, str], what: str) -> None:
    """Refuse a command that asks for something else than the batch in its folder was made for.

    Parameters
    ----------
    out
        Folder of the batch.
    before, now
        What was asked for, and what is, by the option or the input.
    what
        What it is asked of: a case, the problem.

    Raises
    ------
    InputError
        The first difference.
    """
    for name in dict.fromkeys((*before, *now)):
        was, is_ = before.get(name, "none"), now.get(name, "none")
        if was != is_:
            differs = f"the batch was made with {shortened(was, 40)}, this command asks for {shortened(is_, 40)}"
            if len(was) == len(is_) == 64:  # hashes tell nobody anything
                differs = "it has changed since the batch was made"
            raise InputError(
                f"{what}: {differs}",
                why="shards of two different runs do not add up",
                suggestion="repeat the command as it was, or give another --out",
                file=out,
                field=name,
            )


def code_text(version: str, commit: str) -> str:
    """A hevesy in words, as messages compare two: the commit is that of a checkout, an installed one has none."""
    head, changed, _ = commit.partition("+")
    where = f"from a checkout at {head[:10]}{' with changes' if changed else ''}" if commit else "as installed"
    return f"hevesy {version} {where}"


def check_same_code(out: Path, manifest: Manifest) -> None:
    """Refuse to add shards to those of another version.

    Raises
    ------
    InputError
        The manifest is of another version, commit, or set of physics tables.
    """
    now = ours()
    if (now["version"], now["commit"]) != (manifest.version, manifest.commit):
        raise InputError(
            f"the batch was made by {code_text(manifest.version, manifest.commit)}, this is "
            f"{code_text(now['version'], now['commit'])}",
            why="histories of two versions must not be added up",
            suggestion=f"{SAME_CODE}, or give another --out",
            file=out,
            field="version" if now["version"] != manifest.version else "commit",
        )
    if now["table_hashes"] != manifest.table_hashes:
        raise InputError(
            "the physics tables are not those of the batch",
            why="histories with two tables must not be added up",
            suggestion="use the installation that made the batch, or give another --out",
            file=out,
            field="table_hashes",
        )
