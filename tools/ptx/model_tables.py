"""The numbers of a run of `model.py` as tables, for the terminal and for docs/performance.md."""

from __future__ import annotations

from typing import Any

from hevesy.benchmarks import report

from . import speed
from .cards import CARDS


def tables(content: dict[str, Any]) -> str:
    """What a decay costs, the rates by card, ceilings of registers and batches."""
    rows = content["rows"]
    head = tuple(f"{r['schedule']}, {r['name'].split()[0]}" for r in rows)

    def line(label: str, cell: Any) -> tuple[str, ...]:
        return (label, *(cell(r) for r in rows))

    number = report.number
    cost = [
        line("issue slots of a warp", lambda r: number(r["counts"]["slots"])),
        line("lanes busy in them", lambda r: f"{100 * r['counts']['lanes']:.0f} %"),
        line("cycles of a warp alone", lambda r: number(r["counts"]["cycles"])),
        line("cycles of the integer unit", lambda r: number(r["units"]["integer"])),
        line("cycles of the special-function unit", lambda r: number(r["units"]["special"])),
        line("passes of the first-level cache", lambda r: number(r["counts"]["passes"])),
        line("loads of a warp", lambda r: number(r["counts"]["accesses"]["load"]["instructions"])),
        line("lanes in a load", lambda r: f"{r['counts']['accesses']['load']['lanes']:.1f}"),
        line("lines in a load", lambda r: f"{r['counts']['accesses']['load']['lines']:.1f}"),
        line("sectors from the second level", lambda r: number(_misses(r))),
        line("accesses of a warp to local memory", lambda r: number(r["counts"]["accesses"]["local"]["instructions"])),
        line("lines of code fetched; not in 16 KiB", lambda r: _pair(r["counts"], "fetches", "fetch_misses")),
    ]
    by_card = [
        line(f"{card.name} ({card.multiprocessors} x {card.ghz:g} GHz)", lambda r, n=card.name: _range(r["cards"][n]))
        for card in CARDS
    ]
    timed = [r for r in rows if r["batches"]]
    ceilings = [
        (n if n != "0" else "no ceiling", *(_ceiling(r["ceilings"][n]) for r in timed)) for n in timed[0]["ceilings"]
    ]
    timed_head = tuple(f"{r['schedule']}, {r['name'].split()[0]}" for r in timed)
    batch = [
        (
            f"{number(cells[0]['decays'])}, gap {1e3 * cells[0]['gap']:g} ms",
            *(f"{number(c['rate'], 2)} (tail {1e3 * c['tail']:.1f} of {1e3 * c['steady']:.1f} ms)" for c in cells),
        )
        for cells in zip(*(r["batches"] for r in timed), strict=True)
    ]
    parts = [
        report.heading(content),
        "Per decay, one warp:", report.table(("", *head), cost),
        f"Decays/s, {speed.WARPS} warps a scheduler (the default ceiling of registers, spills not counted), every "
        "lane supplied:\ncentral (cautious to hopeful assumptions):",
        report.table(("card", *head), by_card),
        f"Decays/s of the {CARDS[0].name} with a ceiling of registers, central (spills executed as often "
        "as all other code,\nto never); warps a scheduler; bytes spilled in the code:",
        report.table(("registers", *timed_head), ceilings),
        f"Decays/s of the {CARDS[0].name} in batches, central:",
        report.table(("batch", *timed_head), batch),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _misses(row: dict[str, Any]) -> float:
    accesses = row["counts"]["accesses"]
    return float(accesses["load"]["misses"] + accesses["local"]["misses"])


def _pair(values: dict[str, float], first: str, second: str) -> str:
    return f"{report.number(values[first])}; {report.number(values[second])}"


def _range(rates: dict[str, float]) -> str:
    low, mid, high = (report.number(rates.get(key), 2) for key in ("cautious", "central", "hopeful"))
    return mid if low == high else f"{mid} ({low} to {high})"


def _ceiling(one: dict[str, Any]) -> str:
    return f"{_range(one)}; {one['warps']} warps, {one['spill_stores'] + one['spill_loads']} B"
