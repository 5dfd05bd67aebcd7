"""hevesy: voxel-level Monte Carlo dosimetry for radionuclide therapy."""

__version__ = "0.1.0"
