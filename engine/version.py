"""The version of this installation: that of the distribution's metadata, which pyproject.toml states."""

from __future__ import annotations

from importlib import metadata

try:
    __version__ = metadata.version("hevesy")
except metadata.PackageNotFoundError:  # a copied folder without metadata still runs
    __version__ = "unknown"
