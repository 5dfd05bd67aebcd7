"""What a benchmark ran on, and where its results go."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hevesy.engine.results import environment

RESULTS = Path(__file__).resolve().parent / "results"


def provenance() -> dict[str, Any]:
    """Commit, date, machine and versions. Taken before a run: what is committed then is what runs."""
    told = environment.describe()
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": told["hevesy"]["commit"],
        "version": told["hevesy"]["version"],
        "machine": {**told["machine"], "memory_gib": memory_gib(), "load_before": load()},
        "packages": {name: told["packages"][name] for name in ("numpy", "scipy", "numba")},
        "data": told["data"],
    }


def memory_gib() -> float | None:
    """Memory of the machine [GiB]; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1)
    except (AttributeError, ValueError, OSError):
        return None


def load() -> float | None:
    """Load average of the last minute: well above zero before a benchmark, and its numbers are too low."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def peak_rss_mib() -> float:
    """Largest resident memory of this process so far [MiB]."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the process that started this one
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def write(kind: str, content: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write one dated JSON, whole or not at all; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}.json"
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, default=float) + "\n", encoding="utf-8")
    part.replace(file)
    return file


def latest(kind: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """The newest result of a kind; None when there is none."""
    files = sorted(folder.glob(f"{kind}-2*.json"))
    return json.loads(files[-1].read_text(encoding="utf-8")) if files else None
