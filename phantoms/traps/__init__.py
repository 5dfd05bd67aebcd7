"""Traps of the field: the smallest inputs that show a situation people report, with their right values."""
