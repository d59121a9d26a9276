"""From one pretrained network to a Set of Sets: a Pareto set of sub-networks for every task.

Build a `Jat` from a network and its parameters, name `Task`s and `Environment`s, `search`,
`SetOfSets.select`, `shrink`, `export`.

The names are in `__init__.pyi`, and are imported when they are first used: JAX takes seconds.
"""

from importlib.metadata import version as _version

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
__version__ = _version("sosjax")
