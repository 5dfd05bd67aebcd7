"""The case file that `hevesy import` writes: the case with comments on what nobody stated."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...case.site import Site
from .resolution import recovery_of
from .sort import Sorted

_HEAD = "# Written by `hevesy import`; check it with `hevesy check`.\n"
#: What to do with a resolution that nobody measured.
_ADVICE = "Typical, not measured: edit it, best after a phantom measurement with this tracer and reconstruction."


@dataclass(frozen=True)
class WrittenCase:
    """A new case.

    Parameters
    ----------
    data
        The case as plain data.
    text
        The same as YAML with comments.
    account
        Where its assumed values and those of the site come from, one line each.
    """

    data: dict[str, Any]
    text: str
    account: list[str] = field(default_factory=list)


def case_of(files: Sorted, base: Path, site: Site | None = None) -> WrittenCase:
    """The case of sorted files, with a site's own defaults.

    Parameters
    ----------
    files
        What was found.
    base
        Folder of the case file.
    site
        Defaults that replace the proposals made here; None for none.

    Returns
    -------
    WrittenCase
        Its recovery is marked as assumed unless the site states its own.

    Raises
    ------
    InputError
        As :meth:`Sorted.to_case_dict`.
    """
    import yaml

    data = files.to_case_dict(base)
    keys: list[str] = []
    models = {h.model for h in files.headers}
    scanner = models.pop() if len(models) == 1 else None
    if site is not None:
        data, keys = site.applied(data, scanner, base)
    account, comments = [], []
    own = next((key for key in keys if key.startswith(("recovery.", "scanners."))), None)
    if own is None:
        block, origins = recovery_of(files.headers, data["tracer"]["nuclide"])
        account.append(f"assumed recovery with {block['fwhm']} ± {block['fwhm_sigma']} FWHM: {' / '.join(origins)}")
        comments = [*origins, _ADVICE]
    if keys and site is not None:
        account.append(f"site    {', '.join(keys)} from {site.path.name}")
    if own is not None and site is not None:
        comments = [f"From the site's defaults, {own}."]
    account += _missing(data, files)
    dump = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    head = _HEAD + "".join(f"{line}\n" for line in _comment_lines(files.open_points()))
    return WrittenCase(data, head + _commented(dump, "recovery", comments), account)


def _commented(text: str, key: str, sentences: list[str]) -> str:
    """The YAML with comment lines above one of its top keys."""
    lines = _comment_lines(sentences)
    head, found, tail = text.partition(f"\n{key}:")
    return head + "\n" + "\n".join(lines) + found + tail if found and lines else text


def _comment_lines(sentences: list[str]) -> list[str]:
    return [f"# {line}" for sentence in sentences for line in textwrap.wrap(sentence, 98)]


def _missing(data: dict[str, Any], files: Sorted) -> list[str]:
    """What a run needs and no file states: one line each, with the option that states it."""
    lines = []
    visits = data["visits"]
    pets = [pair.pet for visit in files.visits for pair in visit.scans]
    untimed = [pet.label for pet in pets if pet.hours is None and not (pet.header and pet.header.given)]
    if "activity" not in data["tracer"] and not all("activity" in visit for visit in visits):
        lines.append(
            'missing the administered activity of the tracer: add it to the case, or import with --activity "..."'
        )
    if untimed:
        lines.append(
            f'missing the time of {", ".join(untimed)}: add `after` to the case, or import with --after "NAME=24 h"'
        )
    return lines
