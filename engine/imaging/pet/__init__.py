"""PET: headers and units to activity concentration, and checks of its plausibility."""
