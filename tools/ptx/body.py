"""Statements of a body of PTX, of the kernel or of a function, to basic blocks of instructions.

Names that are declared in a function or in braces are made unique in the program, so that everything behind the reader
sees one list of registers. What a caller stores for a function is the function's parameter: the two are one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .operands import SPECIAL
from .program import ENDS, IGNORED, WARP_WIDE, Block, Function, Instruction, Parameter, PtxError, parameters

_NAME = re.compile(r"[%$A-Za-z_][\w$.]*")


def split_operands(text: str) -> tuple[str, ...]:
    """Operands, at the commas that are in no bracket."""
    return tuple(part.strip() for part in re.split(r",(?![^{\[(]*[}\])])", text) if part.strip())


def _with_names(operand: str, names: Mapping[str, str]) -> str:
    """An operand with other names for those that are given."""
    return _NAME.sub(lambda found: names.get(found[0], found[0]), operand)


class _Scope:
    """What is declared between braces, and the call between them."""

    def __init__(self, names: Mapping[str, str], first: tuple[int, int]) -> None:
        self.names = dict(names)  # of a register, as it is written here: in the program
        self.first = first  # group and place in it of the first instruction
        self.parameters: dict[str, Parameter] = {}
        self.passed: dict[str, str] = {}  # name of a parameter here: that of the function
        self.called = False


class Body:
    """Reads the statements of a body.

    Parameters
    ----------
    functions
        Functions of the module that can be called, by name.
    function
        The function that is read; None for the kernel.
    count
        Instructions that were read before.
    """

    def __init__(self, functions: Mapping[str, Function], function: Function | None = None, count: int = 0) -> None:
        self.registers: dict[str, str] = {}
        self.local_name, self.local_size = "", 0
        self.calls: list[tuple[str, int]] = []  # tag of the function, line
        self.count = count
        self._functions, self._function = functions, function
        self.tag = function.tag if function else ""
        self._groups: list[tuple[str, list[Instruction]]] = [(function.entry if function else "entry", [])]
        self._labels: set[str] = set()
        own = (*function.results, *function.arguments) if function else ()
        self._scopes = [_Scope({p.name.removeprefix(f"{self.tag}."): p.name for p in own}, (0, 0))]
        self._inner = 0

    def read(self, text: str, start: int, end: int) -> None:
        """Take every statement between two positions: directives, labels and instructions."""
        token = re.compile(r"(\s*)(?:([\w$]+)\s*:(?!:)|([{}])(?=\s)|([^;]+);|(\S))")
        at, line = start, text.count("\n", 0, start) + 1
        while found := token.match(text, at, end):
            blank, label, brace, statement, rest = found.groups()
            line += blank.count("\n")
            if rest:
                raise PtxError(f"line {line}: no end of this statement")
            if label:
                self._label(label, line)
            elif brace == "{":
                self._scopes.append(_Scope(self._scopes[-1].names, (len(self._groups) - 1, len(self._groups[-1][1]))))
                self._inner += 1
            elif brace == "}":
                self._close(line)
            elif statement:
                self._statement(" ".join(statement.split()), line)
            line += found[0].count("\n", len(blank))
            at = found.end()

    def blocks(self) -> Iterator[Block]:
        """The basic blocks; what follows a jump and has no label and no instruction is left out."""
        for label, instructions in self._groups:
            if instructions or not label.startswith("after "):
                yield Block(label, tuple(instructions), self.tag)
        if self._function:
            yield Block(self._function.end, (), self.tag)

    # -- declarations --------------------------------------------------------------------------------------------

    def _statement(self, text: str, line: int) -> None:
        if not text.startswith("."):
            self._instruction(text, line)
        elif text.startswith(".reg"):
            self._declare(text, line)
        elif text.startswith(".param"):
            self._declare_parameter(text, line)
        elif text.startswith(".local"):
            found = re.fullmatch(r"\.local (?:\.align \d+ )?\.b8 ([\w$]+)\[(\d+)\]", text)
            if found is None or self.local_name or self._function:
                raise PtxError(f"line {line}: local memory of a form that is not known: {text}")
            self.local_name, self.local_size = found[1], int(found[2])
        elif not text.startswith((".shared", *IGNORED)):
            raise PtxError(f"line {line}: unknown directive: {text}")

    def _label(self, label: str, line: int) -> None:
        if self._in_call():
            raise PtxError(f"line {line}: a label between the parameters of a call: {label}")
        if label in self._labels:
            raise PtxError(f"line {line}: label {label} is there twice")
        self._labels.add(label)
        self._groups.append((self._own(label), []))

    def _own(self, name: str) -> str:
        """A label of a function, unique in the program."""
        return f"{self.tag}.{name}" if self.tag else name

    def _declare(self, text: str, line: int) -> None:
        found = re.fullmatch(r"\.reg \.(\w+) (.+)", text)
        if found is None:
            raise PtxError(f"line {line}: registers of a form that is not known: {text}")
        where = [self.tag] if self.tag else []
        where += [f"scope{self._inner}"] if len(self._scopes) > 1 else []
        for item in found[2].split(","):
            many = re.fullmatch(r"\s*([\w%$]+)<(\d+)>\s*", item)
            for name in [f"{many[1]}{i}" for i in range(int(many[2]))] if many else [item.strip()]:
                unique = f"%{'.'.join([*where, name.lstrip('%')])}" if where else name
                if unique in self.registers:
                    raise PtxError(f"line {line}: register {name} is declared twice")
                self.registers[unique] = found[1]
                self._scopes[-1].names[name] = unique

    def _declare_parameter(self, text: str, line: int) -> None:
        scope = self._scopes[-1]
        if len(self._scopes) == 1 or scope.called or any(s.parameters for s in self._scopes[:-1]):
            raise PtxError(f"line {line}: a parameter that is not one of a call in braces: {text}")
        for parameter in parameters(text):
            scope.parameters[parameter.name] = parameter

    # -- instructions --------------------------------------------------------------------------------------------

    def _instruction(self, text: str, line: int) -> None:
        found = re.fullmatch(r"(?:@(!?)([%\w]+) )?([a-z][\w.]*)(?: (.*))?", text)
        if found is None:
            raise PtxError(f"line {line}: not an instruction: {text}")
        negation, predicate, opcode, operands = found.groups()
        instruction = Instruction(
            self._renamed(predicate or ""),
            negation == "!",
            opcode,
            split_operands(operands or ""),
            text,
            self.count,
            line,
        )
        family = instruction.family
        if family == "call":
            instruction = instruction._replace(operands=(self._call(instruction),))
        elif family == "bra":
            instruction = instruction._replace(operands=tuple(map(self._own, instruction.operands)))
        else:
            instruction = instruction._replace(operands=tuple(map(self._renamed, instruction.operands)))
        if self._in_call() and (family == "bra" or family in ENDS):
            raise PtxError(f"line {line}: a jump between the parameters of a call: {text}")
        self.count += 1
        self._groups[-1][1].append(instruction)
        if family in ("bra", "call") or family in ENDS or family in WARP_WIDE:
            self._groups.append((f"after {instruction.number}", []))

    def _renamed(self, operand: str) -> str:
        names = self._scopes[-1].names
        if self.tag:  # a register of the kernel is none of the function's
            unknown = (n for n in _NAME.findall(operand) if n[0] == "%" and n not in names and n not in SPECIAL)
            names = {**names, **{n: f"%{self.tag}.{n[1:]}" for n in unknown}}
        return _with_names(operand, names)

    def _in_call(self) -> bool:
        return any(scope.parameters for scope in self._scopes)

    def _call(self, instruction: Instruction) -> str:
        """Label of the function that is called; its parameters get the names that the function has for them."""
        scope = self._scopes[-1]
        lists = [operand for operand in instruction.operands if operand.startswith("(")]
        names = [operand for operand in instruction.operands if not operand.startswith("(")]
        function = self._functions.get(names[0]) if len(names) == 1 else None
        where = f"line {instruction.line}"
        if function is None:
            raise PtxError(f"{where}: no function of this module is called: {instruction.text}")
        if scope.called and scope.parameters:
            raise PtxError(f"{where}: a second call in the same braces: {instruction.text}")
        scope.called = True
        given = [_NAME.findall(text) for text in lists]
        first = instruction.operands[0].startswith("(")
        results, arguments = given[0] if first else [], given[-1] if len(given) > first else []
        for wanted, there in ((function.results, results), (function.arguments, arguments)):
            sizes = [scope.parameters[name].size if name in scope.parameters else 0 for name in there]
            if sizes != [p.size for p in wanted]:
                raise PtxError(f"{where}: not the parameters of the function: {instruction.text}")
            scope.passed.update(zip(there, (p.name for p in wanted), strict=True))
        self.calls.append((function.tag, instruction.line))
        return function.entry

    def _close(self, line: int) -> None:
        """The end of braces: what was stored and loaded between them were parameters of the function."""
        scope = self._scopes.pop()
        if scope.parameters and set(scope.passed) != set(scope.parameters):
            raise PtxError(f"line {line}: parameters that are not passed to a function")
        group, at = scope.first
        for _, instructions in self._groups[group:] if scope.passed else ():
            for i in range(at, len(instructions)):
                operands = (_with_names(operand, scope.passed) for operand in instructions[i].operands)
                instructions[i] = instructions[i]._replace(operands=tuple(operands))
            at = 0
