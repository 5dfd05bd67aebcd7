"""The validation page and its machine-readable twin."""

from __future__ import annotations

import json
import platform
import subprocess
import textwrap
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import hevesy
import numpy as np
from hevesy.kernels.backends.machine import cpu_name, usable_cores

from .record import ALPHA, Record, budget

ROOT = Path(__file__).resolve().parents[2]


def provenance() -> dict[str, Any]:
    """Machine, versions and commit."""
    import numba
    import scipy

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = [
        line[3:]
        for line in git("status", "--porcelain", "--untracked-files=no").splitlines()
        if line[3:].startswith(("engine/", "kernels/"))
    ]
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "hevesy": hevesy.__version__,
        "commit": git("rev-parse", "HEAD"),
        "changed_since_commit": changed,
        "processor": cpu_name(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
    }


def write(
    folder: Path,
    records: list[Record],
    figures: list[tuple[str, str]],
    runs: dict[str, Any],
    where: dict[str, Any],
    command: str,
    quick: bool,
    seconds: float,
) -> bool:
    """Write ``index.md`` and ``results.json``; returns whether all checks passed."""
    k, share, count = budget(records)
    verdicts = [r.verdict(share) for r in records]
    failed = [r for r, v in zip(records, verdicts, strict=True) if v == "FAIL"]
    text = [
        *_head(records, verdicts, budget(records), where, command, quick, seconds),
        *_by_group(records, verdicts),
        "",
    ]
    if failed:
        text += ["## Failed checks", "", *_table(failed, share), ""]
    text += ["## Figures", ""]
    for name, caption in figures:
        text += [f"![{caption}]({name})", "", *_wrapped(f"*{caption}*"), ""]
    text += ["## Numbers", ""]
    for group in dict.fromkeys(r.group for r in records):
        members = [r for r in records if r.group == group]
        shown = [r for r in members if not _distant(r)]
        text += [f"### {group}", "", *_table(shown, share)]
        if len(shown) < len(members):
            text.append(_summary([r for r in members if _distant(r)], share))
        text.append("")
    (folder / "index.md").write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    data = {
        "provenance": where, "command": command, "quick": quick, "seconds": round(seconds),
        "alpha": ALPHA, "judgements": count, "k": k, "passed": not failed,
        "records": [{**r.to_dict(), "verdict": v} for r, v in zip(records, verdicts, strict=True)], "runs": runs,
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(data, indent=1, default=_plain) + "\n", encoding="utf-8")
    return not failed


def _head(
    records: list[Record],
    verdicts: list[str],
    allowed: tuple[float, float, int],
    where: dict[str, Any],
    command: str,
    quick: bool,
    seconds: float,
) -> list[str]:
    """What was run, where, and how the checks decide."""
    k, _, count = allowed
    failed = verdicts.count("FAIL")
    beyond = sum(
        v == "pass" and r.rule in ("plus", "larger") and abs(r.difference) > r.bar
        for r, v in zip(records, verdicts, strict=True)
    )
    changed = where["changed_since_commit"]
    items = [
        f"- result: **{'all checks passed' if not failed else f'{failed} of {count} checks failed'}** "
        f"({count} checks, {verdicts.count('-')} further comparisons for information)",
        f"- command: `{command}`, {seconds / 60:.0f} min on {where['cores']} cores",
        f"- commit: `{where['commit'][:12]}`"
        + (f" with uncommitted changes in {', '.join(changed)}" if changed else ""),
        f"- machine: {where['processor']}, {where['system']}; Python {where['python']}, NumPy {where['numpy']}, "
        f"SciPy {where['scipy']}, Numba {where['numba']}; {where['date']}",
        "- data: `results.json` in the same folder",
    ]
    rules = (
        "Differences are hevesy minus reference. Sigma combines the standard errors of both. For a correct code, the "
        f"probability that any check on this page fails by chance is {ALPHA:g}; every check has its Sidak share of it, "
        f"k = {k:.1f} standard errors (more, by Student's law, where sigma comes from few batches). Rule *plus*: the "
        "limit applies beyond statistics (limit + k sigma); rule *larger*: limit or k sigma, whichever is larger; "
        "*p*: a probability. References without an uncertainty, or from other data, are shown for information (-). "
        "How each quantity is simulated, and what the comparison cannot show: [method](method.md)."
    )
    return [
        "# Validation",
        "",
        "Generated by `tools/validate_all.py`; do not edit."
        + (" **Quick run: few histories, for development.**" if quick else ""),
        "",
        *(line for item in items for line in _wrapped(item, indent="  ")),
        "",
        *_wrapped(rules),
        "",
        *_wrapped(
            f"Of the differences that pass, {beyond} are larger than their limit and pass because of statistics."
        ),
        "",
    ]


def _by_group(records: list[Record], verdicts: list[str]) -> list[str]:
    """Table of the groups of quantities: how many checks, how many of them passed."""
    lines = ["## Summary", "", "A quantity may stand for several checks (the worst of many radii or voxels).", ""]
    lines += ["| problem | quantities compared | with a verdict | passed |", "|---|---|---|---|"]
    for group in dict.fromkeys(r.group for r in records):
        of_group = [v for r, v in zip(records, verdicts, strict=True) if r.group == group]
        passed = of_group.count("pass")
        lines.append(f"| {group} | {len(of_group)} | {passed + of_group.count('FAIL')} | {passed} |")
    return lines


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, 110, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _distant(r: Record) -> bool:
    """Neighbours that the page sums up in one row: neither next to the source nor on an axis."""
    if not r.quantity.startswith("voxel S") or r.quantity.endswith(("published", "scaled")):
        return False
    offset = [int(i) for i in r.quantity.split()[-1].split(",")]
    return offset[1] > 0 and offset[2] > 1


def _summary(records: list[Record], share: float) -> str:
    judged = [r for r in records if r.rule != "information"]
    few = len(records) - len(judged)
    if not judged:
        return f"| voxel S, {few} other neighbours: too few deposits for a verdict | | | | | | | - |"
    worst = max(judged, key=lambda r: r.strain(share))
    passed = sum(r.verdict(share) == "pass" for r in judged)
    mean = np.average([r.difference for r in judged], weights=[r.sigma**-2 for r in judged])
    error = sum(r.sigma**-2 for r in judged) ** -0.5
    return (
        f"| voxel S, {len(judged)} other neighbours, weighted mean difference {100 * mean:+.2f} ({100 * error:.2f}) %; "
        f"nearest to its limit: {worst.quantity.split()[-1]}; {few} more with too few deposits for a verdict | "
        f"{worst.reference:.5g} | {worst.ours:.5g} | {100 * worst.difference:+.3f} | {100 * worst.sigma:.3f} "
        f"| {100 * worst.bar:g} | larger | {'pass' if passed == len(judged) else f'{len(judged) - passed} FAIL'} |"
    )


def _table(records: list[Record], share: float) -> list[str]:
    lines = [
        "| quantity | reference | ours | difference % | sigma % | limit % | rule | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in records:
        what = r.quantity + (f" [{r.unit}]" if r.unit else "") + (f" ({r.remark})" if r.remark else "")
        if r.rule == "p":
            lines.append(f"| {what} | | {r.ours:.3g} | | | p > {share:.1g} | p | {r.verdict(share)} |")
            continue
        bar = "" if r.rule == "information" else f"{100 * r.bar:g}"
        lines.append(
            f"| {what} | {r.reference:.5g} | {r.ours:.5g} | {100 * r.difference:+.3f} | {100 * r.sigma:.3f} | {bar} "
            f"| {'' if r.rule == 'information' else r.rule} | {r.verdict(share)} |"
        )
    return lines


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value)} has no plain form")
