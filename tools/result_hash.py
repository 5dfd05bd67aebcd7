"""Print two hashes of result files: one of their integers, one of their floating-point numbers.

Run as ``python -m hevesy.tools.result_hash FILE...`` before and after a change that must leave results alone. Equal
integers mean equal tallies; floating-point numbers may differ in the last digit when only their arithmetic changed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import h5py
import numpy as np

#: Hexadecimal digits that are printed.
DIGITS = 16


def result_hashes(path: str | Path) -> tuple[str, str]:
    """SHA-256 of all integer and of all floating-point datasets of an HDF5 file.

    Names and bytes of the datasets are hashed in the order of their names. Text, compound tables and attributes
    (times, versions) are left out.

    Parameters
    ----------
    path
        The HDF5 file, for instance a ``result.h5``.

    Returns
    -------
    tuple of str
        Hash of the integers and hash of the floating-point numbers, 64 hexadecimal digits each.
    """
    integers, floats = hashlib.sha256(), hashlib.sha256()
    with h5py.File(path, "r", locking=False) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in sorted(names):
            values = np.asarray(file[name][()])
            if values.dtype.kind in "iu":
                integers.update(name.encode() + values.tobytes())
            elif values.dtype.kind == "f":
                floats.update(name.encode() + values.tobytes())
    return integers.hexdigest(), floats.hexdigest()


def main(words: list[str] | None = None) -> int:
    """Print file, hash of the integers and hash of the floating-point numbers, one line per file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="result files (HDF5)")
    for path in parser.parse_args(words).files:
        integers, floats = result_hashes(path)
        print(path, integers[:DIGITS], floats[:DIGITS])
    return 0


if __name__ == "__main__":
    sys.exit(main())
