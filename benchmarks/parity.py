"""Every family beside PyTorch on the same weights: the largest difference of their outputs.

    python -m benchmarks.parity
    python -m benchmarks.parity --weights FOLDER

Without a folder, weights are random. With one, real ones are compared too: it holds `minilm` and
`mpnet` (Hugging Face folders) and, anywhere below, `efficientnet-lite0-*.pth`; and MPNet is loaded
once in a process of its own, for the time and the memory that it takes.

Prints the table, writes `benchmarks/results/parity.json`, and ends with an error if a difference is
above 1e-4. Needs PyTorch and transformers: pip install 'sosjax[torch]'.
"""

import argparse
import glob
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import transformers  # pyright: ignore[reportMissingImports]
from flax import nnx

from sosjax._errors import InputError, require
from sosjax.models import load_tokenizer
from sosjax.models._bert import BERT
from sosjax.models._checkpoint import read_state
from sosjax.models._efficientnet import EFFICIENTNET, EfficientNetOptions
from sosjax.models._family import Family
from sosjax.models._fitted import fitted
from sosjax.models._lstm import LSTM, LstmOptions
from sosjax.models._m2m100 import M2M100
from sosjax.models._module import functional
from sosjax.models._mpnet import MPNET
from sosjax.models._resnet import RESNET, ResNetOptions
from sosjax.models._vit import VIT, ViTOptions

from .record import record
from .torch_references import (
    LITE0,
    Regressor,
    TimmViT,
    TorchLite,
    TorchResNet,
    moved,
    shaken,
    state_of,
    translator,
)

TOLERANCE = 1e-4
SECONDS, SIZES = 10, 2  # goals of loading: at most so long, and so many times the parameters' size
LITE0_FILE = "efficientnet-lite0-*.pth"
ENCODERS = {"minilm": (BERT, "BertModel"), "mpnet": (MPNET, "MPNetModel")}
TINY = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "initializer_range": 0.4,  # the usual 0.02 would leave attention the same for all tokens
}
TINY_VIT: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 24,
    "patch_size": 8,
    "num_labels": 6,
    "initializer_range": 0.2,
    "architectures": ["ViTForImageClassification"],
}
SENTENCES = (
    "A man is playing a guitar on the stage.",
    "The cat sat on the mat.",
    "Stocks fell sharply on Tuesday after the central bank raised interest rates by half a point.",
    "What is the capital of France?",
    "I would not recommend this phone to anyone: the battery died after two days!",
    "She sells sea shells by the sea shore.",
    "Quantum computers may one day break today's public-key cryptography.",
    "The film is a masterpiece, funny and sad at once.",
    "Rain is expected in the north, with snow on higher ground.",
    "He scored twice in the second half, and the home side won 3-1.",
    "Die Sitzung wird um 9 Uhr wieder aufgenommen.",
    "Žluťoučký kůň úpěl ďábelské ódy.",
    "The mitochondrion is the powerhouse of the cell.",
    "Please send the invoice to accounts@example.org before 31 March 2024.",
    "No.",
    "Wheat exports from the Black Sea ports rose to 1.2 million tonnes in June, traders said.",
    "How do I install a package from a local folder with pip?",
    "The orchestra tuned while the audience, still whispering, found its seats in the dark hall.",
    "Neither the plaintiff nor the defendant appeared in court.",
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
)


class Compared(NamedTuple):
    """One network on both sides.

    Attributes:
      family: of `sosjax.models`, with what is particular.
      weights: `random`, or whose they are.
      reference: what made the other outputs.
      ours: outputs of sosjax.
      theirs: outputs of PyTorch.
    """

    family: str
    weights: str
    reference: str
    ours: np.ndarray
    theirs: np.ndarray

    @property
    def difference(self) -> float:
        """The largest difference of two outputs; infinite where one is not finite."""
        assert self.ours.shape == self.theirs.shape and self.ours.dtype == np.float32
        return float(np.nan_to_num(np.abs(self.ours - self.theirs), nan=np.inf).max())

    @property
    def largest(self) -> float:
        """The largest output of PyTorch."""
        return float(np.abs(self.theirs).max())


# The two sides.


def outputs(family: Family, options: Any, state: dict[str, np.ndarray], inputs: Any) -> np.ndarray:
    """Return what our network makes of inputs with the arrays of a PyTorch state dict."""
    apply, shapes = functional(lambda: family.build(options, nnx.Rngs(0)))
    return np.asarray(jax.jit(apply)(fitted(family, shapes, state), jnp.asarray(inputs)))


def logits_of(module: Any, options: Any, images: np.ndarray) -> np.ndarray:
    """Return a PyTorch module's logits of images [B, H, W, C] in [0, 1]."""
    mean, deviation = (np.asarray(one, np.float32) for one in (options.mean, options.deviation))
    turned = ((images - mean) / deviation).transpose(0, 3, 1, 2).copy()
    with torch.no_grad():
        found = module(torch.tensor(turned))
    return getattr(found, "logits", found).numpy()


def hidden_of(module: Any, ids: np.ndarray, pad: int) -> tuple[Any, Any]:
    """Return what an encoder of transformers makes of tokens, and which of them are no padding."""
    mask = torch.tensor(ids != pad)
    with torch.no_grad():
        found = module.eval()(input_ids=torch.tensor(ids).long(), attention_mask=mask.long())
    return found, mask


def mean_of(found: Any, mask: Any) -> np.ndarray:
    """Return the mean over tokens as sentence-transformers takes it."""
    weights = mask[..., None].float()
    return ((found.last_hidden_state * weights).sum(1) / weights.sum(1)).numpy()


def token_logits_of(module: Any, ids: np.ndarray, pad: int) -> np.ndarray:
    """Return the logits that an M2M100 of transformers gives for pairs [B, 2, S]."""
    source, target = torch.tensor(ids[:, 0]).long(), torch.tensor(ids[:, 1]).long()
    with torch.no_grad():
        return module(
            input_ids=source,
            attention_mask=source != pad,
            decoder_input_ids=target,
            decoder_attention_mask=target != pad,
        ).logits.numpy()


# Inputs.


def photographs(shape: Sequence[int], number: int = 3) -> np.ndarray:
    """Return images of noise, float32 [number, *shape] in [0, 1]."""
    return np.random.default_rng(0).random((number, *shape), np.float32)


def smooth_photographs(edge: int, number: int) -> np.ndarray:
    """Return images of large soft patches, which are nearer to photographs than noise is."""
    coarse = photographs((8, 8, 3), number)
    return np.asarray(jax.image.resize(coarse, (number, edge, edge, 3), "linear"))


def drawn_texts(vocabulary: int, pad: int, lengths: Sequence[int]) -> np.ndarray:
    """Return texts of these lengths, int32 [B, S], filled up with padding."""
    ids = np.random.default_rng(0).integers(2, vocabulary, (len(lengths), max(lengths)))
    for row, length in enumerate(lengths):
        ids[row, length:] = pad
    return ids.astype(np.int32)


def drawn_pairs(options: Any, rows: int = 4, width: int = 7, seed: int = 0) -> np.ndarray:
    """Return sources and decoder inputs, int32 [rows, 2, width], the later the more padding."""
    ids = np.random.default_rng(seed).integers(5, options.vocabulary, (rows, 2, width))
    for row in range(rows):
        ids[row, 0, width - row :] = options.pad
        ids[row, 1, width - row // 2 :] = options.pad
    ids[:, 1, 0] = options.start
    return ids.astype(np.int32)


# Random weights.


def images_compared(
    label: str, reference: str, family: Family, options: Any, module: Any
) -> Compared:
    """Compare a network of images with random weights."""
    images = photographs(options.input_shape)
    theirs = logits_of(module, options, images)
    ours = outputs(family, options, state_of(module), images)
    return Compared(label, "random", reference, ours, theirs)


def random_images() -> Iterator[Compared]:
    """Compare ResNets, EfficientNet-Lite0 and two ViTs."""
    for name, label in (("resnet18", "ResNet-18"), ("resnet50", "ResNet-50, bottlenecks")):
        options = ResNetOptions(**RESNET.sizes[name], input_shape=(64, 64, 3))
        torch.manual_seed(0)
        # Narrower moments would let the outputs of fifty layers grow to thousands.
        module = shaken(TorchResNet(options), (0.05, 0.5) if name == "resnet18" else (0.5, 1.5))
        yield images_compared(label, "PyTorch, torchvision's names", RESNET, options, module)
    lite = EfficientNetOptions(**EFFICIENTNET.sizes["efficientnet-lite0"])
    lite = replace(lite, input_shape=(64, 64, 3))
    torch.manual_seed(0)
    reference = "PyTorch, efficientnet_lite_pytorch's names"
    yield images_compared(
        "EfficientNet-Lite0", reference, EFFICIENTNET, lite, shaken(TorchLite(LITE0))
    )
    torch.manual_seed(0)
    config = transformers.ViTConfig(**TINY_VIT)
    module = shaken(transformers.ViTForImageClassification(config))
    options = VIT.from_huggingface(config.to_dict())  # pyright: ignore[reportOptionalCall]
    yield images_compared("ViT, tiny", "transformers ViT", VIT, options, module)
    fused = ViTOptions(
        32, 2, 4, 48, 8, epsilon=1e-6, fused=True, classes=5, input_shape=(16, 24, 3)
    )
    module = shaken(TimmViT(fused))
    yield images_compared("ViT, tiny, fused", "PyTorch, timm's names", VIT, fused, module)


def random_texts() -> Iterator[Compared]:
    """Compare BERT, MPNet and M2M100, all tiny."""
    for label, family, name, pad in (("BERT", BERT, "Bert", 0), ("MPNet", MPNET, "MPNet", 1)):
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(**TINY, max_position_embeddings=18)
        module = moved(getattr(transformers, f"{name}Model")(config))
        ids = drawn_texts(50, pad, (16, 9, 3, 1))
        theirs = mean_of(*hidden_of(module, ids, pad))
        options = family.from_huggingface(config.to_dict())  # pyright: ignore[reportOptionalCall]
        ours = outputs(family, options, state_of(module), ids)
        yield Compared(f"{label}, tiny", "random", f"transformers {label}", ours, theirs)
    module = translator()
    options = M2M100.from_huggingface(module.config.to_dict())  # pyright: ignore[reportOptionalCall]
    options = replace(options, length=7)
    ids = drawn_pairs(options)
    theirs = token_logits_of(module, ids, options.pad)
    ours = outputs(M2M100, options, state_of(module), ids)
    yield Compared("M2M100, tiny", "random", "transformers M2M100", ours, theirs)


def random_series() -> Iterator[Compared]:
    """Compare a stacked LSTM."""
    torch.manual_seed(0)
    module = Regressor(5, 12, 3, 2)
    inputs = np.random.default_rng(0).normal(size=(4, 50, 5)).astype(np.float32)
    with torch.no_grad():
        theirs = module(torch.tensor(inputs)).numpy()
    options = LstmOptions(channels=5, outputs=2, hidden=12, layers=3, length=50)
    ours = outputs(LSTM, options, state_of(module), inputs)
    yield Compared("LSTM of 3 layers", "random", "PyTorch LSTM", ours, theirs)


# Real weights.


def file_below(folder: Path, pattern: str) -> Path | None:
    """Return the first file of a name anywhere below a folder, behind links too."""
    found = sorted(glob.glob(str(folder / "**" / pattern), recursive=True))
    return Path(found[0]) if found else None


def real_files(folder: Path) -> list[Path]:
    """Return the folders of MiniLM and MPNet-base and the file of EfficientNet-Lite0.

    Raises:
      InputError: one of them is missing.
    """
    for name in ENCODERS:
        require(
            (folder / name / "config.json").is_file(),
            f"`--weights` must be a folder with the Hugging Face folder {name!r}, got {folder}.",
        )
    path = file_below(folder, LITE0_FILE)
    if path is None:
        raise InputError(f"`--weights` must be a folder with {LITE0_FILE} below, got {folder}.")
    return [*(folder / name for name in ENCODERS), path]


def real_encoder(path: Path) -> Compared:
    """Compare an encoder of sentences on the tokens of our own tokenizer."""
    family, theirs = ENCODERS[path.name]
    config = json.loads((path / "config.json").read_text())
    options = family.from_huggingface(config)  # pyright: ignore[reportOptionalCall]
    ids = load_tokenizer(path).encode(SENTENCES, 32).ids
    module = getattr(transformers, theirs).from_pretrained(path)
    wanted = mean_of(*hidden_of(module, ids, options.pad))
    ours = outputs(family, options, read_state(path), ids)
    label = {"minilm": ("BERT", "MiniLM-L6"), "mpnet": ("MPNet", "MPNet-base")}[path.name]
    return Compared(*label, f"transformers {label[0]}", ours, wanted)


def real_lite0(path: Path, smooth: int = 4, noise: int = 2) -> Compared:
    """Compare the published EfficientNet-Lite0 on images of 224x224."""
    module = TorchLite(LITE0).eval()
    module.load_state_dict(torch.load(path, weights_only=True))
    options = EfficientNetOptions(**EFFICIENTNET.sizes["efficientnet-lite0"])
    images = np.concatenate((smooth_photographs(224, smooth), photographs((224, 224, 3), noise)))
    theirs = logits_of(module, options, images)
    ours = outputs(EFFICIENTNET, options, read_state(path), images)
    reference = "PyTorch, efficientnet_lite_pytorch's names"
    return Compared("EfficientNet-Lite0", "EfficientNet-Lite0", reference, ours, theirs)


# The table.


def loading(path: Path) -> dict[str, Any]:
    """Load a network in a process of its own; return its time and memory."""
    command = [sys.executable, "-m", "benchmarks.load_memory", str(path.resolve())]
    root = Path(__file__).parents[1]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    return json.loads(ran.stdout)


def printed(real: Sequence[Path]) -> list[dict[str, Any]]:
    """Compare all there is, print a row of each and return them for the record."""
    rows = []
    print(
        f"{'family':24}{'weights':20}{'compared with':44}{'difference':>10}{'largest output':>16}"
    )
    published = (real_encoder(one) if one.is_dir() else real_lite0(one) for one in real)
    for source in (random_images(), random_texts(), random_series(), published):
        for one in source:
            print(
                f"{one.family:24}{one.weights:20}{one.reference:44}{one.difference:10.1e}"
                f"{one.largest:16.3g}",
                flush=True,
            )
            row = {name: getattr(one, name) for name in ("family", "weights", "reference")}
            rows.append(row | {"difference": one.difference, "largest_output": one.largest})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, help="folder of real weights")
    weights = parser.parse_args().weights
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        real = [] if weights is None else real_files(weights)
    except InputError as error:
        parser.error(str(error))
    rows = printed(real)
    content: dict[str, Any] = {"seed": 0, "tolerance": TOLERANCE, "compared": rows}
    if weights is not None:
        content["loading_mpnet"] = facts = loading(weights / "mpnet")
        print(
            f"loading MPNet-base, {facts['parameters']:,} parameters: {facts['seconds']} s "
            f"({facts['processor_seconds']} s of processor; goal {SECONDS} s), "
            f"{facts['times_the_size']} times their size in memory (goal {SIZES})"
        )
    print(record("parity", content, ("torch", "transformers", "flax")))
    wrong = [row["family"] for row in rows if row["difference"] > TOLERANCE]
    if wrong:
        raise SystemExit(f"outputs must differ by at most {TOLERANCE}, got more: {wrong}")


if __name__ == "__main__":
    main()
