"""The long form: inputs of all kinds in processes of their own, counted, resumable, the faults kept."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ...engine.files import read_json, write_json
from .child import WARM_S
from .judge import LONGEST_S, RIGHT
from .registry import KINDS, sample_of, shares

#: Inputs of a kind that a process reads in one go.
CHUNK = 200
#: A process that says nothing for so long hangs in a library, or waits for something [s].
SILENT_S = 30 * LONGEST_S


@dataclass
class Tally:
    """What became of the inputs of one kind.

    Attributes
    ----------
    done
        Numbers of the first inputs of chunks that are read.
    words
        Inputs by outcome.
    changes
        Inputs by mutation.
    messages
        Inputs by message of a refusal.
    faults
        Numbers of inputs that did not end as they may, with their outcome.
    """

    done: list[int] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    def add(self, number: int, word: str, text: str, change: str) -> None:
        """Count one input."""
        self.words[word] += 1
        self.changes[change] += 1
        if word == "refused":
            self.messages[text] += 1
        if word not in RIGHT:
            self.faults[str(number)] = f"{change}: {word}: {text}"


class Child:
    """A process that reads inputs; a new one where the last has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read(self, kind: str, first: int, count: int, tally: Tally) -> None:
        """Read a chunk of inputs; one that kills the process, or never ends in it, is a fault, and the next follows."""
        at, end = first, first + count
        while at < end:
            process = self._started()
            assert process.stdin is not None
            process.stdin.write(f"{kind} {at} {end - at}\n")
            process.stdin.flush()
            at = self._answers(process, kind, at, end, tally)

    def _answers(self, process: subprocess.Popen[str], kind: str, at: int, end: int, tally: Tally) -> int:
        """Count what the process answers; the number of the next input to ask for."""
        while at < end:
            line = self._line(kind)
            if not line:
                word, text = "hang", "the process said nothing any more"
                if line == "":
                    word, text = "died", f"the process ended with {process.wait()}"
                process.kill()
                process.wait()
                self._process = None
                tally.add(at, word, text, sample_of(KINDS[kind], at).change)
                return at + 1
            told = json.loads(line)
            if "word" in told:
                tally.add(told["number"], told["word"], told["text"], told["change"])
                at = told["number"] + 1
        return at

    def _line(self, kind: str) -> str | None:
        """The next answer; empty where the process has ended, None where it is silent."""
        try:
            return self._lines.get(timeout=WARM_S if KINDS[kind].words else SILENT_S)
        except queue.Empty:
            return None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            words = [sys.executable, "-m", "hevesy.tools.fuzz.child"]
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
            )
            self._lines = queue.SimpleQueue()  # filled by a thread: a wait on the pipe itself misses what is buffered
            threading.Thread(target=_pass_on, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()


def _pass_on(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Every line of a process, and an empty one at its end."""
    while True:
        line = stream.readline()
        lines.put(line)
        if not line:
            return


class Run:
    """A run of all kinds, its state in a folder.

    Parameters
    ----------
    out
        Folder of the state and of the faults.
    total
        Inputs in all.
    names
        Kinds; all by default.
    """

    def __init__(self, out: Path, total: int, names: tuple[str, ...] = ()) -> None:
        self.out, self.wanted = out, shares(total, names)
        out.mkdir(parents=True, exist_ok=True)
        self.tallies = {name: Tally() for name in self.wanted}
        state = out / "state.json"
        for name, stored in (read_json(state) if state.is_file() else {}).items():
            if name in self.tallies:
                counts = {key: Counter(stored[key]) for key in ("words", "changes", "messages")}
                self.tallies[name] = Tally(stored["done"], faults=stored["faults"], **counts)
        self._lock = threading.Lock()

    def go(self, seconds: float, jobs: int) -> None:
        """Read what is not yet read, for so long."""
        chunks: queue.SimpleQueue[tuple[str, int, int]] = queue.SimpleQueue()
        for first in range(0, max(self.wanted.values()), CHUNK):  # the kinds in turn
            for name, count in self.wanted.items():
                if first < count and first not in self.tallies[name].done:
                    chunks.put((name, first, min(CHUNK, count - first)))
        end = time.monotonic() + seconds
        workers = [threading.Thread(target=self._work, args=(chunks, end)) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, chunks: queue.SimpleQueue[tuple[str, int, int]], end: float) -> None:
        child = Child()
        while time.monotonic() < end and not chunks.empty():
            try:
                name, first, count = chunks.get_nowait()
            except queue.Empty:
                break
            part = Tally()
            child.read(name, first, count, part)
            with self._lock:
                self._add(name, first, part)
        child.close()

    def _add(self, name: str, first: int, part: Tally) -> None:
        tally = self.tallies[name]
        tally.done.append(first)
        for key in ("words", "changes", "messages"):
            getattr(tally, key).update(getattr(part, key))
        tally.faults.update(part.faults)
        for number, text in part.faults.items():
            folder = self.out / "faults" / f"{name}-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            sample_of(KINDS[name], int(number)).write(folder)
            (folder / "outcome.txt").write_text(text, encoding="utf-8", errors="replace")
        write_json(self.out / "state.json", {key: vars(one) for key, one in self.tallies.items()})
        print(f"{name}: {sum(tally.words.values())} of {self.wanted[name]}, {len(tally.faults)} unexpected", flush=True)

    def table(self) -> list[dict[str, Any]]:
        """A row for each kind: inputs, read, refused, different refusals, mutations, unexpected."""
        return [
            {
                "kind": name,
                "inputs": sum(tally.words.values()),
                "read": tally.words["read"],
                "refused": tally.words["refused"],
                "messages": len(tally.messages),
                "mutations": len(tally.changes),
                "unexpected": len(tally.faults),
            }
            for name, tally in self.tallies.items()
        ]
