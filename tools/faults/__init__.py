"""Faults of real machines, made on purpose: kills, full disks, damaged files, jumping clocks, missing schedulers.

``python -m hevesy.tools.faults`` runs real commands in processes of their own, does something to them, runs the
command that a user would run next, and compares integers with those of an undisturbed run. ``--short`` is the form of
the tests.
"""
