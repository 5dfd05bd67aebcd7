"""``hevesy import``: a pile of files to a case."""
