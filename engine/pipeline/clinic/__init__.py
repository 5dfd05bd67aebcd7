"""The clinical steps of a run: therapy, visits, response, reporting."""
