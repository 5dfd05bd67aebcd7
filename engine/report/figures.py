"""Drawing surface of the report: figures to inline SVG or PNG, and colours."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe and Ito's colours for readers with any colour vision, darkest first; yellow is left out on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":")
INK, FAINT, THRESHOLD = "#1c2430", "#8a93a0", "#b00020"

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: selectable, and read aloud
    "svg.hashsalt": "hevesy",  # the same figure gives the same bytes
}


def line_style(index: int) -> dict[str, str]:
    """Colour and dash of the curve of a lesion, told apart without colour too."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}


def label(text: str) -> str:
    """Text for a figure: a dollar sign is a dollar sign, not mathematics."""
    return text.replace("$", r"\$")


def new_figure(width: float, height: float, **subplots: Any) -> tuple[Figure, Any]:
    """An empty figure of a size [inches] and its axes, those of `Figure.subplots`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**subplots)


def to_svg(figure: Figure) -> str:
    """The figure as an inline SVG element."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = out.getvalue()
    return text[text.index("<svg") :]


def to_png(figure: Figure, dpi: int = 170) -> bytes:
    """The figure as the bytes of a PNG file."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG file as the source of an image inside the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
