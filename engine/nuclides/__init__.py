"""Nuclides: half-lives, decay chains, spectra, and what one decay emits."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Emission": "emission",
        "nuclide": "decay",
        "Nuclide": "decay",
        "canonical_name": "names",
        "emission_with_progeny": "chains",
        "DecayEmission": "progeny",
        "checked_progeny": "progeny",
        "decay_emission": "progeny",
    },
)
