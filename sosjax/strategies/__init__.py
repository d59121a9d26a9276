"""Who proposes the next candidates: strategies for several objectives and several tasks at once.

Each follows evosax's contract: `init(key, population, fitness, params)`, `ask`, `tell`,
`default_params`; states are pytrees, and everything runs in `jit`, `scan` and `vmap`.

The names are in `__init__.pyi`, and are imported when they are first used: evosax computes when it
is imported, after which JAX cannot join other processes any more.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
