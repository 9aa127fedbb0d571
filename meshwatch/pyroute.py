"""Lets parts of pyroute2 be imported without the whole.

The first import of any part runs ``pyroute2/__init__.py``, which imports all there is, SQLite and
unittest included: some 6 MiB and half of the time a start takes, of which nothing is used here.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType

NAME = "pyroute2"


def import_parts_only() -> None:
    """From now on its submodules can be imported, and the package itself runs only when somebody
    wants a name from it. Nothing happens if it has been imported already, or is not installed."""
    spec = find_spec(NAME) if NAME not in sys.modules else None
    if spec is not None:
        sys.modules[NAME] = _unexecuted(spec)


def _unexecuted(spec: ModuleSpec) -> ModuleType:
    package = module_from_spec(spec)

    def __getattr__(name: str) -> object:
        # "from pyroute2 import config" asks here before it looks for a submodule (PEP 562).
        if name.startswith("__") or find_spec(f"{NAME}.{name}") is not None:
            raise AttributeError(name)
        del package.__getattr__
        assert spec.loader is not None
        spec.loader.exec_module(package)
        return getattr(package, name)

    package.__getattr__ = __getattr__  # type: ignore[method-assign]
    return package
