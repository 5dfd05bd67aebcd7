"""A table in a page of the documentation that is written from the code, between two marks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import InputError

FORMATS = Path(__file__).resolve().parents[1] / "docs" / "formats"


@dataclass(frozen=True)
class PageTable:
    """Where a table stands.

    Parameters
    ----------
    name
        What it lists; ``make NAME`` writes it.
    page
        The Markdown file.
    """

    name: str
    page: Path

    @property
    def begin(self) -> str:
        """The mark before the table."""
        return f"<!-- {self.name}: written by `make {self.name}` -->"

    @property
    def end(self) -> str:
        """The mark after the table."""
        return f"<!-- end of {self.name} -->"

    def put(self, page: str, table: str) -> str:
        """The text of the page with another table.

        Raises
        ------
        InputError
            The page has lost the marks around the table.
        """
        before, begin, rest = page.partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not begin or not end:
            raise InputError(
                f"the page has no place for the table of {self.name}",
                why=f"it belongs between {self.begin} and {self.end}",
                suggestion="put both lines back",
                file=self.page,
            )
        return f"{before}{begin}\n\n{table}\n\n{end}{after}"

    def write(self, table: str) -> None:
        """Put the table into the page on disk."""
        self.page.write_text(self.put(self.page.read_text(encoding="utf-8"), table), encoding="utf-8")
