"""PTX text of one kernel, and of the functions that it calls, to basic blocks of instructions.

Takes what NVVM makes of a Numba kernel: one ``.entry``, functions with bodies, their parameters, registers, static
local and shared memory. Anything else is refused with its line: nothing is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .body import Body
from .program import SIZES, Function, Program, PtxError, aligned, parameters

_KERNEL = re.compile(r"(?:\.visible\s+)?\.entry\s+([\w$]+)\s*\(([^)]*)\)([^{]*)\{")
_FUNCTION = re.compile(r"\.func\s*(?:\(([^)]*)\)\s*)?([\w$]+)\s*(?:\(([^)]*)\)\s*)?(;|\{)")


def parse(text: str) -> Program:
    """Read the PTX of a module with one kernel.

    Parameters
    ----------
    text
        The module, as the compiler writes it.

    Returns
    -------
    Program
        The kernel and the functions that it calls.

    Raises
    ------
    PtxError
        If the text holds anything that this reader does not know, with the line.
    """
    text = without_comments(text)
    head = _KERNEL.search(text)
    if head is None:
        raise PtxError("no kernel (.entry) in this PTX")
    more = re.compile(r"\.entry\b").search(text, head.end())
    if more:
        raise PtxError(f"line {line_of(text, more.start())}: more than one kernel")
    functions, starts = function_heads(text)
    body = Body(functions)
    body.read(text, head.end(), end_of_body(text, head.end()))
    bodies = [body]
    for name, function in functions.items():
        bodies.append(Body(functions, function, bodies[-1].count))
        bodies[-1].read(text, starts[name], end_of_body(text, starts[name]))
    refuse_recursion({b.tag: b.calls for b in bodies})
    shared, shared_size = shared_arrays(text)
    return Program(
        name=head[1],
        parameters=parameters(head[2]),
        registers={name: kind for b in bodies for name, kind in b.registers.items()},
        local_name=body.local_name,
        local_size=body.local_size,
        shared=shared,
        shared_size=shared_size,
        blocks=tuple(block for b in bodies for block in b.blocks()),
        functions=tuple(functions.values()),
    )


def without_comments(text: str) -> str:
    """The text with comments blanked, its lines where they were."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


def line_of(text: str, at: int) -> int:
    """Line number of a position, from 1."""
    return text.count("\n", 0, at) + 1


def end_of_body(text: str, start: int) -> int:
    """Position of the brace that ends a body, from behind the one that begins it."""
    depth = 1
    for found in re.compile("[{}]").finditer(text, start):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            behind = text[found.end() :].lstrip()[:1]
            if behind not in ("", "."):
                raise PtxError(f"line {line_of(text, found.start())}: no directive follows this body")
            return found.start()
    raise PtxError(f"line {line_of(text, start)}: no end of this body")


def function_heads(text: str) -> tuple[dict[str, Function], dict[str, int]]:
    """Functions with a body, and where it begins; all their parameters have places of their own."""
    functions: dict[str, Function] = {}
    starts: dict[str, int] = {}
    offset = 0
    for word in re.finditer(r"\.func\b", text):
        where = f"line {line_of(text, word.start())}"
        found = _FUNCTION.match(text, word.start())
        if found is None:
            raise PtxError(f"{where}: a function of a form that is not known")
        results, name, arguments, opened = found.groups()
        if opened == ";":
            continue
        if name in functions:
            raise PtxError(f"{where}: function {name} is there twice")
        tag, lists = f"call{len(functions)}", []
        for given in (results, arguments):
            lists.append(tuple(p._replace(name=f"{tag}.{p.name}") for p in parameters(given or "", offset)))
            offset = aligned(max((p.offset + p.size for p in lists[-1]), default=offset), 16)
        functions[name], starts[name] = Function(name, tag, *lists), found.end()
    return functions, starts


def refuse_recursion(calls: Mapping[str, list[tuple[str, int]]]) -> None:
    """A function has one set of registers and parameters: it must not be called before it has returned."""

    def follow(tag: str, above: tuple[str, ...]) -> Iterator[int]:
        for callee, line in calls[tag]:
            if callee in (*above, tag):
                yield line
            else:
                yield from follow(callee, (*above, tag))

    for line in follow("", ()):
        raise PtxError(f"line {line}: recursion is not translated")


def shared_arrays(text: str) -> tuple[dict[str, int], int]:
    """Offsets of the static shared arrays, and their size in all [B]."""
    offsets: dict[str, int] = {}
    size = 0
    for alignment, kind, name, count in re.findall(
        r"\.shared\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)(?:\[(\d+)\])?\s*;", text
    ):
        offsets[name] = size = aligned(size, int(alignment or SIZES[kind]))
        size += SIZES[kind] * int(count or 1)
    return offsets, size
