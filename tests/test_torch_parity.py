"""The embedded network written again in PyTorch: the same logits, parameters and FLOPs."""

from dataclasses import replace

import numpy as np
import pytest

from sosjax import certify, fashion_mnist, fashion_resnet, shrink
from sosjax._tree import named_leaves
from sosjax.sets._member import Member, Scores

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


def convolution(leaf, stride):
    """Make a layer of the size of its weights, padded as in TensorFlow: more at the end."""
    layer = torch.nn.Conv2d(leaf.shape[2], leaf.shape[3], leaf.shape[0], stride, bias=False)
    layer.weight.data = torch.tensor(np.transpose(leaf, (3, 2, 0, 1)).copy())
    return layer


def padded(layer, images):
    size, step = layer.kernel_size[0], layer.stride[0]
    pads = []
    for width in (images.shape[3], images.shape[2]):
        total = max((-(-width // step) - 1) * step + size - width, 0)
        pads += [total // 2, total - total // 2]
    return layer(torch.nn.functional.pad(images, pads))


def norm(leaves, name):
    layer = torch.nn.BatchNorm2d(len(leaves[f"{name}/scale"]), eps=1e-5)
    layer.weight.data = torch.tensor(leaves[f"{name}/scale"])
    layer.bias.data = torch.tensor(leaves[f"{name}/bias"])
    layer.running_mean.data = torch.tensor(leaves[f"{name}/mean"])
    layer.running_var.data = torch.tensor(leaves[f"{name}/var"])
    return layer


class Block(torch.nn.Module):
    def __init__(self, leaves, name, stride):
        super().__init__()
        self.conv1 = convolution(leaves[f"{name}/conv1/kernel"], stride)
        self.norm1 = norm(leaves, f"{name}/norm1")
        self.conv2 = convolution(leaves[f"{name}/conv2/kernel"], 1)
        self.norm2 = norm(leaves, f"{name}/norm2")
        self.project = None
        if f"{name}/project/kernel" in leaves:
            self.project = convolution(leaves[f"{name}/project/kernel"], stride)
            self.project_norm = norm(leaves, f"{name}/project_norm")

    def forward(self, images):
        hidden = torch.relu(self.norm1(padded(self.conv1, images)))
        hidden = self.norm2(padded(self.conv2, hidden))
        if self.project is not None:
            images = self.project_norm(padded(self.project, images))
        return torch.relu(hidden + images)


class ResNet(torch.nn.Module):
    """The ResNet with layers of the sizes of the leaves given."""

    def __init__(self, params):
        super().__init__()
        leaves = {name: np.array(leaf) for name, leaf in named_leaves(params).items()}
        names = sorted(
            {
                name.rsplit("/", 2)[0]
                for name in leaves
                if name.startswith("stages") and "conv1" in name
            }
        )
        self.stem = convolution(leaves["stem/kernel"], 2)
        self.stem_norm = norm(leaves, "stem_norm")
        self.blocks = torch.nn.Sequential(
            *(Block(leaves, name, 1 if name.startswith("stages/0") else 2) for name in names)
        )
        kernel = leaves["head/kernel"]
        self.head = torch.nn.Linear(*kernel.shape)
        self.head.weight.data = torch.tensor(kernel.T.copy())
        self.head.bias.data = torch.tensor(leaves["head/bias"])
        self.eval()

    def forward(self, images):
        hidden = (images - 0.286) / 0.353
        hidden = torch.relu(self.stem_norm(padded(self.stem, hidden)))
        return self.head(self.blocks(hidden).mean((2, 3)))


def run(net, images):
    with torch.no_grad():
        return net(torch.tensor(images.transpose(0, 3, 1, 2).copy())).numpy()


def dense(jat, images):
    masks = [np.ones(size, bool) for size in jat.graph.sizes]
    return jat.graph.logits(jat.params, images, masks)


def flops_of(net):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run(net, np.zeros((1, 28, 28, 1), np.float32))
    return counter.get_total_flops()


@pytest.fixture(scope="module")
def jat():
    return fashion_resnet()


@pytest.fixture(scope="module")
def images():
    return fashion_mnist().test.inputs[:64]


@pytest.fixture(scope="module")
def member(jat):
    """Make a member that keeps about a third of every group, with moments and a head of its own."""
    rng = np.random.default_rng(0)
    masks = tuple(rng.permutation(np.arange(size) < size // 3) for size in jat.graph.sizes)
    kept = tuple(int(mask.sum()) for mask in masks)
    costs = {name: int(cost) for name, cost in jat.graph.cost(np.array(kept), 3).items()}
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(jat.params).items()}
    statistics = {}
    for pair in jat.graph.statistics:
        mean, variance = leaves[pair.mean], leaves[pair.variance]
        statistics[pair.mean] = mean + rng.normal(size=mean.shape).astype(np.float32) / 10
        statistics[pair.variance] = variance * rng.uniform(0.5, 1.5, mean.shape).astype(np.float32)
    return Member(
        task="three",
        classes=("a", "b", "c"),
        scores=Scores(kept=kept, **costs, search_error=None, validation_error=0.5, test_error=0.5),
        masks=masks,
        statistics=statistics,
        kernel=rng.normal(size=(jat.graph.sizes[-1], 3)).astype(np.float32),
        bias=rng.normal(size=3).astype(np.float32),
    )


def test_dense_network(jat, images):
    net = ResNet(jat.params)
    np.testing.assert_allclose(run(net, images), dense(jat, images), atol=1e-4)
    costs = jat.graph.cost(np.array(jat.graph.sizes), 10)
    assert sum(leaf.numel() for leaf in net.parameters()) == costs["parameters"]
    assert flops_of(net) == costs["flops"]
    buffers = [leaf for name, leaf in net.named_buffers() if "num_batches" not in name]
    assert 4 * sum(leaf.numel() for leaf in [*net.parameters(), *buffers]) == costs["bytes"]


def test_shrunk_member(jat, member, images):
    small = shrink(jat, member)
    net = ResNet(small.params)
    certify(jat, member, images)
    np.testing.assert_allclose(run(net, images), small(images), atol=1e-4)
    assert sum(leaf.numel() for leaf in net.parameters()) == member.scores.parameters
    assert flops_of(net) == member.scores.flops
    assert net.head.in_features == member.scores.kept[-1] == 21


def test_shrunk_whole_network_is_the_dense_one(jat, member, images):
    full = {name: np.asarray(leaf) for name, leaf in named_leaves(jat.params).items()}
    graph = jat.graph
    costs = graph.cost(np.array(graph.sizes), 10)
    whole = replace(
        member,
        masks=tuple(np.ones(size, bool) for size in graph.sizes),
        scores=replace(
            member.scores, kept=graph.sizes, **{name: int(cost) for name, cost in costs.items()}
        ),
        statistics={name: full[name] for name in member.statistics},
        kernel=full[graph.head.kernel],
        bias=full[graph.head.bias],
    )
    net = ResNet(shrink(jat, whole).params)
    np.testing.assert_allclose(run(net, images), dense(jat, images), atol=1e-4)
