"""Neutral physics: mathematics and typed scalars only, compiled once for each target by the loader."""
