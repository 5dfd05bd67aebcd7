"""Templates and style sheet of the reports: the only files that this room opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from ..text import printable


def render(template: str, filters: Mapping[str, Callable[..., str]] | None = None, /, **values: Any) -> str:
    """A template of this package filled in, with the style sheet as ``style``.

    Parameters
    ----------
    template
        Its file name.
    filters
        Further Jinja filters, by name.
    values
        Variables of the template; one that is used and not given is an error. Text is escaped and loses its control
        characters, such as those that turn the direction of writing; `markup` stays as it is.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
    )
    environment.filters.update(filters or {})
    return environment.get_template(template).render(style=markup(_text("report.css")), **values)


def markup(text: str) -> str:
    """Text that is HTML or SVG already and must not be escaped."""
    from markupsafe import Markup  # jinja2's own

    return Markup(text)


def _clean(value: Any) -> Any:
    """Text of files of others in printable characters; markup and other values as they are."""
    return printable(value, lines=True) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
