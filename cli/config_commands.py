"""``hevesy config``: a site's own defaults for new cases."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..engine.errors import InputError
from .options import JSON
from .output import echo, echo_json

group = typer.Typer(
    help="Defaults of this site or user that `hevesy import` writes into new cases: recovery by scanner, calibration, "
    "activity. A run reads its case file alone.",
    invoke_without_command=True,
)


def add_to(app: typer.Typer) -> None:
    """Add these sub-commands to the application."""
    app.add_typer(group, name="config")


@group.callback()
def show(context: typer.Context, json: JSON = False) -> None:
    """Show the defaults, or change them by a sub-command."""
    if context.invoked_subcommand is not None:
        return
    from ..engine.case.site import Site

    _tell(Site.load(), json)


@group.command("set")
def set_(
    key: Annotated[str, typer.Argument(help="For instance uncertainty.calibration or recovery.I-124.")],
    value: Annotated[str, typer.Argument(help='For instance "3 %" or "{fwhm: 6.4 mm, fwhm_sigma: 0.5 mm}".')],
    json: JSON = False,
) -> None:
    """Set one default; checked as in a case."""
    import yaml

    from ..engine.case.site import Site

    try:
        parsed: Any = yaml.load(value, Loader=yaml.BaseLoader)  # scalars stay text, as in a case file
    except yaml.YAMLError as error:
        why = str(getattr(error, "problem", None) or error)
        raise InputError(
            f"{value!r} cannot be read", why=why, suggestion="write a value as in a case file", field=key
        ) from error
    if parsed is None or parsed == "":
        raise InputError(
            "the value is empty", why="there is nothing to set", suggestion=f"hevesy config unset {key}", field=key
        )
    changed = Site.load().with_value(key, parsed)
    changed.save()
    _tell(changed, json)


@group.command("unset")
def unset(
    key: Annotated[str, typer.Argument(help="The key to remove, for instance uncertainty.calibration.")],
    json: JSON = False,
) -> None:
    """Remove one default."""
    from ..engine.case.site import Site

    changed = Site.load().with_value(key, None)
    changed.save()
    _tell(changed, json)


@group.command("path")
def path_(json: JSON = False) -> None:
    """Show where the file is; HEVESY_CONFIG names another."""
    from ..engine.case.site import site_path

    path = site_path()
    if json:
        echo_json({"path": path, "exists": path.exists()})
        return
    echo(path)


def _tell(site: Any, json: bool) -> None:
    import yaml

    if json:
        echo_json({"path": site.path, "exists": site.path.exists(), "defaults": site.data})
        return
    echo(f"# {site.path}{'' if site.path.exists() else ' (not there yet)'}")
    if site.data:
        echo(yaml.safe_dump(site.data, sort_keys=False, allow_unicode=True, width=100).rstrip())
    else:
        echo("# no defaults: `hevesy import` writes its own proposals")
