"""Which emulated kernel stands for which machine code: files that the driver library reads.

A file ``<hash of the image>.kernels`` has one line for each kernel of the image: name, target of the PTX, emulated
kernel (shared library) and registers, separated by tabs.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

#: attribute of a kernel in the section .nv.info of machine code: index of its symbol, registers of a thread
REGISTERS_OF_KERNEL = 0x2F


class Entry(NamedTuple):
    """A line of the registry."""

    name: str
    target: str
    library: Path
    registers: int


def entries(folder: Path) -> list[Entry]:
    """All kernels of a registry."""
    rows = [line.split("\t") for file in sorted(folder.glob("*.kernels")) for line in file.read_text().splitlines()]
    return [Entry(name, target, Path(library), int(used)) for name, target, library, used in rows]


def image_name(image: bytes) -> str:
    """Hash of machine code, as the driver library computes it from a pointer.

    Raises
    ------
    ValueError
        If it is no machine code, or ends elsewhere than its headers say.
    """
    library = ctypes.CDLL("libcuda.so.1")
    text, size = ctypes.create_string_buffer(20), ctypes.c_size_t()
    if library.hevesy_driver_image(image, text, ctypes.byref(size)) != 0 or size.value > len(image):
        raise ValueError("not a whole image of machine code")
    return text.value.decode()


def registers(image: bytes) -> dict[str, int]:
    """Registers of a thread of every kernel in an image of machine code, by the kernel's name."""
    (table,) = struct.unpack_from("<Q", image, 0x28)
    entry, count, names = struct.unpack_from("<HHH", image, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", image, table + i * entry) for i in range(count)]
    sections = {}
    for header in headers:
        start = headers[names][4] + header[0]
        name = image[start : image.index(b"\0", start)].decode()
        sections[name] = image[header[4] : header[4] + header[5]]
    found = {}
    info, at = sections[".nv.info"], 0
    while at < len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        if form == 4:  # followed by `size` bytes; other forms hold their value in these two
            if attribute == REGISTERS_OF_KERNEL:
                symbol, used = struct.unpack_from("<II", info, at + 4)
                (offset,) = struct.unpack_from("<I", sections[".symtab"], 24 * symbol)
                strings = sections[".strtab"]
                found[strings[offset : strings.index(b"\0", offset)].decode()] = used
            at += size
        at += 4
    return found


def record(image: bytes, ptx: str, folder: Path) -> None:
    """Build the emulated kernel of a PTX and write it down as that of the machine code that was made from it.

    Parameters
    ----------
    image
        Machine code, as a linker returned it.
    ptx
        What it was made from, with one kernel.
    folder
        The registry.

    Raises
    ------
    ValueError
        If the machine code does not hold the kernel of the PTX.
    """
    from ..ptx.emulator import build

    name = re.search(r"\.entry\s+([\w$]+)", ptx)
    target = re.search(r"^\.target\s+(\w+)", ptx, re.MULTILINE)
    used = registers(image)
    if name is None or target is None or name[1] not in used:
        raise ValueError(f"the machine code holds {sorted(used)}, the PTX {name[1] if name else 'no kernel'}")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{image_name(image)}.kernels"
    if file.exists():
        return
    library = build(ptx, folder)
    parts = (name[1], target[1], str(library), str(used[name[1]]))
    # several processes may record the same kernel: none reads half a file
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text("\t".join(parts) + "\n")
    draft.replace(file)
