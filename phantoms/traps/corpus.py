"""The trap corpus on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...engine.errors import InputError
from ...engine.output_folder import replace_folder
from .trap import Trap

_README = """\
Small PET/CT inputs of known truth, each of which shows one situation that people report: a header, contour, sidecar,
table or archive that is odd and real. In every folder RIGHT.txt says what is odd and what is right, and right.json
gives the right numbers: times of the scans after the administration [h], volumes [mL], masses [g] and mean
concentrations [Bq/mL] of the lesions. Where `refusal_is_right` is true a clear refusal is right as well.
"""


def write_corpus(out: Path, picked: Sequence[tuple[str, Trap]]) -> Path:
    """Write traps into a new folder, one sub-folder for each kind.

    Parameters
    ----------
    out
        Must not exist, or be empty.
    picked
        Kinds and traps.

    Returns
    -------
    Path
        The folder, whole: it gets its name when everything is written.

    Raises
    ------
    InputError
        A folder that holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            "the output exists and is not empty",
            why="the corpus is written into a folder of its own",
            suggestion="give a new folder",
            file=out,
        )
    with replace_folder(out, "README.txt", "trap corpus") as part:
        (part / "README.txt").write_text(_README, encoding="utf-8")
        for kind, trap in picked:
            trap.write(part / kind)
    return out
