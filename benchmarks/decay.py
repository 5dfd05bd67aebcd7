"""Cost breakdown of one decay: events, calls, look-ups, atomics and instructions per decay.

Three views of the same source. The counters of a compiled run tell what happens. A traced run of the plain Python
target tells how often each function is called and each line executed. The PTX of the CUDA kernel, compiled with line
numbers (no device needed), tells how many instructions a line became; line by line, both give the instructions of a
decay on a GPU. On the CPU they are counted: by the processor's own counters where ``perf`` can read them, else by
valgrind, as the difference of two runs.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hevesy.benchmarks import cases, measure
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.world import build_world
from hevesy.kernels import loader
from hevesy.kernels.backends import python

#: what the calls of a function stand for
CALLS = {
    "random blocks (Philox)": ("philox",),
    "table look-ups (nodes interpolated)": ("lerp",),
    "table searches (bits of the argument)": ("locate",),
    "hinges (deflections sampled)": ("sample_scattering",),
    "rotations": ("rotate",),
    "deposits (atomic additions)": ("atomic_add",),
    "face distances": ("face_distance",),
    "Compton": ("sample_compton",),
    "Rayleigh": ("sample_rayleigh",),
}
Line = tuple[str, int]


class Trace(NamedTuple):
    """Calls of functions and executions of lines in so many decays."""

    decays: int
    calls: Counter[str]
    lines: Counter[Line]


def trace(problem: Problem, decays: int, seed: int = 1) -> Trace:
    """Simulate decays in plain Python and count calls and lines of the neutral source."""
    world = build_world(problem, PhysicsOptions.from_dict(problem.physics))
    engine = python.Engine(world, seed)
    tally = np.zeros(world.density.size, np.int64)
    engine.run_batch(0, 1, tally)  # imports
    root = str(loader.ROOT)
    calls: Counter[str] = Counter()
    lines: Counter[Line] = Counter()

    def follow(frame: Any, event: str, _: Any) -> Any:
        if event == "line":
            lines[frame.f_code.co_filename, frame.f_lineno] += 1
        return follow

    def enter(frame: Any, event: str, argument: Any) -> Any:
        if event != "call" or not frame.f_code.co_filename.startswith(root):
            return None
        calls[frame.f_code.co_name] += 1
        return follow

    previous = sys.gettrace()
    sys.settrace(enter)
    try:
        engine.run_batch(1, decays, tally)
    finally:
        sys.settrace(previous)
    found: Counter[Line] = Counter()
    for (file, number), count in lines.items():
        found[Path(file).relative_to(root).as_posix(), number] += count
    return Trace(decays, calls, found)


# ---------------------------------------------------------------------------------------------- what the source says


class Function(NamedTuple):
    """Where a neutral function stands, what it calls, and lines that a loop of known length repeats."""

    file: str
    first: int
    last: int
    calls: tuple[str, ...]
    repeats: dict[int, int]


@cache
def functions() -> dict[str, Function]:
    """Every function of the neutral source and the kernel, by name."""
    found = {}
    backends = [loader.ROOT / "backends" / name for name in ("cuda_kernels.py", "cuda_target.py")]
    for path in [*loader.neutral_sources(), *backends]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                called = [n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
                name = path.relative_to(loader.ROOT).as_posix()
                # what the target puts in the place of target.atomic_add
                called_as = "atomic_add" if node.name == "_whole" else node.name
                found[called_as] = Function(name, node.lineno, node.end_lineno or 0, tuple(called), _repeats(node))
    return found


def _repeats(function: ast.FunctionDef) -> dict[int, int]:
    """Lines inside ``for ... in range(literal)``, which the compiler unrolls, and how often they are repeated."""
    found: dict[int, int] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call) and len(node.iter.args) == 1:
            times = node.iter.args[0]
            if isinstance(times, ast.Constant) and isinstance(times.value, int):
                for number in range(node.lineno, (node.end_lineno or 0) + 1):
                    found[number] = found.get(number, 1) * times.value
    return found


@cache
def copies(root: str = "history_kernel") -> Counter[str]:
    """How many inlined copies of each function the kernel holds: one for every way of calls down to it."""
    known, found = functions(), Counter({root: 1})
    todo = [(root, 1)]
    while todo:
        name, times = todo.pop()
        for called, count in Counter(known[name].calls).items():
            if called in known:
                found[called] += times * count
                todo.append((called, times * count))
    return found


# ------------------------------------------------------------------------------------------------- what the PTX says

_LOC = re.compile(r"\s*\.loc\s+(\d+)\s+(\d+)")
_FILE = re.compile(r'\s*\.file\s+(\d+)\s+"(.*)"')
_INSTRUCTION = re.compile(r"\s+(?:@!?%p\d+\s+)?([a-z][a-z0-9_.:]*)\b.*;")
#: kinds of instructions, by the beginning of their name; the first that fits
KINDS = (
    ("special", ("ex2", "lg2", "sin", "cos", "rcp", "rsqrt", "sqrt", "div.approx")),
    ("atomic", ("atom", "red")),
    ("global load", ("ld.global",)), ("local memory", ("ld.local", "st.local")),
    ("parameter", ("ld.param",)), ("branch", ("bra", "ret", "setp")),
    ("integer multiply", ("mul.wide", "mul.lo", "mul.hi", "mad.lo", "mad.hi", "mad.wide")),
    ("other", ("",)),
)  # fmt: skip


def kind_of(name: str) -> str:
    """Kind of a PTX instruction."""
    return next(kind for kind, starts in KINDS if name.startswith(starts))


def count_lines(ptx: str) -> dict[Line, Counter[str]]:
    """Instructions of every source line by kind; files are named relative to ``kernels``."""
    files: dict[str, str] = {}
    found: dict[Line, Counter[str]] = {}
    for text in ptx.splitlines():  # files may be listed after the code
        if match := _FILE.match(text):
            at = match[2].rfind("/kernels/")
            files[match[1]] = match[2][at + 9 :] if at >= 0 else match[2]
    place: Line = ("", 0)
    for text in ptx.splitlines():
        if match := _LOC.match(text):
            place = (files.get(match[1], ""), int(match[2]))
        elif match := _INSTRUCTION.match(text):
            found.setdefault(place, Counter())[kind_of(match[1])] += 1
    return found


class PerDecay(NamedTuple):
    """Instructions of a decay by kind, and by function."""

    kinds: Counter[str]
    functions: Counter[str]
    static: int

    @property
    def total(self) -> float:
        """All of them."""
        return float(sum(self.kinds.values()))


def instructions(static: dict[Line, Counter[str]], seen: Trace) -> PerDecay:
    """Instructions of a decay: those of a line, shared between its inlined copies, times how often it ran."""
    held = copies()
    kinds: Counter[str] = Counter()
    by_function: Counter[str] = Counter()
    for name, function in functions().items():
        for (file, number), counts in static.items():
            if file != function.file or not function.first <= number <= function.last:
                continue
            ran = seen.lines[file, number] / seen.decays
            if number <= function.first + 1 and not ran or name == "atomic_add":
                ran = seen.calls[name] / seen.decays  # set-up that the compiler ascribes to the head
            each = ran / function.repeats.get(number, 1) / max(held[name], 1)
            for kind, count in counts.items():
                kinds[kind] += count * each  # type: ignore[assignment]
                by_function[name] += count * each  # type: ignore[assignment]
    return PerDecay(kinds, by_function, sum(sum(c.values()) for c in static.values()))


@cache
def ptx_with_lines(cc: tuple[int, int] = (9, 0)) -> str:
    """PTX of the kernel with a source line for every instruction; in a process of its own, for its other options."""
    done = subprocess.run(
        [sys.executable, "-m", "hevesy.benchmarks.decay_ptx", str(cc[0]), str(cc[1])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


# ------------------------------------------------------------------------------------------ what the processor counts


def cpu_instructions(name: str, decays: tuple[int, int]) -> dict[str, Any] | None:
    """Instructions of a decay on the CPU, from two runs of different length; None where nothing can count them."""
    tool = _tool()
    if tool is None:
        return None
    # the first run fills the cache with code that the tool's processor can run; it is not counted
    counts = [tool(name, number) for number in (1, *decays)]
    return {
        "by": tool.__name__.strip("_"),
        "decays": decays[1] - decays[0],
        "per_decay": (counts[2] - counts[1]) / (decays[1] - decays[0]),
    }


def _tool() -> Any:
    if shutil.which("perf"):
        done = subprocess.run(
            ["perf", "stat", "-e", "instructions:u", "true"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and "not supported" not in done.stderr:
            return _perf
    return _valgrind if shutil.which("valgrind") else None


def _command(name: str, decays: int) -> list[str]:
    return [sys.executable, "-m", "hevesy.benchmarks.fresh", name, "--decays", str(decays), "--threads", "1"]


def _perf(name: str, decays: int) -> int:
    done = subprocess.run(
        ["perf", "stat", "-x", ",", "-e", "instructions:u", *_command(name, decays)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(next(line for line in done.stderr.splitlines() if "instructions" in line).split(",")[0])


def _valgrind(name: str, decays: int) -> int:
    import os

    # code for a processor that valgrind knows (no AVX-512)
    processor = {
        "PYTHONHASHSEED": "0", "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+lzcnt,+movbe",
    }  # fmt: skip
    command = _command(name, decays)
    if decays > 1:
        command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", *command]
    done = subprocess.run(command, env={**os.environ, **processor}, capture_output=True, text=True, check=True)
    if decays == 1:
        return 0
    return int(re.findall(r"I\s+refs:\s+([\d,]+)", done.stderr)[-1].replace(",", ""))


def profile(name: str, traced: int, decays: int, counted: tuple[int, int] | None) -> dict[str, Any]:
    """Everything about one named problem, as plain values."""
    problem = cases.load(name)
    if problem is None:
        raise FileNotFoundError(f"no file of {name}")
    figures = measure.timed(problem, 5, 0.0, threads=1, per_batch=decays)
    seen = trace(problem, traced)
    gpu = instructions(count_lines(ptx_with_lines()), seen)
    return {
        "name": name,
        "decays_per_cpu_s": figures["decays_per_cpu_s"],
        "events": figures["per_decay"],
        "calls": {what: sum(seen.calls[f] for f in names) / traced for what, names in CALLS.items()},
        "lines": sum(seen.lines.values()) / traced,
        "traced": traced,
        "gpu": {
            "static": gpu.static,
            "total": gpu.total,
            "kinds": dict(gpu.kinds),
            "functions": dict(gpu.functions.most_common()),
        },
        "cpu": cpu_instructions(name, counted) if counted else None,
    }
