"""The main job in steps: scans on one grid, time-integrated activity, dose, lesions, files.

:func:`hevesy.engine.run.run` puts them together.
"""
