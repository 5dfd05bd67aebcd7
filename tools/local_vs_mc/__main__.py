"""``python -m hevesy.tools.local_vs_mc``."""

from .run import main

if __name__ == "__main__":
    raise SystemExit(main())
