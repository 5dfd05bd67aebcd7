"""The public face says what it takes and gives: Parameters with shape, dtype and unit, Returns, Raises (numpydoc).

The public face is what `hevesy` itself and the rooms of engine/ export (their ``__all__``). Examples are run.
"""

from __future__ import annotations

import ast
import dataclasses
import doctest
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import docstring_parser
import hevesy
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
#: End of a name to its unit as a description must show it, in square brackets.
UNITS = {
    "gy": "Gy", "mev": "MeV", "kev": "keV", "ev": "eV", "mm": "mm", "cm": "cm", "ml": "mL", "g": "g", "kg": "kg",
    "h": "h", "s": "s", "bq": "Bq", "mbq": "MBq", "gbq": "GBq", "bq_ml": "Bq/mL", "bq_h_ml": "Bq h/mL",
    "bq_h": "Bq h", "mbq_h": "MBq h", "percent": "%", "hu": "HU", "g_cm3": "g/cm3",
}  # fmt: skip
_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
#: ``dose_gy``; ``mev_per_g``, ``gy_per_gbq`` (a quotient); ``decay_constant_per_h`` (a rate).
NAMED_UNIT = re.compile(
    rf"(?:^|_)(?:(?P<over>{_UNIT})_per_(?P<under>{_UNIT})|per_(?P<rate>{_UNIT})|(?P<unit>{_UNIT}))$"
)
#: ``(nz, ny, nx)``, ``(n,)``, ``(n + 1, 3)``, ``(...)``; ``scalar``, ``same shape``.
_SIZE = r"(?:\w+|\.\.\.)(?:\s*[-+*]\s*\w+)*"
SHAPE = re.compile(rf"\({_SIZE}(?:, ?{_SIZE})+\)|\({_SIZE},\)|\(\.\.\.\)|\bscalar\b|\bsame shape\b", re.I)
DTYPE = re.compile(r"\b(?:u?int(?:8|16|32|64)|float(?:32|64)|bool|same shape and dtype|any dtype)\b", re.I)
#: Parameters that explain themselves.
PLAIN = {"self", "cls", "args", "kwargs"}


def faces() -> dict[str, Any]:
    """Exported functions and classes by their full name; what several faces export, once."""
    out: dict[str, Any] = {f"hevesy.{name}": getattr(hevesy, name) for name in hevesy.__all__}
    for init in sorted((ROOT / "engine").rglob("__init__.py")):
        package = ".".join(("hevesy", *init.parent.relative_to(ROOT).parts))
        room = import_module(package)
        for name in getattr(room, "__all__", ()):
            out[f"{package}.{name}"] = getattr(room, name)
    first: dict[int, str] = {}
    for name, thing in out.items():
        if inspect.isclass(thing) or inspect.isroutine(inspect.unwrap(thing)):
            first.setdefault(id(thing), name)
    return {name: out[name] for name in first.values()}


FACES = faces()


def is_model(thing: Any) -> bool:
    """Whether it is a pydantic model, which describes its fields one by one."""
    return inspect.isclass(thing) and hasattr(thing, "model_fields")


def parameters(thing: Any) -> dict[str, str]:
    """Public parameters of a call, with the text of their annotations."""
    if is_model(thing) or (inspect.isclass(thing) and issubclass(thing, Exception)):
        return {}
    if dataclasses.is_dataclass(thing):
        return {f.name: str(f.type) for f in dataclasses.fields(thing) if not f.name.startswith("_")}
    if inspect.isclass(thing) and thing.__init__ is object.__init__:
        return {}  # abstract: made by its subclasses
    taken = inspect.signature(thing).parameters.items()
    return {name: str(p.annotation) for name, p in taken if name not in PLAIN and p.kind != p.VAR_KEYWORD}


def parsed(thing: Any) -> docstring_parser.Docstring:
    return docstring_parser.parse(inspect.getdoc(thing) or "", docstring_parser.DocstringStyle.NUMPYDOC)


def described(doc: docstring_parser.Docstring) -> dict[str, str]:
    """Text for each parameter or attribute, its type included; several may share one entry: ``a, b``."""
    out: dict[str, str] = {}
    for entry in doc.params:
        for name in entry.arg_name.split(","):
            out[name.strip().strip("*`")] = f"{entry.type_name or ''} {entry.description or ''}".strip()
    return out


def unit_of(name: str) -> str | None:
    """The unit that a name ends in, as ``[...]`` must show it."""
    match = NAMED_UNIT.search(name)
    if match is None:
        return None
    if match["unit"]:
        return UNITS[match["unit"]]
    return f"1/{UNITS[match['rate']]}" if match["rate"] else f"{UNITS[match['over']]}/{UNITS[match['under']]}"


def own_raises(thing: Any) -> set[str]:
    """Names of the exceptions that its own body makes and raises; for a class, those of its making."""
    if inspect.isclass(thing):
        makers = [vars(thing)[name] for name in ("__init__", "__post_init__") if name in vars(thing)]
        written = [m for m in makers if not m.__code__.co_filename.startswith("<")]
        return set().union(*(own_raises(maker) for maker in written))
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing))))
    made = (node.exc.func for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call))
    return {ast.unparse(name).split(".")[-1] for name in made}


def faults(thing: Any) -> Iterator[str]:
    """What its docstring lacks."""
    doc = parsed(thing)
    texts = described(doc)
    if not doc.short_description:
        yield "no first line"
    if is_model(thing):
        for name, field in thing.model_fields.items():
            if not field.description and name not in texts:
                yield f"{name}: not described"
    for name, annotation in parameters(thing).items():
        text = texts.get(name, "")
        if not text:
            yield f"{name}: not described"
            continue
        if "ndarray" in annotation and not SHAPE.search(text):
            yield f"{name}: no shape, such as (nz, ny, nx)"
        if "ndarray" in annotation and not DTYPE.search(text):
            yield f"{name}: no dtype, such as float64"
        unit = unit_of(name)
        if unit and not re.search(rf"\[{re.escape(unit)}(?:[],;]| (?:after|per) )", text):
            yield f"{name}: no [{unit}]"
    if not inspect.isclass(thing):
        returned = str(inspect.signature(thing).return_annotation)
        if returned not in ("None", "NoReturn"):
            if doc.returns is None:
                yield "no Returns"
            elif "ndarray" in returned:
                text = " ".join(f"{given.type_name} {given.description}" for given in doc.many_returns)
                if not SHAPE.search(text) or not DTYPE.search(text):
                    yield "Returns: no shape and dtype"
    named = {(entry.type_name or "").strip() for entry in doc.raises}
    for error in own_raises(thing):
        if not named:
            yield f"no Raises ({error})"
        elif error[0].isupper() and error not in named:
            yield f"Raises: no {error}"


@pytest.mark.parametrize("name", FACES)
def test_the_public_face_is_documented(name):
    wrong = list(faults(FACES[name]))
    assert not wrong, f"{name}: {wrong}"


@pytest.mark.parametrize("name", [n for n, t in FACES.items() if ">>>" in (inspect.getdoc(t) or "")])
def test_examples_run(name):
    for example in doctest.DocTestFinder(recurse=False).find(FACES[name], name, globs={}):
        report: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=report.append)
        assert not report, "".join(report)


def test_there_are_examples():
    """Otherwise the test above would run nothing."""
    assert sum(">>>" in (inspect.getdoc(thing) or "") for thing in FACES.values()) >= 3


def attenuated(dose: np.ndarray, depth_cm: float, slope_per_cm: float, *, sign: int = 1) -> np.ndarray:
    """Dose behind a slab.

    Parameters
    ----------
    dose
        Dose in front (nz, ny, nx), float64 [Gy].
    depth_cm
        Thickness [cm].
    slope_per_cm
        Attenuation coefficient [1/cm].
    sign
        +1 or -1.

    Returns
    -------
    ndarray
        Same shape and dtype [Gy].

    Raises
    ------
    ValueError
        If the thickness is negative.
    """
    if depth_cm < 0.0:
        raise ValueError("negative")
    return dose * np.exp(-sign * slope_per_cm * depth_cm)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", None),
        ("Dose behind a slab.", "", "no first line"),
        ("sign\n", "sing\n", "sign: not described"),
        ("(nz, ny, nx)", "(on the grid)", "dose: no shape, such as (nz, ny, nx)"),
        ("float64", "numbers", "dose: no dtype, such as float64"),
        ("Thickness [cm]", "Thickness in cm", "depth_cm: no [cm]"),
        ("Thickness [cm]", "Thickness [mm]", "depth_cm: no [cm]"),
        ("[1/cm]", "[cm]", "slope_per_cm: no [1/cm]"),
        ("Returns\n-------", "Gives\n-----", "no Returns"),
        ("Same shape and dtype", "As given", "Returns: no shape and dtype"),
        ("Raises\n------", "Fails\n-----", "no Raises (ValueError)"),
        ("ValueError\n", "OSError\n", "Raises: no ValueError"),
    ],
)  # fmt: skip
def test_a_bad_docstring_would_be_seen(old: str, new: str, fault: str | None, monkeypatch: pytest.MonkeyPatch):
    good = inspect.getdoc(attenuated) or ""
    assert old in good
    function: Callable[..., Any] = attenuated
    monkeypatch.setattr(function, "__doc__", good.replace(old, new, 1))
    assert (fault in list(faults(function))) if fault else not list(faults(function))
