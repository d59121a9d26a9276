"""A repository of the Hugging Face hub: nothing but the name `hf://OWNER/NAME` goes there."""

import re
from pathlib import Path
from typing import Any

from .._errors import InputError, require

PREFIX = "hf://"
FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
PICKLE = "pytorch_model.bin"
_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def is_hub(path: str | Path) -> bool:
    """Return whether a text names a repository of the hub; a path never does."""
    return isinstance(path, str) and path.startswith(PREFIX)


def local(path: str | Path) -> Path:
    """Return a path as it is; of a repository of the hub the folder that the client keeps.

    Args:
      path: of this machine, or `hf://OWNER/NAME`, `hf://OWNER/NAME@REVISION`. Configuration,
        tokenizer and safetensors are fetched; `pytorch_model.bin` only where there are none.

    Raises:
      InputError: the name is none, the client is not installed, or it cannot get the repository.
    """
    if not is_hub(path):
        return Path(path)
    name = str(path).removeprefix(PREFIX)
    require(
        _NAME.fullmatch(name),
        f"`path` must be {PREFIX}OWNER/NAME or {PREFIX}OWNER/NAME@REVISION, got {path}.",
    )
    client, (repository, _, revision) = _client(path), name.partition("@")

    def fetch(*patterns: str) -> Path:
        return Path(
            client.snapshot_download(
                repository, revision=revision or None, allow_patterns=list(patterns)
            )
        )

    try:
        folder = fetch(*FILES)
        return folder if any(folder.glob("*.safetensors")) else fetch(*FILES, PICKLE)
    except Exception as error:  # the client raises errors of many kinds
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"`path` must be a repository that the hub gives, got none of {path}: "
            f"{type(error).__name__}: {said}."
        ) from None


def no_such_path(path: Path) -> str:
    """Return a sentence that says that there is no such path, and how the hub would be asked."""
    hint = ""
    if _NAME.fullmatch(str(path)):
        hint = f"; a repository of the hub is named {PREFIX}{path}"
    return f"`path` must be a folder or a weights file, got no such path: {path}{hint}."


def _client(path: str | Path) -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise InputError(
            f"`path` must be on this machine, since the hub's client is not installed, got {path}: "
            "pip install 'sosjax[hub]', or download it and name its folder."
        ) from None
    return huggingface_hub
