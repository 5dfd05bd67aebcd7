"""The process that reads generated inputs: what kills it, or never ends in it, does not end the run.

It takes lines ``KIND FIRST COUNT`` and answers with JSON lines: the number of an input before it is read, then how it
ended.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from .judge import judge
from .registry import KINDS, sample_of

#: Address space beyond that of the program itself [bytes].
MOST_MEMORY = 4 << 30
#: Environment variable: ``KIND:NUMBER`` of an input at which the process ends at once, as a test of the parent.
DIE_AT = "HEVESY_FUZZ_DIE_AT"
#: One input of so many goes through the command line too.
COMMAND_EVERY = 100
#: Compiling, once for a process, is not counted [s].
WARM_S = 900
#: Inputs among which one is looked for that the command accepts.
WARM_AMONG = 100


def main() -> None:
    """Read what standard input asks for, until it ends."""
    answer = sys.stdout
    sys.stdout = sys.stderr  # whatever a reader prints is no answer
    limit_memory()
    warm: set[str] = set()
    work = Path(tempfile.mkdtemp(prefix="hevesy-fuzz-"))
    try:
        for line in sys.stdin:
            name, first, count = line.split()
            kind = KINDS[name]
            for number in range(int(first), int(first) + int(count)):
                print(json.dumps({"at": number}), file=answer, flush=True)
                if f"{name}:{number}" == os.environ.get(DIE_AT):
                    os.abort()
                sample = sample_of(kind, number)
                by_command = bool(kind.words) and number % COMMAND_EVERY == 0
                if by_command and name not in warm:
                    warm_up(name, work)
                    warm.add(name)
                folder = work / f"{name}-{number}"
                folder.mkdir()
                outcome = judge(kind, sample, folder, command=by_command)
                shutil.rmtree(folder, ignore_errors=True)
                told = {"number": number, "word": outcome.word, "text": outcome.text, "change": sample.change}
                print(json.dumps(told), file=answer, flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def warm_up(name: str, work: Path) -> None:
    """Run the command once on an input that it accepts: libraries are loaded and kernels compiled, with all time."""
    samples = (sample_of(KINDS[name], number) for number in range(WARM_AMONG))
    sample = next((one for one in samples if one.must == "read"), sample_of(KINDS[name], 0))
    with tempfile.TemporaryDirectory(dir=work) as folder:
        judge(KINDS[name], sample, Path(folder), command=True, memory=False, limit_s=WARM_S)


def limit_memory() -> None:
    """No more address space than what is mapped now and `MOST_MEMORY`."""
    mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MOST_MEMORY, hard))


if __name__ == "__main__":
    main()
