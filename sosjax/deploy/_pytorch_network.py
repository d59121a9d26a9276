"""A sub-network that sosjax exported, in plain PyTorch; it needs torch and safetensors alone.

`load()` reads `config.json` and `model.safetensors` beside this file. Layers have the names of
torchvision, efficientnet_lite_pytorch, PyTorch's LSTM or transformers, each with the width that was
kept of it; classes of those libraries have one width for all layers, and so cannot.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from safetensors.torch import load_file
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

Tensors = dict[str, Tensor]
SCALE = ".scale"
ACTIVATIONS = {
    "gelu": functional.gelu,
    "gelu_new": lambda hidden: functional.gelu(hidden, approximate="tanh"),
    "gelu_pytorch_tanh": lambda hidden: functional.gelu(hidden, approximate="tanh"),
    "relu": functional.relu,
    "silu": functional.silu,
}
STRIDES = {"imagenet": 2, "strided": 2, "small": 1}


def load(folder: str | Path = Path(__file__).parent) -> "Network":
    """Return the network with its weights, in evaluation mode."""
    config = json.loads((Path(folder) / "config.json").read_text())
    tensors = restored(load_file(Path(folder) / "model.safetensors"))
    network = NETWORKS[config["family"]](config, tensors)
    network.load_state_dict(tensors)
    return network.eval()


def restored(tensors: Tensors) -> Tensors:
    """Return the tensors in float32 where they are int8 beside their scales."""
    return {
        name: tensor.float() * tensors[name + SCALE] if name + SCALE in tensors else tensor
        for name, tensor in tensors.items()
        if not name.endswith(SCALE)
    }


class Network(nn.Module):
    """Layers nested as the names of the tensors say, of the sizes that these have."""

    def __init__(self, config: dict[str, Any], tensors: Tensors) -> None:
        super().__init__()
        self.config = config
        for name in dict.fromkeys(name.rpartition(".")[0] for name in tensors):
            if f"{name}.weight" in tensors:
                self._place(name).add_module(name.rpartition(".")[2], self.layer(name, tensors))
        for name, tensor in tensors.items():
            if f"{name.rpartition('.')[0]}.weight" not in tensors:
                empty = nn.Parameter(torch.empty_like(tensor))
                self._place(name).register_parameter(name.rpartition(".")[2], empty)
        self.names = {name for name, _ in self.named_modules()}

    def layer(self, name: str, tensors: Tensors) -> nn.Module:
        """Return the layer whose weight is `name.weight`."""
        weight, bias = tensors[f"{name}.weight"], f"{name}.bias" in tensors
        if weight.ndim == 4:
            return self.convolution(name, weight)
        if f"{name}.running_mean" in tensors:
            return nn.BatchNorm2d(len(weight), eps=self.config.get("epsilon", 1e-5))
        if weight.ndim == 1:
            return nn.LayerNorm(len(weight), eps=self.config.get("epsilon", 1e-5))
        if name.endswith(("_embeddings", "shared", "_bias")):
            return nn.Embedding(weight.shape[0], weight.shape[1])
        return nn.Linear(weight.shape[1], weight.shape[0], bias=bias)

    def convolution(self, name: str, weight: Tensor) -> nn.Module:
        """Return the convolution of this name; without a word of a family, one of patches."""
        return nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], weight.shape[2])

    def at(self, name: str, *inputs: Tensor) -> Tensor:
        """Return the outputs of a layer."""
        return self.get_submodule(name)(*inputs)

    def attend(
        self,
        names: tuple[str, ...],
        rows: Tensor,
        seen: Tensor,
        scale: float,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Return what rows [B, S, width] see of others where `mask` is true: [B, S, heads x size].

        `names`: layers of queries, keys, values. Of a `bias` [heads, S, S] kept heads are read.
        """
        kept = self.config["kept_heads"][names[0].rpartition(".")[0]]
        query, key, value = (
            self.at(name, tokens).unflatten(-1, (len(kept), -1)).transpose(1, 2)
            for name, tokens in zip(names, (rows, seen, seen), strict=True)
        )
        scores = query @ key.transpose(-1, -2) * scale
        scores = scores if bias is None else scores + bias[kept]
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)

    def normalised(self, images: Tensor) -> Tensor:
        """Subtract the mean from images [B, C, H, W] and divide by the deviation."""
        mean, deviation = (
            torch.as_tensor(self.config[key], dtype=images.dtype, device=images.device)
            for key in ("mean", "deviation")
        )
        return (images - mean.reshape(-1, 1, 1)) / deviation.reshape(-1, 1, 1)

    def _place(self, name: str) -> nn.Module:
        """Return the module that holds a name, and make those on the way."""
        place: nn.Module = self
        for key in name.split(".")[:-1]:
            if key not in dict(place.named_children()):
                place.add_module(key, nn.Module())
            place = place.get_submodule(key)
        return place


class Convolution(nn.Conv2d):
    """A convolution whose borders are filled as in PyTorch, or (`same`) as in TensorFlow."""

    same = False

    def forward(self, input: Tensor) -> Tensor:
        """Return [B, out, H, W] of [B, in, H, W]."""
        if not self.same:
            return super().forward(input)
        filled = functional.pad(input, borders(input, self.kernel_size[0], self.stride[0]))
        return self._conv_forward(filled, self.weight, self.bias)


def convolved(weight: Tensor, stride: int, padding: str, groups: int = 1) -> Convolution:
    """Return a convolution for a weight [out, in / groups, size, size]."""
    outputs, inputs, size, _ = weight.shape
    edge = 0 if padding == "same" else size // 2
    made = Convolution(inputs * groups, outputs, size, stride, edge, groups=groups, bias=False)
    made.same = padding == "same"
    return made


def borders(images: Tensor, size: int, stride: int) -> list[int]:
    """Return left, right, top and bottom of TensorFlow's padding for a window."""
    found = []
    for edge in (images.shape[3], images.shape[2]):
        missing = max((math.ceil(edge / stride) - 1) * stride + size - edge, 0)
        found += [missing // 2, missing - missing // 2]
    return found


class ResNet(Network):
    """Float images [B, C, H, W] in [0, 1] to logits [B, classes]."""

    def convolution(self, name: str, weight: Tensor) -> nn.Module:
        """Return the convolution of this name."""
        first = re.match(r"layer(?!1\.)\d+\.0\.", name)
        at = "conv2" if self.config["block"] == "bottleneck" else "conv1"
        strided = first and name.endswith((at, "downsample.0"))
        stride = STRIDES[self.config["stem"]] if name == "conv1" else 2 if strided else 1
        return convolved(weight, stride, self.config["padding"])

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        hidden = functional.relu(self.at("bn1", self.at("conv1", self.normalised(images))))
        if self.config["stem"] == "imagenet":
            edge = borders(hidden, 3, 2) if self.config["padding"] == "same" else [1, 1, 1, 1]
            hidden = functional.max_pool2d(functional.pad(hidden, edge, value=-math.inf), 3, 2)
        for stage, depth in enumerate(self.config["depths"]):
            for block in range(depth):
                hidden = self._block(f"layer{stage + 1}.{block}", hidden)
        return self.at("fc", hidden.mean((2, 3)))

    def _block(self, name: str, inputs: Tensor) -> Tensor:
        down = f"{name}.downsample"
        shortcut = inputs
        if down in self.names:
            shortcut = self.at(f"{down}.1", self.at(f"{down}.0", inputs))
        last = 3 if self.config["block"] == "bottleneck" else 2
        if f"{name}.conv{last}" not in self.names:  # the branch was left out
            return functional.relu(shortcut)
        hidden = inputs
        for number in range(1, last + 1):
            hidden = self.at(f"{name}.bn{number}", self.at(f"{name}.conv{number}", hidden))
            hidden = functional.relu(hidden) if number < last else hidden
        return functional.relu(hidden + shortcut)


class EfficientNet(Network):
    """Float images [B, C, H, W] in [0, 1] to logits [B, classes]."""

    def convolution(self, name: str, weight: Tensor) -> nn.Module:
        """Return the convolution of this name."""
        stride, groups = 2 if name == "_conv_stem" else 1, 1
        if name.endswith("._depthwise_conv"):
            stride, groups = self.config["blocks"][int(name.split(".")[1])][0], len(weight)
        return convolved(weight, stride, self.config["padding"], groups)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        hidden = self._clipped("_conv_stem", "_bn0", self.normalised(images))
        for number, (_, residual) in enumerate(self.config["blocks"]):
            name, inner = f"_blocks.{number}", hidden
            if f"{name}._project_conv" not in self.names:  # the branch was left out
                continue
            if f"{name}._expand_conv" in self.names:
                inner = self._clipped(f"{name}._expand_conv", f"{name}._bn0", inner)
            inner = self._clipped(f"{name}._depthwise_conv", f"{name}._bn1", inner)
            inner = self.at(f"{name}._bn2", self.at(f"{name}._project_conv", inner))
            hidden = hidden + inner if residual else inner
        return self.at("_fc", self._clipped("_conv_head", "_bn1", hidden).mean((2, 3)))

    def _clipped(self, layer: str, norm: str, hidden: Tensor) -> Tensor:
        return functional.relu6(self.at(norm, self.at(layer, hidden)))


class Lstm(Network):
    """Float series [B, S, channels] to predictions [B, outputs]."""

    def forward(self, series: Tensor) -> Tensor:
        """Return the predictions."""
        for key, change in (("mean", torch.sub), ("deviation", torch.div)):
            if self.config[key]:
                series = change(series, series.new_tensor(self.config[key]))
        for layer in range(self.config["layers"]):
            own, again = (
                [self.get_parameter(f"lstm.{kind}_{way}_l{layer}") for kind in ("weight", "bias")]
                for way in ("ih", "hh")
            )
            hidden = memory = series.new_zeros(len(series), again[0].shape[1])
            steps = []
            for row in functional.linear(series, *own).unbind(1):
                write, forget, value, read = (row + functional.linear(hidden, *again)).chunk(4, -1)
                memory = forget.sigmoid() * memory + write.sigmoid() * value.tanh()
                hidden = read.sigmoid() * memory.tanh()
                steps.append(hidden)
            series = torch.stack(steps, 1)
        return self.at("fc", series[:, -1])


class Bert(Network):
    """Token ids [B, S] to logits [B, classes]."""

    seen = ("attention.self.query", "attention.self.key", "attention.self.value")
    mixed, summed = "attention.output.dense", "attention.output.LayerNorm"

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits."""
        mask = ids != self.config["pad"]
        places = torch.arange(ids.shape[1], device=ids.device)
        kind = torch.zeros_like(places)
        hidden = self.at("embeddings.word_embeddings", ids)
        hidden = hidden + self.at("embeddings.token_type_embeddings", kind)
        hidden = hidden + self.at("embeddings.position_embeddings", places)
        hidden = self.at("embeddings.LayerNorm", hidden)
        return self._classified(hidden, mask)

    def _classified(self, hidden: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the logits of embedded tokens [B, S, hidden]."""
        for layer in range(self.config["layers"]):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, mask, bias)
        if self.config["pooling"] == "mean":
            weights = mask.to(hidden.dtype)[..., None]
            return self.at("classifier", (hidden * weights).sum(1) / weights.sum(1).clamp_min(1))
        first, pooler = hidden[:, 0], self.config["pooling"] == "pooler"
        return self.at("classifier", self.at("pooler.dense", first).tanh() if pooler else first)

    def _layer(self, name: str, hidden: Tensor, mask: Tensor, bias: Tensor | None) -> Tensor:
        scale = (self.config["hidden"] // self.config["heads"]) ** -0.5
        if f"{name}.{self.mixed}" in self.names:
            names = tuple(f"{name}.{layer}" for layer in self.seen)
            rows = self.attend(names, hidden, hidden, scale, mask[:, None, None], bias)
            hidden = hidden + self.at(f"{name}.{self.mixed}", rows)
        hidden = self.at(f"{name}.{self.summed}", hidden)
        if f"{name}.output.dense" in self.names:
            units = self.at(f"{name}.intermediate.dense", hidden)
            units = ACTIVATIONS[self.config["activation"]](units)
            hidden = hidden + self.at(f"{name}.output.dense", units)
        return self.at(f"{name}.output.LayerNorm", hidden)


class Mpnet(Bert):
    """Token ids [B, S] to logits [B, classes]."""

    seen = ("attention.attn.q", "attention.attn.k", "attention.attn.v")
    mixed, summed = "attention.attn.o", "attention.LayerNorm"

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits."""
        mask = ids != self.config["pad"]
        places = torch.where(mask, mask.int().cumsum(1), 0) + self.config["pad"]
        hidden = self.at("embeddings.word_embeddings", ids)
        hidden = hidden + self.at("embeddings.position_embeddings", places)
        bias = self.at("encoder.relative_attention_bias", self._kinds(ids)).permute(2, 0, 1)
        return self._classified(self.at("embeddings.LayerNorm", hidden), mask, bias)

    def _kinds(self, ids: Tensor) -> Tensor:
        """Return the kind of distance of each pair of tokens, [S, S]: queries, then keys."""
        places = torch.arange(ids.shape[1], device=ids.device)
        away = places[None] - places[:, None]
        half = self.config["buckets"] // 2
        exact = half // 2
        far = torch.log(away.abs().clamp_min(1).float() / exact) / math.log(128 / exact)
        far = (exact + (far * (half - exact)).int()).clamp_max(half - 1)
        return torch.where(away.abs() < exact, away.abs(), far) + half * (away > 0)


class ViT(Network):
    """Float images [B, C, H, W] in [0, 1] to logits [B, classes]."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        place = self.get_submodule("vit.embeddings")
        patches = self.at("vit.embeddings.patch_embeddings.projection", self.normalised(images))
        patches = patches.flatten(2).transpose(1, 2)
        first = place.get_parameter("cls_token").expand(len(images), -1, -1)
        tokens = torch.cat((first, patches), 1) + place.get_parameter("position_embeddings")
        for layer in range(self.config["layers"]):
            tokens = self._layer(f"vit.encoder.layer.{layer}", tokens)
        return self.at("classifier", self.at("vit.layernorm", tokens[:, 0]))

    def _layer(self, name: str, tokens: Tensor) -> Tensor:
        scale = (self.config["hidden"] // self.config["heads"]) ** -0.5
        if f"{name}.attention.output.dense" in self.names:
            own, normed = f"{name}.attention.attention", self.at(f"{name}.layernorm_before", tokens)
            names = (f"{own}.query", f"{own}.key", f"{own}.value")
            mixed = self.attend(names, normed, normed, scale)
            tokens = tokens + self.at(f"{name}.attention.output.dense", mixed)
        if f"{name}.output.dense" not in self.names:
            return tokens
        units = self.at(f"{name}.intermediate.dense", self.at(f"{name}.layernorm_after", tokens))
        units = ACTIVATIONS[self.config["activation"]](units)
        return tokens + self.at(f"{name}.output.dense", units)


class M2m100(Network):
    """Token ids [B, 2, S], of the source and of what the decoder is given, to logits [B, S, V]."""

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits."""
        source, target = ids[:, 0], ids[:, 1]
        there, own = ((part != self.config["pad"])[:, None, None] for part in (source, target))
        hidden = self._embedded(source)
        for layer in range(self.config["encoder_layers"]):
            name = f"model.encoder.layers.{layer}"
            hidden = self._fed(name, self._seen(f"{name}.self_attn", hidden, there))
        memory = self.at("model.encoder.layer_norm", hidden)
        length = target.shape[1]
        own = own & torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        hidden = self._embedded(target)
        for layer in range(self.config["decoder_layers"]):
            name = f"model.decoder.layers.{layer}"
            hidden = self._seen(f"{name}.self_attn", hidden, own)
            hidden = self._seen(f"{name}.encoder_attn", hidden, there, memory)
            hidden = self._fed(name, hidden)
        hidden = self.at("model.decoder.layer_norm", hidden)
        return functional.linear(hidden, self.get_parameter("model.shared.weight"))

    def _seen(
        self, name: str, hidden: Tensor, mask: Tensor, memory: Tensor | None = None
    ) -> Tensor:
        if f"{name}.out_proj" not in self.names:
            return hidden
        full = self.config["encoder_heads" if ".encoder.layers" in name else "decoder_heads"]
        normed = self.at(f"{name}_layer_norm", hidden)
        seen, scale = normed if memory is None else memory, (self.config["width"] // full) ** -0.5
        names = (f"{name}.q_proj", f"{name}.k_proj", f"{name}.v_proj")
        mixed = self.attend(names, normed, seen, scale, mask)
        return hidden + self.at(f"{name}.out_proj", mixed)

    def _fed(self, name: str, hidden: Tensor) -> Tensor:
        if f"{name}.fc2" not in self.names:
            return hidden
        units = self.at(f"{name}.fc1", self.at(f"{name}.final_layer_norm", hidden))
        return hidden + self.at(f"{name}.fc2", ACTIVATIONS[self.config["activation"]](units))

    def _embedded(self, tokens: Tensor) -> Tensor:
        width, pad = self.config["width"], self.config["pad"]
        half = width // 2
        scale = math.sqrt(width) if self.config["scaled"] else 1.0
        step = torch.tensor(math.log(10000) / (half - 1), dtype=torch.float32)
        speeds = torch.exp(torch.arange(half, dtype=torch.float32) * -step)
        count = tokens.shape[1] + pad + 1
        angles = torch.arange(count, dtype=torch.float32)[:, None] * speeds
        table = functional.pad(torch.cat((angles.sin(), angles.cos()), 1), [0, width % 2])
        table[pad] = 0
        there = (tokens != pad).int()
        places = there.cumsum(1) * there + pad
        return self.at("model.shared", tokens) * scale + table.to(tokens.device)[places]


FAMILIES = (Bert, EfficientNet, Lstm, M2m100, Mpnet, ResNet, ViT)
NETWORKS = {family.__name__.lower(): family for family in FAMILIES}
