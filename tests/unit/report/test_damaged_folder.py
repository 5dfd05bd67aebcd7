"""A report of damaged records: one message that names the file, and never another number."""

from __future__ import annotations

import json
import random
import re
import shutil
from itertools import islice
from pathlib import Path

import hevesy
import pytest
from hevesy.tests.unit.small_case import write_small_case

RECORDS = ("lesions.json", "patient.json")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    hevesy.run(write_small_case(folder), method="local", out=folder / "run")
    return folder / "run"


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def refused(command, folder: Path, name: str) -> str:
    before = (folder / "report.html").read_bytes()
    code, _, told = command("report", folder)
    assert code == 2 and name in told and "try:" in told and "Traceback" not in told, told
    assert (folder / "report.html").read_bytes() == before
    return told


@pytest.mark.parametrize("name", RECORDS)
def test_another_digit_is_refused(copy, command, name):
    """15 digits, each in a number or a text that the file states."""
    text = (copy / name).read_text(encoding="utf-8")

    def with_another(place: int) -> str:
        return f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}"

    digits = [match.start() for match in re.finditer(r"(?<=\d)\d", text[: text.index('"sha256"')])]
    shuffled = random.Random(4).sample(digits, len(digits))
    # the last of 17 digits may be another and the number the same: nothing is said of that, and nothing is wrong
    other = (place for place in shuffled if json.loads(with_another(place)) != json.loads(text))
    chosen = list(islice(other, 15))
    assert len(chosen) == 15
    for place in chosen:
        (copy / name).write_text(with_another(place), encoding="utf-8")
        assert (
            "is not what was written" in refused(command, copy, name) or '"format_version"' in text[place - 20 : place]
        )


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b"null", b'{"format": 5}'])
def test_what_is_no_record_is_refused(copy, command, name, content):
    (copy / name).write_bytes(content)
    refused(command, copy, name)


@pytest.mark.parametrize("name", RECORDS)
def test_a_file_without_a_digest_is_read(copy, command, name):
    """As former versions wrote it, and as whoever changes one on purpose leaves it."""
    content = json.loads((copy / name).read_text(encoding="utf-8"))
    del content["sha256"]
    (copy / name).write_text(json.dumps(content), encoding="utf-8")
    before = (copy / "report.html").read_bytes()
    code, *_ = command("report", copy)
    assert code == 0 and (copy / "report.html").read_bytes() == before


def test_a_case_that_was_cut_is_refused_by_a_comparison(copy, command):
    file = copy / "case.resolved.yaml"
    text = file.read_text(encoding="utf-8")
    for content in ("", text[: text.index("visits:") + 9], text.replace(":", "", 5), "\0"):
        file.write_text(content, encoding="utf-8")
        code, _, told = command("compare", copy)
        assert code == 2 and file.name in told and "Traceback" not in told, told
