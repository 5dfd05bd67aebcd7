"""Mutations that know nothing of a format: of bytes, of text, of plain data."""

from __future__ import annotations

from random import Random
from typing import Any

#: Bytes at which readers turn.
_BYTES = (0, 1, 2, 3, 7, 8, 10, 13, 27, 31, 32, 34, 44, 47, 48, 58, 92, 127, 128, 254, 255)
#: Whole numbers at which readers turn.
_NUMBERS = (0, 1, 2, 3, -1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63)
#: Texts in place of a value.
WORDS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e999", "-1", "0", "-0", "1e-400", "1e300", "99999999999999999999", "1_000",
    "0x10", "1,5", "1.5.2", "1e5", "+", "é", "１２", "٣", "−5", "½", "null", "~", "true", "no", "[]", "{}", "[", "}",
    "../../etc/passwd", "/etc/passwd", "/dev/zero", ".", "..", "~", "~root", "~nobody-here/x", "con", "a\u202eb",
    "\x1b[2J", "\u0000",
    "\ud7ff", "\ufeff", "x" * 300, "9" * 5000, "!!python/object/apply:os.system [id]", "&a [*a]", "*a", "%s%n", "=1+1",
    "${HOME}", "`id`", "I-131", "5 mm", "24 h", "20 Gy", "5 %", "2026-02-30T09:00", "2026-01-05T09:00+99:00",
)  # fmt: skip
_SIGNS = ":-[]{}&*!|>'\"%@`#,?\n\t \\;=()/\x00\x85\u2028\ufeff"


def damaged(data: bytes, rng: Random, head: int = 0) -> bytes:
    """Bytes changed in one to four ways.

    Parameters
    ----------
    data
        The content.
    rng
        Source of choices.
    head
        Where given, four changes of five lie in so many bytes from the beginning.
    """
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        _damage(out, rng, head)
    return bytes(out)


def _damage(out: bytearray, rng: Random, head: int) -> None:
    if not out:
        out.extend(rng.choice((b"\0", b"PK\x03\x04", b"{", b"x" * 100)))
        return
    end = min(head, len(out)) if head and rng.randrange(5) else len(out)
    at = rng.randrange(end)
    kind = rng.randrange(9)
    if kind == 0:
        out[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        out[at] = rng.choice(_BYTES)
    elif kind == 2:
        del out[at : at + rng.choice((1, 1, 2, 4, 8, 64))]
    elif kind == 3:
        out[at:at] = bytes([rng.choice(_BYTES)] * rng.choice((1, 2, 4, 100)))
    elif kind == 4:
        del out[at:]
    elif kind == 5:
        size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
        number = rng.choice(_NUMBERS) % (1 << 8 * size)
        out[at : at + size] = number.to_bytes(size, order)
    elif kind == 6:
        piece, to = out[at : at + rng.choice((1, 4, 16, 100))], rng.randrange(len(out))
        out[to:to] = piece
    elif kind == 7:
        out[at] = rng.randrange(256)
    else:
        out.extend(bytes([rng.choice(_BYTES)]) * rng.choice((1, 3, 512, 513, 5000)))


def reworded(text: str, rng: Random) -> str:
    """Text changed in one to three ways: lines, words, signs."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.randrange(7)
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, rng.choice(lines))
        elif kind == 2:
            lines[at] = rng.choice(("  ", "\t", " ", "- ", "# ", "? ", "--- ")) + lines[at]
        elif kind == 3:
            words = lines[at].split(" ")
            words[rng.randrange(len(words))] = rng.choice(WORDS)
            lines[at] = " ".join(words)
        elif kind == 4:
            place = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place] + rng.choice(_SIGNS) + lines[at][place + rng.randrange(3) :]
        elif kind == 5:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines = lines[: at + 1]
        text = "\n".join(lines)
    return text


def encoded(text: str, rng: Random) -> bytes:
    """The same text in an encoding that hevesy reads, with line ends of any system."""
    ends = rng.choice(("\n", "\n", "\r\n", "\r"))
    mark = rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32"))
    return text.replace("\n", ends).encode(mark, "surrogatepass")


def transplanted(data: Any, rng: Random) -> Any:
    """Plain data with one value, key or item changed anywhere in it."""
    places = list(_places(data, ()))
    if not places:
        return rng.choice(WORDS)
    return _changed(data, rng.choice(places), rng)


def _places(data: Any, where: tuple[Any, ...]) -> Any:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*where, key)
        yield from _places(value, (*where, key))


def odd_value(rng: Random) -> Any:
    """A value of any type."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice((0, 1, -1, 3, 2**31, 2**63, 2**64, 10**30, -(10**30)))
    if kind == 1:
        return rng.choice((0.0, 0.5, -1.5, 1e308, 1e-320, float("nan"), float("inf")))
    if kind == 2:
        return rng.choice((True, False, None))
    if kind == 3:
        return rng.choice(([], {}, [[]], [None], {"a": {}}, [1, "a"], {"": 1}))
    return rng.choice(WORDS)


def _changed(data: Any, where: tuple[Any, ...], rng: Random) -> Any:
    key = where[0]
    out = dict(data) if isinstance(data, dict) else list(data)
    if len(where) > 1:
        out[key] = _changed(data[key], where[1:], rng)
        return out
    kind = rng.randrange(6)
    if kind == 0:
        del out[key]
    elif kind == 1 and isinstance(out, dict):
        out[rng.choice(("", "x", "Patient", "file", str(key).upper(), f"{key} ", "__class__", "..", "a/b"))] = out[key]
    elif kind == 1:
        out.insert(key, out[key])
    elif kind == 2:
        out[key] = [out[key]]
    elif kind == 3:
        out[key] = {str(rng.choice(("name", "file", "0"))): out[key]}
    else:
        out[key] = odd_value(rng)
    return out
