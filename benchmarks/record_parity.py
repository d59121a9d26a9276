"""Record what PyTorch makes of small networks, for tests that have no PyTorch.

    python -m benchmarks.record_parity

Writes `tests/recorded_parity.json`: for every family its options, the names and shapes of a state
dict, and PyTorch's outputs; weights and inputs are those of `benchmarks.recorded_states`. Needs
PyTorch and transformers: pip install 'sosjax[torch]'.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import transformers  # pyright: ignore[reportMissingImports]

from sosjax.models import FAMILIES
from sosjax.models._efficientnet import EfficientNetOptions
from sosjax.models._lstm import LstmOptions
from sosjax.models._resnet import ResNetOptions
from sosjax.models._vit import ViTOptions

from .parity import TINY, TINY_VIT, hidden_of, logits_of, mean_of, token_logits_of
from .recorded_states import inputs_of, state_of
from .torch_references import LITE0, Regressor, TimmViT, TorchLite, TorchResNet, translator

PATH = Path(__file__).parents[1] / "tests" / "recorded_parity.json"


def networks() -> Iterator[tuple[str, str, Any, Any]]:
    """Yield a family, the kind of its inputs, its options and PyTorch's module."""
    for block in ("basic", "bottleneck"):
        options = ResNetOptions(
            (4, 6), (1, 2), block, "imagenet", classes=5, input_shape=(33, 32, 3)
        )
        yield "resnet", "images", options, TorchResNet(options)
    lite = EfficientNetOptions(classes=3, input_shape=(33, 32, 3))
    yield "efficientnet", "images", lite, TorchLite(LITE0, 3)
    config = transformers.ViTConfig(**TINY_VIT)
    options = of("vit", config)
    yield "vit", "images", options, transformers.ViTForImageClassification(config)
    fused = ViTOptions(
        32, 2, 4, 48, 8, epsilon=1e-6, fused=True, classes=5, input_shape=(16, 24, 3)
    )
    yield "vit", "images", fused, TimmViT(fused)
    for family, name in (("bert", "Bert"), ("mpnet", "MPNet")):
        config = getattr(transformers, f"{name}Config")(**TINY, max_position_embeddings=18)
        options = replace(of(family, config), length=9)
        yield family, "texts", options, getattr(transformers, f"{name}Model")(config)
    module = translator()
    yield "m2m100", "pairs", replace(of("m2m100", module.config), length=7), module
    series = LstmOptions(channels=5, outputs=2, hidden=6, layers=2, length=8)
    yield "lstm", "series", series, Regressor(5, 6, 2, 2)


def of(family: str, config: Any) -> Any:
    """Return our options of a configuration of transformers."""
    read = FAMILIES[family].from_huggingface
    assert read is not None
    return read(config.to_dict())


def theirs(kind: str, options: Any, module: Any) -> np.ndarray:
    """Return PyTorch's outputs."""
    inputs = inputs_of(kind, options)
    if kind == "images":
        return logits_of(module, options, inputs)
    if kind == "texts":
        return mean_of(*hidden_of(module, inputs, options.pad))
    if kind == "pairs":
        return token_logits_of(module, inputs, options.pad)
    with torch.no_grad():
        return module(torch.tensor(inputs)).numpy()


def main() -> None:
    rows = []
    for family, kind, options, module in networks():
        # Of tied arrays, which are one, the first name; numbers of positions are no parameters.
        own = {leaf.data_ptr(): name for name, leaf in reversed(module.state_dict().items())}
        shapes = {
            name: list(leaf.shape)
            for name, leaf in module.state_dict().items()
            if own[leaf.data_ptr()] == name and "position_ids" not in name
        }
        state = {name: torch.tensor(leaf) for name, leaf in state_of(shapes).items()}
        module.load_state_dict(state, strict=False)
        outputs = theirs(kind, options, module.eval())
        row = {"family": family, "kind": kind, "options": asdict(options), "shapes": shapes}
        rows.append(row | {"outputs": np.round(outputs.astype(float), 7).tolist()})
        print(f"{family}: {len(shapes)} arrays, outputs up to {np.abs(outputs).max():.3g}")
    about = {"torch": torch.__version__, "transformers": transformers.__version__}
    PATH.write_text(json.dumps({"versions": about, "networks": rows}) + "\n")
    print(PATH)


if __name__ == "__main__":
    main()
