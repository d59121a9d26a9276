"""A family of networks: how one is built, and how the files that people have name its weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import jax
from flax import nnx

from ..graph._head import Head


@final
@dataclass(frozen=True)
class Family:
    """What the loader needs to know of one kind of network.

    Weights are matched by name: the path of a leaf of ours, with dots, is what a PyTorch state
    dict calls it after `renames`, but for its last part (`kernel`, `scale` and `embedding` are
    `weight` there, `mean` and `var` are `running_mean` and `running_var`).

    Attributes:
      name: what `architecture["family"]` says.
      options: a frozen dataclass of plain numbers, texts and tuples: what makes one network.
      build: `build(options, rngs)`, a module in evaluation mode.
      example: the shape and dtype of one input, without the batch.
      head: the last contraction; `None` where the outputs are features, or logits of tokens.
      renames: pairs (pattern, replacement) for `re.sub`, applied in turn to foreign names.
      ignored: patterns of foreign names that are known and not needed where they find no place.
      tied: patterns of foreign names that are copies of one array, with our dotted name of it.
      model_types: the `model_type`s of Hugging Face `config.json` that are this family.
      from_huggingface: makes options of a `config.json`.
      sizes: options of networks that have a name of their own, `resnet50` say.
    """

    name: str
    options: type[Any]
    build: Callable[[Any, nnx.Rngs], nnx.Module]
    example: Callable[[Any], jax.ShapeDtypeStruct]
    head: Head | None = None
    renames: Sequence[tuple[str, str]] = ()
    ignored: Sequence[str] = (r"num_batches_tracked$",)
    tied: Mapping[str, str] = field(default_factory=dict)
    model_types: Sequence[str] = ()
    from_huggingface: Callable[[dict[str, Any]], Any] | None = None
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
