"""Fuzzing of everything that hevesy reads: generated inputs by kind, and one judge of how each ends."""
