"""Python imports this at its start in a process under the emulated driver: it watches the linker of CUDA code.

Machine code that is linked from PTX is written down in the registry with its emulated kernel
(``tools/driver/registry.py``), whichever kernel it is. The proof that a device can be used has the time that it needs.
"""

import dataclasses
import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path


def watch(module):
    """Replace the module's linker by one that records what it links."""

    class RecordingLinker(module.Linker):
        def __init__(self, *objects, options=None):
            super().__init__(*objects, options=options)
            self._inputs, self._options = objects, options

        def link(self, target_type):
            linked = super().link(target_type)
            if target_type == "cubin":
                from hevesy.tools.driver import registry

                folder = Path(os.environ["HEVESY_DRIVER_KERNELS"])
                registry.record(bytes(linked.code), self._ptx(), folder)
            return linked

        def _ptx(self):
            """PTX that the machine code was made from: the only input, or what link-time optimisation makes of it."""
            (given,) = self._inputs
            if given.code_type == "ltoir":
                options = dataclasses.replace(self._options, link_time_optimization=True, ptx=True)
                given = module.Linker.__base__(given, options=options).link("ptx")
            return bytes(given.code).decode().rstrip("\0")

    module.Linker = RecordingLinker


def wait_longer(module):
    """Give the proof of use the time of a driver that has no device."""
    module.PATIENCE_S = float(os.environ["HEVESY_DRIVER_PATIENCE"])


class Watcher(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module where it is, and changes it as soon as it has been executed."""

    def __init__(self, watched, change):
        self._watched, self._change = watched, change

    def find_spec(self, name, path=None, target=None):
        """The module's own spec, executed by this loader."""
        if name != self._watched:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        self._loader = spec.loader
        spec.loader = self
        return spec

    def create_module(self, spec):
        """As its own loader does it."""
        return self._loader.create_module(spec)

    def exec_module(self, module):
        """Execute the module, then change it."""
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._change(module)


if "HEVESY_DRIVER_KERNELS" in os.environ:
    sys.meta_path.insert(0, Watcher("cuda.core", watch))
if "HEVESY_DRIVER_PATIENCE" in os.environ:
    sys.meta_path.insert(0, Watcher("hevesy.kernels.backends.cuda_probe", wait_longer))
