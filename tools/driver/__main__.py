"""Run Python under the emulated driver: python -m hevesy.tools.driver [OPTIONS] -- ARGUMENTS

``-- -m pytest -p hevesy.tools.driver.few_decays tests/gpu`` runs the tests of a GPU with a hundredth of their decays,
``-- script.py`` a script, ``-- -m hevesy simulate ...`` the command. The device simulates some thousand decays a
second.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from . import Session, Settings, missing, usual_folder


def main(words: list[str]) -> int:
    """Run a command line; the exit status of what ran."""
    own, command = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    usual = Settings()
    parser = argparse.ArgumentParser(prog="python -m hevesy.tools.driver", description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, help="of the driver library and the emulated kernels")
    parser.add_argument("--devices", type=int, default=usual.devices)
    parser.add_argument("--multiprocessors", type=int, default=usual.multiprocessors)
    parser.add_argument("--capability", default=usual.capability, help="compute capability")
    parser.add_argument("--memory", type=int, default=usual.memory, help="of a device [bytes]")
    parser.add_argument("--fault", action="append", default=[], metavar="CALL=CODE", help="an error to return")
    given = parser.parse_args(own)
    if not command:
        parser.error("what is to be run? (after --)")
    lacking = missing()
    if lacking:
        print(f"this environment lacks {lacking}", file=sys.stderr)
        return 2
    faults = {call: int(code) for call, code in (fault.split("=") for fault in given.fault)}
    settings = Settings(
        devices=given.devices,
        multiprocessors=given.multiprocessors,
        capability=given.capability,
        memory=given.memory,
        faults=faults,
    )
    session = Session(given.folder or usual_folder())
    return subprocess.run([sys.executable, *command], env=session.environment(settings), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
