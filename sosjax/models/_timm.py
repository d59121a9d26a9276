"""What timm's `config.json` says of a network, as its folders on the hub have it."""

import re
from typing import Any

from .._errors import listing, require
from ._resnet import RESNETS
from ._vit import VITS

_VIT = re.compile(r"vit_([a-z]+)_patch(\d+)_\d+")
_CONSTANTS = {"mean": "mean", "deviation": "std"}


def is_timm(config: dict[str, Any]) -> bool:
    """Return whether it is timm that wrote a configuration."""
    return "model_type" not in config and isinstance(config.get("architecture"), str)


def from_timm(config: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a network, `{"family": "resnet18", option: value, ...}`.

    Raises:
      InputError: the architecture is none of ours, or pools in another way.
    """
    name = config["architecture"].split(".")[0]
    vit = _VIT.fullmatch(name)
    ours = f"vit-{vit[1]}-patch{vit[2]}" if vit else name
    require(
        ours in (*RESNETS, *VITS),
        f"`architecture` of a config.json of timm must be one of {listing(RESNETS)} or such as "
        f"vit_base_patch16_224, got {name!r}.",
    )
    pool = config.get("global_pool", "token" if vit else "avg")
    require(
        pool == ("token" if vit else "avg"),
        f"`global_pool` of a config.json of timm must be {'token' if vit else 'avg'!r} for {name}, "
        f"got {pool!r}.",
    )
    said = {**config, **(config.get("pretrained_cfg") or {})}
    channels, height, width = said.get("input_size") or (3, 224, 224)
    found = {
        "classes": config.get("num_classes", said.get("num_classes", 1000)),
        "input_shape": (height, width, channels),
        **{mine: said[theirs] for mine, theirs in _CONSTANTS.items() if theirs in said},
    }
    return {"family": ours, **({"fused": True, "epsilon": 1e-6} if vit else {}), **found}
