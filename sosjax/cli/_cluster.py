"""Runs of several processes, on one machine or on many."""

import os
import re
import sys

from .._errors import InputError, require


def leave(code: int) -> int:
    """Return the exit code, or end at once after a failure amid other processes.

    JAX would wait a minute for those that are gone, and then complain at length.
    """
    jax = sys.modules.get("jax")
    if code and jax is not None and jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def join(cluster: str | None) -> bool:
    """Meet the other processes of a run; return whether this one writes and tells.

    Args:
      cluster: `None`: there are no others; `"auto"`: where they are follows from where it runs
        (Cloud TPU, SLURM, Kubernetes, Open MPI); else `"ADDRESS:PORT,COUNT,NUMBER"`: where the
        first one listens, how many there are, and which this is, from 0.

    Raises:
      InputError: it is none of these, or the others cannot be met.
    """
    if cluster is None:
        return True
    found = re.fullmatch(r"([^,\s]+:\d+),(\d+),(\d+)", cluster)
    require(
        cluster == "auto" or (found is not None and int(found[3]) < int(found[2])),
        f"`--cluster` must be auto or ADDRESS:PORT,COUNT,NUMBER with NUMBER below COUNT, got "
        f"{cluster}.",
    )
    import jax

    from ..fitness._placement import leads

    try:
        if found is None:
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(found[1], int(found[2]), int(found[3]))
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0].removesuffix(".")
        by_hand = " (give ADDRESS:PORT,COUNT,NUMBER)" if found is None else ""
        text = f"`--cluster` {cluster}: the processes did not meet: {reason}{by_hand}."
        raise InputError(text) from error
    return leads()
