"""The steps in order, with what each proves and what to do when it fails.

Their work is imported by the process that does it: a list of steps needs the standard library alone.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from .runner import Notes, Step


def _later(module: str, function: str) -> Callable[[Notes], None]:
    """A function of a module of this package, which is imported when the function is called."""

    def work(notes: Notes) -> None:
        getattr(import_module(f".{module}", __package__), function)(notes)

    return work


MACHINE, KERNEL, NAMES, TOGETHER, USE = "machine", "kernel", "names", "CuPy and Numba", "use"
SEE = "see the reason, and send the output of this command"
#: What most likely fails first, then what decides the defaults, then the rest.
STEPS = (
    Step(
        MACHINE, _later("machine_step", "machine"), 30, "packages, compiler libraries and a driver are here",
        "install what is missing",
    ),
    Step(
        "plain kernel", _later("stack_steps", "plain_kernel"), 60, "numba-cuda works as it is installed",
        "nothing, if the next step passes", informs=True,
    ),
    Step(
        KERNEL, _later("stack_steps", "own_kernel"), 60, "numba-cuda compiles and launches as the project imports it",
        SEE, grounds=True,
    ),
    Step(
        NAMES, _later("stack_steps", "names"), 30, "the driver knows the attributes that the backend asks for",
        SEE, grounds=True,
    ),
    Step(
        TOGETHER, _later("stack_steps", "cupy_and_numba"), 60, "both use one context, and their work is done in order",
        "install the CuPy of the driver's CUDA version (cupy-cuda12x or cupy-cuda13x)", grounds=True,
    ),
    Step(
        USE, _later("stack_steps", "use"), 60, "--backend auto uses this device",
        "see the reason; runs use the CPU until then, the steps below use the device all the same", grounds=True,
    ),
    Step(
        "compile", _later("engine_steps", "compile_all"), 110, "every build of the kernel compiles and loads",
        "builds that did not compile are not measured; the others are", needs=TOGETHER,
    ),
    Step(
        "engine", _later("engine_steps", "first_engine"), 60, "energy is conserved and a batch repeats to the quantum",
        "do not use the GPU: send the output of this command", needs=TOGETHER, grounds=True,
    ),
    Step(
        "CPU and GPU", _later("engine_steps", "against_cpu"), 60, "the same decays happen on CPU and GPU",
        "do not use the GPU: send the output of this command", needs=TOGETHER, grounds=True,
    ),
    Step(
        "schedules", _later("engine_steps", "schedules"), 40, "every schedule gives the same integers",
        "keep the default schedule, and send the output of this command", needs=TOGETHER, grounds=True,
    ),
    Step(
        "devices", _later("engine_steps", "devices"), 40, "two devices give the integers of one",
        "use one device: CUDA_VISIBLE_DEVICES=0", needs=TOGETHER, grounds=True,
    ),
    Step(
        "transfers", _later("rate_steps", "transfers"), 30, "what a launch and a copy cost", "nothing: it informs",
        informs=True, needs=TOGETHER,
    ),
)  # fmt: skip
RATES = "rates {}"
BATCHES = Step(
    "batches", _later("rate_steps", "batches"), 30, "runs with the recommended options work, and how fast",
    "keep the default options", needs=TOGETHER, grounds=True,
)  # fmt: skip
TESTS = Step(
    "tests", _later("rate_steps", "tests"), 120,
    "tests/gpu pass with the recommended options, without the long comparisons",
    "run `make gpu-test` and send its output", needs=TOGETHER, grounds=True,
)  # fmt: skip

#: what steps have done in other processes
COMPILE, COMPILE_CPU, PREPARE = "compile one", "compile for the CPU", "prepare patients"
TASKS = {
    name: Step(name, _later("engine_steps", function), 0.0, "", "")
    for name, function in ((COMPILE, "compile_one"), (COMPILE_CPU, "compile_cpu"), (PREPARE, "prepare_patients"))
}


def rate_step(schedule: str) -> Step:
    """The step that measures one schedule."""
    return Step(
        RATES.format(schedule), _later("rate_steps", "rates"), 30,
        f"every build of schedule {schedule} runs, and how fast",
        "builds that were not measured are not recommended", needs=TOGETHER,
    )  # fmt: skip


def in_order() -> list[Step]:
    """Every step of the command, in the order in which they run."""
    return [*STEPS, *map(rate_step, schedules()), BATCHES, TESTS]


def all_steps() -> dict[str, Step]:
    """Every step by its name, those of other processes included."""
    return {step.name: step for step in in_order()} | TASKS


def schedules() -> list[str]:
    """Schedules, the default first; it alone where numba-cuda, which knows the others, cannot be imported."""
    from hevesy.kernels.backends.cuda_options import DEFAULT

    try:
        from hevesy.kernels.backends.cuda_target import SCHEDULES
    except Exception:  # a broken installation is what this command is there to tell about
        return [DEFAULT.schedule]
    return [DEFAULT.schedule, *(name for name in SCHEDULES if name != DEFAULT.schedule)]
