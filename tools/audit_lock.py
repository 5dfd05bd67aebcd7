"""Ask the advisory service about every pin of the lock files, on whichever platform it is installed.

Run by ``make audit``. Exit code 0: every pin was looked up and none is known to be vulnerable; 1: some are; 77: the
service was not reached, or does not know some of them, so that nothing is said about those. pip-audit alone ends with 0
where the service answers that it does not know a package, as mirrors of the registry do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from .locks import LOCKS, ROOT, Pin, faults, project_table, read_pins

SKIPPED = 77


def rounds(pins: list[Pin]) -> list[list[Pin]]:
    """Pins in groups that name each package once: those of other platforms and Pythons are audited too."""
    out: list[list[Pin]] = []
    for pin in sorted({(pin.name, pin.version): pin for pin in pins}.values(), key=lambda pin: (pin.name, pin.version)):
        group = next((some for some in out if pin.name not in {other.name for other in some}), None)
        if group is None:
            out.append(group := [])
        group.append(pin)
    return out


def verdict(reports: list[dict]) -> tuple[int, list[str]]:
    """Exit code and sentences from what pip-audit reports (JSON).

    Parameters
    ----------
    reports
        One for each round; an empty one where there is no report.
    """
    vulnerable, unknown, audited = [], [], 0
    for report in reports:
        for package in report.get("dependencies", []):
            if "skip_reason" in package:
                unknown.append(package["name"])
                continue
            audited += 1
            for fault in package["vulns"]:
                fixed = ", ".join(fault.get("fix_versions", [])) or "no version"
                vulnerable.append(f"{package['name']} {package['version']}: {fault['id']}, fixed in {fixed}")
    told = [*vulnerable, f"{audited} pins audited, {len(vulnerable)} known to be vulnerable"]
    if unknown:
        told.append(f"NOT AUDITED: the service does not know {len(unknown)} pins: {', '.join(unknown[:5])} ...")
    if not all(reports) or not reports:
        told.append("NOT AUDITED: the advisory service was not reached")
    return (1 if vulnerable else SKIPPED if unknown or not all(reports) or not audited else 0), told


def audit(pins: list[Pin], command: str, service: str) -> dict:
    """What pip-audit reports of pins that name each package once; empty when it has no report."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pins.txt"
        file.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), encoding="utf-8")
        done = subprocess.run(
            [command, "--disable-pip", "--no-deps", "--progress-spinner", "off", "--format", "json",
             "--vulnerability-service", service, "--requirement", file],
            capture_output=True, text=True,
        )  # fmt: skip
    try:
        report: dict = json.loads(done.stdout)
    except ValueError:
        print(done.stderr.strip().splitlines()[-1:] or "pip-audit said nothing", file=sys.stderr)
        return {}
    return report


def main(words: list[str] | None = None) -> int:
    """Audit the lock files; the exit code."""
    parser = argparse.ArgumentParser(prog="audit_lock", description=__doc__.split("\n")[0])
    parser.add_argument("--pip-audit", default="pip-audit", help="the program")
    parser.add_argument("--service", default="pypi", choices=("pypi", "osv"))
    given = parser.parse_args(words)
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in LOCKS}
    wrong = [f"{name}: {fault}" for name, text in texts.items() for fault in faults(text, project_table(), LOCKS[name])]
    for text in wrong:
        print(text)
    pins = [pin for text in texts.values() for pin in read_pins(text)]
    reports: list[dict] = []
    for some in rounds(pins):
        reports.append(audit(some, given.pip_audit, given.service))
        if not reports[-1]:
            break
    code, told = verdict(reports)
    print("\n".join(told))
    return 1 if wrong else code


if __name__ == "__main__":
    sys.exit(main())
