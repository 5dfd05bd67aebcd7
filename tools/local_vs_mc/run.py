"""Calculate what is not stored yet, and write the study's table, figures and page.

Run as ``make study`` or ``python -m hevesy.tools.local_vs_mc --jobs 2`` in a checkout. Each number is stored under
``build/local-vs-mc`` when it is ready, so that a run can be stopped (Ctrl-C) and resumed; a resumed run leaves the
same table. ``--pass 1`` runs the sparse part of the design, ``--page`` only draws and writes what the table has.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from ...engine.text import plain
from ..stored_parts import Part, made_parts
from . import methods
from .design import Case, design, first_pass
from .page import write_page
from .published import PUBLISHED
from .table import Data, read, rows_of, write

ROOT = Path(__file__).resolve().parents[2]
OUT, PARTS = ROOT / "docs" / "studies", ROOT / "build" / "local-vs-mc"
#: Version of the stored numbers of a method: those of another version are calculated again.
VERSION = 1


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time, each in a process of its own")
    parser.add_argument("--pass", dest="passes", type=int, default=2, choices=(1, 2), help="1: the sparse part only")
    parser.add_argument("--parts", type=Path, default=PARTS, help="store each case's numbers here, and reuse them")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the page, its table and its figures")
    parser.add_argument("--time-limit", type=float, default=None, help="begin no other case after [s]")
    parser.add_argument("--page", action="store_true", help="calculate nothing: write the page from the table")
    parser.add_argument("--stored", action="store_true", help="calculate nothing: take what is stored")
    parser.add_argument("--only", default=None, help="calculate only these: mc, a method, published; with commas")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run the study; 0 when every case of the pass is done, 3 when some are left."""
    args = arguments(words)
    if args.page:
        write_page(read(args.out), args.out)
        return 0
    return study(first_pass() if args.passes == 1 else design(), args)


def study(cases: Sequence[Case], args: argparse.Namespace) -> int:
    """Calculate these cases, and write the page of all that is stored."""
    begun = time.monotonic()
    names = methods.available()
    by_name = {case.name: case for case in cases}
    kinds = ("mc", *names, "published") if args.only is None else tuple(args.only.split(","))
    for kind in () if args.stored else kinds:
        if kind == "published":
            calculate(PUBLISHED, published_part, kind, args, begun)
        else:
            calculate(by_name, partial(case_part, method=kind, cases=by_name), kind, args, begun)
    every = {case.name: case for case in (*cases, *design())}
    scores = {method: stored(args.parts, method, every) for method in ("mc", *names)}
    comparisons = stored(args.parts, "published", PUBLISHED)
    data = Data(rows_of(every.values(), scores), {name: part["numbers"] for name, part in comparisons.items()})
    write(data, args.out)
    write_page(data, args.out)
    left = sum(name not in scores["mc"] for name in by_name)
    print(f"{len(data.rows)} cases in the table, {left} of those asked for are left", flush=True)
    return 3 if left else 0


def calculate(
    names: Iterable[str], make: Callable[[str], Part], what: str, args: argparse.Namespace, begun: float
) -> None:
    """Calculate and store the parts of one kind that are not stored yet, with a line for each."""
    known = stored(args.parts, what, names)
    todo = [name for name in names if name not in known]
    limit = None if args.time_limit is None else max(args.time_limit - (time.monotonic() - begun), 0.0)
    folder, start = args.parts / folder_name(what), time.monotonic()
    parts = made_parts(todo, make, [VERSION, what], folder, jobs=args.jobs, time_limit_s=limit)
    for number, part in enumerate(parts, 1):
        spent = time.monotonic() - start
        left = spent / number * (len(todo) - number)
        print(f"{what}: {number}/{len(todo)}, {left / 60:.1f} min left, {part['name']}", flush=True)


def case_part(name: str, method: str, cases: dict[str, Case]) -> Part:
    """The numbers of one case by one method."""
    return methods.scored(method, cases[name]).to_dict()


def published_part(name: str) -> Part:
    """The numbers of one comparison with a published figure."""
    return {"numbers": PUBLISHED[name].calculate()}


def stored(parts: Path, what: str, names: Iterable[str]) -> dict[str, Part]:
    """Parts of one kind that an earlier run left in this version."""
    found = {}
    for name in names:
        file = parts / folder_name(what) / f"{name}.json"
        if file.is_file():
            part: Part = json.loads(file.read_text(encoding="utf-8"))
            if part["key"] == plain([VERSION, what]):
                found[name] = part
    return found


def folder_name(what: str) -> str:
    """Folder of the parts of one kind."""
    return what.replace("+", "-")
