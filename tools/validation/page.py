"""The validation page and its machine-readable twin."""

from __future__ import annotations

import json
import platform
import subprocess
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
    """Write ``index.md`` and ``results.json``; returns whether every judgement passed."""
    k, share, count = budget(records)
    verdicts = [r.verdict(share) for r in records]
    failed = [r for r, v in zip(records, verdicts, strict=True) if v == "FAIL"]
    beyond = [
        r
        for r, v in zip(records, verdicts, strict=True)
        if v == "pass" and r.rule in ("plus", "larger") and abs(r.difference) > r.bar
    ]
    changed = where["changed_since_commit"]
    text = [
        "# Validation",
        "",
        "Written by a program; do not edit." + (" **Quick run: few histories, for development.**" if quick else ""),
        "",
        f"- result: **{'every judgement passes' if not failed else f'{len(failed)} of {count} judgements fail'}** "
        f"({count} judgements, {sum(v == '-' for v in verdicts)} further comparisons for information)",
        f"- command: `{command}`, {seconds / 60:.0f} min on {where['cores']} cores",
        f"- commit: `{where['commit'][:12]}`"
        + (f" with uncommitted changes in {', '.join(changed)}" if changed else ""),
        f"- machine: {where['processor']}, {where['system']}; Python {where['python']}, NumPy {where['numpy']}, "
        f"SciPy {where['scipy']}, Numba {where['numba']}; {where['date']}",
        "- data: `results.json` beside this page",
        "",
        "Differences are hevesy minus reference. Sigma combines the standard errors of both. A correct code fails the "
        f"whole page once by chance with probability {ALPHA:g}; every judgement has its Sidak share of it, k = {k:.1f} "
        "standard errors (more by Student's law where sigma rests on few batches). Rule *plus*: the bar holds beyond "
        "statistics (bar + k sigma); rule *larger*: bar or k sigma, whichever is larger; *p*: a probability. "
        "References without an uncertainty, or of other data, are shown and not judged (-). How each quantity is "
        "simulated, and what the comparison cannot show: [method](method.md).",
        "",
        f"Of the differences that pass, {len(beyond)} are larger than their bar alone and pass on statistics.",
        "",
    ]
    if failed:
        text += ["## What fails", "", *_table(failed, share), ""]
    text += ["## Figures", ""]
    for name, caption in figures:
        text += [f"![{caption}]({name})", "", f"*{caption}*", ""]
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
        return f"| voxel S, {few} other neighbours: too few deposits to judge | | | | | | | - |"
    worst = max(judged, key=lambda r: r.strain(share))
    passed = sum(r.verdict(share) == "pass" for r in judged)
    mean = np.average([r.difference for r in judged], weights=[r.sigma**-2 for r in judged])
    error = sum(r.sigma**-2 for r in judged) ** -0.5
    return (
        f"| voxel S, {len(judged)} other neighbours, weighted mean difference {100 * mean:+.2f} ({100 * error:.2f}) %; "
        f"nearest to its limit: {worst.quantity.split()[-1]}; {few} more with too few deposits to judge | "
        f"{worst.reference:.5g} | {worst.ours:.5g} | {100 * worst.difference:+.3f} | {100 * worst.sigma:.3f} "
        f"| {100 * worst.bar:g} | larger | {'pass' if passed == len(judged) else f'{len(judged) - passed} FAIL'} |"
    )


def _table(records: list[Record], share: float) -> list[str]:
    lines = [
        "| quantity | reference | ours | difference % | sigma % | bar % | rule | verdict |",
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
