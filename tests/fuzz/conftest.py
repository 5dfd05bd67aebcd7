"""The command in this process, as in the unit tests."""

from hevesy.tests.unit.conftest import command  # noqa: F401
