"""Programs that networks run in, as this library has XLA compile them."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import jax

T = TypeVar("T")

EIGEN = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
"""Products of matrices by YNNPACK, as jaxlib 0.10 does on a CPU, but convolutions by Eigen.

YNNPACK's keep one core busy where the weights are few, in a network of 32 to 64 channels say.
Measured on two cores: a ResNet-18 of half width runs in two thirds of the time.
"""


@cache
def options() -> dict[str, str]:
    """Return what the compiler is asked besides its defaults; nothing where it does not know it."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=EIGEN).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return EIGEN


def jit(function: Callable[..., T], **how: Any) -> Callable[..., T]:
    """Do as `jax.jit`, with `options`.

    They are looked up at the first call, since importing must not start a backend.

    Args:
      function: to compile.
      how: further arguments of `jax.jit`.
    """

    @cache
    def compiled() -> Callable[..., T]:
        return jax.jit(function, compiler_options=options(), **how)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> T:
        return compiled()(*args, **kwargs)

    return call
