"""What is judged: a network, a population of sub-networks, and examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import sosjax
from sosjax import Jat
from sosjax._tree import named_leaves

from ..graph_networks import bert
from ..own_width import population, resnet18
from ._executed import executed

Leaves = dict[str, np.ndarray]


@dataclass(frozen=True)
class Work:
    """One network and what is asked of it.

    Attributes:
      jat: the network, with random weights.
      inputs: the examples.
      masks: of each group, bool [P, size].
      module: makes the network in PyTorch from leaves of any widths, and from how many units of
        each group they have.
    """

    jat: Jat
    inputs: np.ndarray
    masks: list[np.ndarray]
    module: Callable[[Leaves, Sequence[int]], Any]

    @property
    def candidates(self) -> int:
        """How many sub-networks there are."""
        return len(self.masks[0])

    def row(self, number: int) -> list[np.ndarray]:
        """Return the masks of one sub-network."""
        return [mask[number] for mask in self.masks]

    def zeroed(self, number: int) -> Leaves:
        """Return a sub-network's leaves at full size, zero where units are gone."""
        graph, params = self.jat.graph, self.jat.params
        nothing = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), params)
        return named_leaves(graph.expanded(nothing, self.cut(number), self.row(number)))

    def cut(self, number: int) -> Leaves:
        """Return a sub-network's leaves without the units that are gone."""
        graph = self.jat.graph
        masks, resized = self.row(number), graph.resized(graph.classes)
        return named_leaves(graph.graph.cut_params(self.jat.params, masks, resized))

    def flops(self) -> tuple[float, float]:
        """Return the FLOPs of all sub-networks on all examples: at full size, and at their own."""
        graph = self.jat.graph
        kept = np.stack([mask.sum(-1) for mask in self.masks], -1)
        whole = graph.cost(np.array(graph.sizes), graph.classes)["flops"]
        own = graph.cost(kept, graph.classes)["flops"]
        examples = len(self.inputs)
        return float(whole) * self.candidates * examples, float(own.sum()) * examples

    def executed(self) -> float:
        """Return the FLOPs that all sub-networks on all examples take, each at its own width."""
        graph, params, example = self.jat.graph, self.jat.params, self.inputs[:1]

        def features(masks: list[Any]) -> Any:
            return graph.features(params, example, masks, False, narrow=True)[0]

        rows = [executed(features, self.row(number)) for number in range(self.candidates)]
        return sum(rows) * len(self.inputs)


def images(candidates: int, examples: int, share: float, widths: Sequence[int]) -> Work:
    """Return a ResNet-18 of such widths for images of 28 x 28."""
    from ..torch_resnet import TorchResNet

    jat = resnet18(widths)
    options = dict(jat.architecture or {})
    inputs = np.random.default_rng(0).random((examples, 28, 28, 1), np.float32)
    masks = population(jat, share, candidates, depth=False)
    return Work(jat, inputs, masks, lambda leaves, kept: TorchResNet(leaves, options))


def text(candidates: int, examples: int, share: float, length: int) -> Work:
    """Return a BERT of MiniLM's size (6 layers of 384) for texts of so many tokens."""
    from ..torch_bert import TorchBert

    layers, width, heads, vocabulary = 6, 384, 12, 2_000
    apply, shapes, _ = bert(layers, width, heads, 4 * width, length, vocabulary)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.05, leaf.shape).astype(leaf.dtype), shapes)
    jat = Jat(
        apply,
        params,
        input_shape=(length,),
        input_dtype=np.int32,
        vocabulary=vocabulary,
        head=sosjax.Head("head/kernel", "head/bias"),
        name="BERT",
    )
    names = [group.name for group in jat.graph.groups]
    places = [names.index(f"layers/{layer}/attention/key.0") for layer in range(layers)]

    def module(leaves: Leaves, kept: Sequence[int]) -> Any:
        return TorchBert(leaves, [kept[place] for place in places], (width / heads) ** -0.5)

    inputs = rng.integers(0, vocabulary, (examples, length)).astype(np.int32)
    return Work(jat, inputs, population(jat, share, candidates, depth=False), module)
