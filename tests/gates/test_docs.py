"""The pages hold together: what they name exists, links resolve, every page is reachable, lines can be read.

Read as text; nothing is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = 120
#: Folders with source or pages; the rest of a checkout (environments, outputs, reference data) is not ours.
FOLDERS = ("benchmarks", "cli", "docs", "engine", "kernels", "phantoms", "tests", "tools")
TEXT = {".py", ".md", ".toml", ".j2", ".cff", ".html", ".css"}
#: A page named in running text; an address is not one of ours.
PAGE_NAME = re.compile(r"(?<![\w./:*-])(?!https?:)[\w./-]*\w\.md\b")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\w+/[\w./*-]*")
FILE_NAME = re.compile(r"[\w*]+\.py")
ONE_LINK = re.compile(r"\W*\[[^\]]*\]\([^)]*\)\W*")
MODULE = re.compile(r"python3? -m (hevesy[\w.]+)")


def pages(root: Path = ROOT) -> list[Path]:
    """Every page of a checkout: those of the root and those under docs/."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def sources(root: Path = ROOT) -> list[Path]:
    """Every text file that may name a page."""
    inside = [p for folder in FOLDERS for p in (root / folder).rglob("*") if p.suffix in TEXT and p.is_file()]
    return sorted([*inside, *(p for p in root.iterdir() if p.suffix in TEXT or p.name == "Makefile")])


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a page without code blocks (fenced or indented)."""
    fenced = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, line


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, made as repositories show them."""
    found: set[str] = set()
    for _, line in prose(path):
        if line.startswith("#"):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip().lower())
            slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            number = sum(a == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", a) is not None for a in found)
            found.add(slug if not number else f"{slug}-{number}")
    return found


def links(path: Path) -> Iterator[tuple[int, Path, str]]:
    """Line, file and anchor of every relative link of a page."""
    for number, line in prose(path):
        for target in LINK.findall(CODE_SPAN.sub("", line)):
            if not re.match(r"[a-z]+:", target):
                name, _, anchor = target.partition("#")
                yield number, (path.parent / name).resolve() if name else path, anchor


def missing_pages(files: list[Path], root: Path = ROOT) -> list[str]:
    """Pages that a file names and that are not there: from the root, from beside the file, or anywhere by bare name."""
    known = {p.name for p in pages(root)}
    wrong = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for name in PAGE_NAME.findall(line):
                beside = (root / name).is_file() or (path.parent / name).is_file()
                there = beside or name.removeprefix("../methods/") in known
                if not there:
                    wrong.append(f"{path.relative_to(root)}:{number}: {name}")
    return wrong


def broken_links(files: list[Path], root: Path = ROOT) -> list[str]:
    """Links to files that are not there, and to headings that are not in their page."""
    wrong = []
    for path in files:
        for number, target, anchor in links(path):
            where = f"{path.relative_to(root)}:{number}"
            if not target.exists():
                wrong.append(f"{where}: no file {target.name}")
            elif anchor and anchor not in anchors(target):
                wrong.append(f"{where}: no heading #{anchor} in {target.name}")
    return wrong


def unreachable(start: Path, root: Path = ROOT) -> list[str]:
    """Pages under docs/ to which no chain of links leads from a page."""
    seen, waiting = {start.resolve()}, [start.resolve()]
    while waiting:
        for _, target, _ in links(waiting.pop()):
            if target.suffix == ".md" and target.is_file() and target not in seen:
                seen.add(target)
                waiting.append(target)
    return [str(p.relative_to(root)) for p in sorted((root / "docs").rglob("*.md")) if p.resolve() not in seen]


def long_lines(files: list[Path], root: Path = ROOT) -> list[str]:
    """Lines of prose that are too long; tables, images and lines that are one link are left out."""
    return [
        f"{path.relative_to(root)}:{number}: {len(line)} characters"
        for path in files
        for number, line in prose(path)
        if len(line) > LINE
        and not line.startswith(("|", "!["))
        and not re.fullmatch(r"\W*\[[^\]]*\]\([^)]*\)\W*", line)
    ]


def missing_files(files: list[Path], root: Path = ROOT) -> list[str]:
    """Files, folders and modules of the checkout that a page names and that are not there."""
    own = {p.name for folder in FOLDERS for p in (root / folder).rglob("*.py")}
    wrong = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{path.relative_to(root)}:{number}"
            for name in CODE_SPAN.findall(line):
                lost = name.split("/")[0] in FOLDERS and PATH.fullmatch(name) and not list(root.glob(name.rstrip("/")))
                stray = FILE_NAME.fullmatch(name) and not any(Path(o).match(name) for o in own)
                if lost or stray:
                    wrong.append(f"{where}: {name}")
            for module in MODULE.findall(line):
                inside = root.joinpath(*module.rstrip(".").split(".")[1:])
                if not (inside.with_suffix(".py").is_file() or (inside / "__init__.py").is_file() or inside.is_dir()):
                    wrong.append(f"{where}: {module}")
    return wrong


def test_every_page_that_a_file_names_exists() -> None:
    assert not missing_pages([p for p in sources() if p != Path(__file__).resolve()])


def test_every_link_and_anchor_of_a_page_resolves() -> None:
    assert not broken_links(pages())


def test_every_page_can_be_reached_from_the_index() -> None:
    assert not unreachable(ROOT / "docs" / "index.md")


def test_no_line_of_prose_is_too_long_to_read() -> None:
    assert not long_lines(pages())


def test_every_file_and_module_that_a_page_names_exists() -> None:
    assert not missing_files(pages())


def test_the_quickstart_reads_no_folder_that_it_has_not_made() -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    (made,) = re.findall(r"hevesy demo --out (\S+)", text)
    assert re.findall(r"hevesy compare (\S+?)/run`", text) == [made]


def test_the_gates_find_what_is_planted(tmp_path: Path) -> None:
    """Each rule reports the one mistake made against it in a small checkout, and nothing else."""
    (tmp_path / "docs" / "methods").mkdir(parents=True)
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "grid.py").write_text('"""See docs/methods/one.md and lost.md."""\n', encoding="utf-8")
    (tmp_path / "docs" / "index.md").write_text(
        "# Index\n\n[one](methods/one.md#a-b-c) [gone](methods/gone.md) [no](methods/one.md#none)\n"
        f"`engine/grid.py` `engine/old.py` `grid.py` `old.py`\n```\n[code](nowhere.md) {'x' * 130}\n```\n"
        f"{'word ' * 30}\n| {'cell ' * 30} |\n",
        encoding="utf-8",
    )
    (tmp_path / "docs" / "methods" / "one.md").write_text("# A b, c\n\n`python -m hevesy.engine.grid`\n", "utf-8")
    (tmp_path / "docs" / "methods" / "two.md").write_text("# Two\n\n`python -m hevesy.engine.old`\n", "utf-8")
    own = pages(tmp_path)
    index = "docs/index.md"
    assert missing_pages([tmp_path / "engine" / "grid.py"], tmp_path) == ["engine/grid.py:1: lost.md"]
    assert broken_links(own, tmp_path) == [f"{index}:3: no file gone.md", f"{index}:3: no heading #none in one.md"]
    assert unreachable(tmp_path / index, tmp_path) == ["docs/methods/two.md"]
    assert long_lines(own, tmp_path) == [f"{index}:8: 150 characters"]
    assert missing_files(own, tmp_path) == [
        f"{index}:4: engine/old.py", f"{index}:4: old.py", "docs/methods/two.md:3: hevesy.engine.old",
    ]  # fmt: skip
