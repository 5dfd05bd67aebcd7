"""Absorbed dose on a grid, by any registered method."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "DoseMap": "map",
        "METHODS": "methods",
        "DoseMethod": "methods",
        "dose_method": "methods",
        "register": "methods",
        "compute_dose": "compute",
        "EnergyAccount": "kernel_method",
        "convolve": "convolution",
        "convolved_dose": "kernel_method",
        "energy_account": "kernel_method",
        "NO_DOSE_BELOW_G_CM3": "local",
        "deposit_locally": "local",
        "emitted_energy": "local",
        "local_dose": "local",
    },
)
