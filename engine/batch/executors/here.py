"""One job after the other in this process, each on all cores."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ...progress import Progress, Stop
from ..work import run_job


class Here:
    """Runs jobs in this process.

    Parameters
    ----------
    threads
        CPU threads; all usable cores by default.
    """

    waits = True

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads

    def run(
        self, out: Path, folders: Sequence[Path], *, progress: Progress | None = None, stop: Stop | None = None
    ) -> None:
        """Run the jobs; see :class:`hevesy.engine.batch.executors.base.Executor`."""
        for number, folder in enumerate(folders):
            if stop is not None and stop():
                return

            def tell(fraction: float, text: str, number: int = number, name: str = folder.name) -> None:
                if progress is not None:
                    progress((number + fraction) / len(folders), f"{name} ({number + 1} of {len(folders)}), {text}")

            run_job(folder, threads=self.threads, progress=tell, stop=stop)

    def check(self, out: Path, backends: Collection[str]) -> None:
        """Nothing to do: what a job needs, its plan needs too."""

    def cancel(self, out: Path, folders: Sequence[Path]) -> None:
        """Nothing to do: what runs here ends with its command."""
