"""The figures of a benchmark run as tables, for the terminal and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table with columns of even width."""
    cells = [[str(c) for c in row] for row in (head, *rows)]
    width = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, width, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def number(value: float | None, digits: int = 3) -> str:
    """A number in few characters."""
    if value is None:
        return "-"
    text = f"{value:.{digits}g}"
    return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def rows_of(content: dict[str, Any], part: str) -> list[dict[str, Any]]:
    """The rows of one part of a run."""
    return [row for row in content["rows"] if row["part"] == part]


def heading(content: dict[str, Any]) -> str:
    """Commit, date and machine in a line."""
    told = content["machine"]
    busy = told.get("load_before")
    loaded = f", load before {busy:g}" if busy is not None else ""
    return (
        f"{content['when']}, commit {content['commit'][:10]}{'+changes' if '+' in content['commit'] else ''}, "
        f"{told['cpu']}, {told['cores']} cores{loaded}, Python {told['python']}, Numba {content['packages']['numba']}"
    )


def tables(content: dict[str, Any]) -> str:
    """All tables of a run."""
    makers = (
        problems,
        goals,
        threads,
        histories,
        sums,
        checkpoints,
        modes,
        variance,
        starts,
        memory,
        images,
        methods,
        kernels,
        convolutions,
    )
    parts = [heading(content), *(make(content) for make in makers)]
    return "\n\n".join(p for p in parts if p)


def problems(content: dict[str, Any]) -> str:
    """Rate, figure of merit and time to a precision."""
    rows = rows_of(content, "problems")
    if not rows:
        return ""

    def line(row: dict[str, Any]) -> list[str]:
        lesions, hot, events = row.get("lesions", {}), row.get("hot_voxels", {}), row["per_decay"]
        return [
            row["name"],
            number(row["voxels"]),
            number(row["decays_per_s"]),
            number(row["decays_per_s"] / row["threads"]),
            number(lesions.get("merit_per_s")),
            number(lesions.get("s_to_1_percent")),
            number(hot.get("s_to_2_percent")),
            number(events["photon_flights"]),
            number(events["electron_steps"]),
            number(events["electron_segments"]),
        ]

    head = (
        "problem",
        "voxels",
        "decays/s",
        "per core",
        "FOM 1/s",
        "s to 1 % lesions",
        "s to 2 % hot voxels",
        "flights",
        "steps",
        "segments",
    )
    return table(head, map(line, rows))


def goals(content: dict[str, Any]) -> str:
    """Whole runs to a goal."""
    rows = rows_of(content, "goals")
    lines = [
        (r["name"], r["goal"], "yes" if r["reached"] else "NO", number(r["wall_s"]), number(r["decays"])) for r in rows
    ]
    return table(("run to a goal", "goal", "reached", "total s", "decays"), lines) if rows else ""


def threads(content: dict[str, Any]) -> str:
    """Scaling with threads."""
    lines = [
        (row["name"], count, number(f["decays_per_s"]), number(f["transport_per_s"]), f"{100 * f['efficiency']:.0f} %")
        for row in rows_of(content, "threads")
        for count, f in row["by_threads"].items()
    ]
    head = ("threads", "n", "decays/s", "transport alone", "of linear")
    return table(head, lines) if lines else ""


def histories(content: dict[str, Any]) -> str:
    """Scaling with the histories of a batch."""
    lines = [
        (row["name"], count, number(f["decays_per_s"]), f"{100 * f['statistics_share']:.1f} %")
        for row in rows_of(content, "histories")
        for count, f in row["by_histories"].items()
    ]
    head = ("histories of a batch", "n", "decays/s", "share of sums and squares")
    return table(head, lines) if lines else ""


def sums(content: dict[str, Any]) -> str:
    """Sums and squares of a batch on the host."""
    lines = [
        (size, number(f["voxels"]), f"{f['s']:.3f}", number(1e9 * f["s"] / f["voxels"]))
        for row in rows_of(content, "sums")
        for size, f in row["by_size"].items()
    ]
    return table(("sums of a full batch, host", "voxels", "s", "ns per voxel"), lines) if lines else ""


def checkpoints(content: dict[str, Any]) -> str:
    """Saving the sums of a run on the way."""
    rows = rows_of(content, "checkpoints")
    sizes = [
        (size, number(f["voxels"]), f"{f['bytes'] / 1e6:.0f}", f"{f['s']:.3f}", f"{f['interval_s']:.0f}",
         f"{100 * f['share']:.2f} %")
        for row in rows
        for size, f in row.get("by_size", {}).items()
    ]  # fmt: skip
    head = ("one checkpoint", "voxels", "MB", "s", "s between two, by default", "share of the run")
    runs = [
        (row["name"], number(row["wall_s"]), row["saved"], f"{100 * row['share']:.2f} %")
        for row in rows
        if "saved" in row
    ]
    parts = [table(head, sizes) if sizes else ""]
    parts += [table(("saved whenever it may be", "run s", "checkpoints", "share of the run"), runs) if runs else ""]
    return "\n\n".join(part for part in parts if part)


def modes(content: dict[str, Any]) -> str:
    """Reduced modes against full transport."""
    lines = []
    for row in rows_of(content, "modes"):
        for name, f in row["by_mode"].items():
            off = f.get("lesion_difference")
            error = f"{100 * off['largest']:+.2f} ({100 * off['standard_error']:.2f})" if off else ""
            lines.append(
                (
                    row["name"],
                    name,
                    number(f["decays_per_s"]),
                    f"{f['speed_up']:.2f}",
                    number(f["merit_per_s"]),
                    number(f["per_decay"]["electron_steps"]),
                    error,
                )
            )
    head = ("mode", "", "decays/s", "speed-up", "FOM 1/s", "steps/decay", "largest lesion difference % (s.e.)")
    return table(head, lines) if lines else ""


def variance(content: dict[str, Any]) -> str:
    """What brings the noise down (docs/decisions/0004-variance.md)."""
    lines = [
        (
            row["name"],
            name,
            f"{100 * f['hot']:.3g}",
            f"{100 * f['most']:.3g}",
            f"{f['cpu_s']:.2f}",
            number(f["steps_per_decay"]),
            number(f["merit_hot"]),
            number(f["merit_most"]),
        )
        for row in rows_of(content, "variance")
        for name, f in row["by_variant"].items()
    ]
    head = ("variance", "variant", "sigma hot %", "most %", "CPU s", "steps/decay", "FOM hot 1/s", "most 1/s")
    return table(head, lines) if lines else ""


def starts(content: dict[str, Any]) -> str:
    """Cold and warm start and their parts."""
    lines = []
    for row in rows_of(content, "start"):
        for kind in ("cold", "warm"):
            p = row[kind]["parts_s"]
            lines.append((row["name"], kind, *(f"{p[k]:.2f}" for k in p), f"{row[kind]['total_s']:.2f}"))
    if not lines:
        return ""
    parts = list(rows_of(content, "start")[0]["cold"]["parts_s"])
    return table(("start, s", "", *parts, "total"), lines)


def memory(content: dict[str, Any]) -> str:
    """Peak memory of a run."""
    lines = [
        (r["name"], number(r["voxels"]), f"{r['before_run_mib']:.0f} MiB", f"{r['peak_rss_mib']:.0f} MiB")
        for r in rows_of(content, "memory")
    ]
    return table(("peak resident memory", "voxels", "problem and tables", "whole run"), lines) if lines else ""


def images(content: dict[str, Any]) -> str:
    """Averaging on a rotated grid, and `check` of two whole-body scans."""
    lines = [
        (r["name"], number(r["voxels"]), f"{r['s']:.1f}", f"{r['cpu_s']:.1f}", number(1e6 * r["cpu_s"] / r["voxels"]))
        for r in rows_of(content, "images")
    ]
    return table(("images", "voxels", "s", "CPU s", "CPU us per voxel"), lines) if lines else ""


def methods(content: dict[str, Any]) -> str:
    """Time and lesion means of the dose methods."""
    lines = [
        (
            r["name"],
            name,
            f"{row['s']:.2f}",
            f"{row['cpu_s']:.2f}",
            f"{100 * row['largest_error']:.2f}" if "largest_error" in row else "",
            "" if name == "mc" else f"{100 * row['largest_bias']:+.1f}",
        )
        for r in rows_of(content, "methods")
        for name, row in r["by_method"].items()
    ]
    head = ("methods", "", "s", "CPU s", "largest lesion s.e. %", "largest lesion bias %")
    return table(head, lines) if lines else ""


def kernels(content: dict[str, Any]) -> str:
    """Kernels of the cases, simulated and from the cache."""
    lines = [
        (
            r["name"],
            number(r["voxels"]),
            number(r["decays"]),
            f"{r['made_s']:.1f}",
            f"{r['made_cpu_s']:.1f}",
            f"{r['cached_s']:.2f}",
            f"{100 * r['source_error']:.3f}",
        )
        for r in rows_of(content, "kernel")
    ]
    head = ("kernel of", "voxels", "decays", "simulated s", "CPU s", "cached s", "source voxel s.e. %")
    return table(head, lines) if lines else ""


def convolutions(content: dict[str, Any]) -> str:
    """The convolution alone, in double and single precision."""
    lines = []
    for r in rows_of(content, "convolution"):
        far = r["float32_error_far"]
        cells = [f"{r[f'{kind}_s']:.2f}" for kind in ("float64", "float64_cpu", "float32")]
        errors = [number(r["float32_error"], 1), "-" if far is None else f"{100 * far:.0f}"]
        lines.append([r["name"], str(r["reach"]), " x ".join(map(str, r["padded"])), *cells, *errors])
    head = ("convolution", "reach", "padded", "s", "CPU s", "s in float32", "its error / largest", "in far voxels %")
    return table(head, lines) if lines else ""
