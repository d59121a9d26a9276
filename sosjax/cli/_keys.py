"""The keys of a configuration: what each section may hold, and of what kind."""

import difflib
from pathlib import Path
from typing import Any

from .._errors import InputError, listing, require

REMOVAL = ("protect", "only", "granularity")
ORIGIN = ("license", "source")

# What the value of each key must be: one of the kinds of `KINDS`.
KEYS = {
    "": {"base": "text", "model": "section", "data": "section", "search": "section"}
    | {
        "adaptation": "section",
        "recovery": "section",
        "tasks": "sections",
        "environments": "sections",
    },
    "model": {"name": "text", "path": "text", "family": "text", "options": "section"}
    | {"protect": "texts", "only": "texts", "granularity": "whole"}
    | {"license": "text", "source": "text"},
    "data": {"name": "text", "folder": "text", "format": "text", "path": "text"}
    | {"text": "text", "label": "text", "inputs": "texts", "values": "texts", "group": "text"}
    | {"encoding": "text"}
    | {"targets": "text", "languages": "texts", "trained_on": "whole"}
    | {"horizon": "whole", "stride": "whole", "fill": "whole"}
    | {"shares": "numbers", "seed": "whole"},
    "tasks": {"name": "text", "classes": "texts", "head": "text", "data": "section"},
    "environments": {"name": "text", "parameters": "number", "bytes": "number", "flops": "number"}
    | {"device": "text", "batch": "whole", "latency_ms": "number", "peak_memory": "number"}
    | {"watts": "number", "energy_mj": "number", "price_per_hour": "number", "price": "number"},
    "search": {"objectives": "texts", "strategy": "text", "encoding": "text", "fitness": "text"}
    | {"ranking": "names", "shared_ranking": "truth", "depth": "truth"}
    | {"population": "whole", "generations": "whole", "images": "whole", "halving": "wholes"}
    | {"calibration": "whole"}
    | {"rmp": "number", "directions": "whole", "low": "number", "high": "number"}
    | {"uniform": "whole", "precision": "text", "chunk": "whole", "checkpoint_every": "whole"}
    | {"seed": "whole"},
    "adaptation": {"epochs": "whole", "images": "whole", "batch": "whole", "rate": "number"}
    | {"warmup": "number", "decay": "number", "subnetworks": "whole", "low": "number"}
    | {"high": "number", "distillation": "number", "anchor": "number", "tolerance": "number"}
    | {"seed": "whole"},
    "recovery": {"epochs": "whole", "patience": "whole", "images": "whole", "parts": "text"}
    | {"rank": "whole", "batch": "whole", "rate": "number", "warmup": "number", "decay": "number"}
    | {"distillation": "number", "temperature": "number", "together": "whole"}
    | {"rounds": "whole", "further": "whole", "smallest": "number", "seed": "whole"},
}


def path_of(name: str, text: str, base: Path) -> Path:
    """Return a path relative to the base; `~` is the user's home."""
    try:
        require(
            text.isprintable() and text.strip() != "", f"`{name}` must be a path, got {text!r}."
        )
        return base / Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"`{name}` must be a path, got one of an unknown user: {text}.") from None


def dotted(section: str, key: str) -> str:
    """Return a key's full name."""
    return f"{section}.{key}" if section else key


def wanted_key(section: str, table: dict[str, Any], key: str, place: str = "") -> Any:
    """Return the value of a key that may not be left out."""
    kind = KEYS[section][key]
    require(key in table, f"`{dotted(section, key)}` must be {_KINDS[kind]}, got none{place}.")
    return table[key]


def require_keys(section: str, table: dict[str, Any], place: str = "") -> None:
    """Refuse a key that is not known in this section, and a value of another kind."""
    known = KEYS[section]
    for key, value in table.items():
        name = dotted(section, key)
        if key not in known:
            wanted = f"one of {listing(known, limit=20)}"
            hint = _nearest_key(section, key)
            end = f" (did you mean `{hint}`?)" if hint else ""
            raise InputError(f"`{name}` is not a known key{place}: it must be {wanted}{end}.")
        _require_kind(name, value, known[key], place)


def _nearest_key(section: str, key: str) -> str | None:
    """Return the full name of the same key of another section, or of the nearest of this or any."""
    for where in KEYS:
        if key.lower() in KEYS[where]:
            return dotted(where, key.lower())
    for sections in ([section], KEYS):
        names = {name: dotted(where, name) for where in sections for name in KEYS[where]}
        matches = difflib.get_close_matches(key.lower(), names, n=1, cutoff=0.6)
        if matches:
            return names[matches[0]]
    return None


_KINDS = {
    "text": "a text in quotes",
    "whole": "a whole number",
    "number": "a number",
    "truth": "true or false",
    "texts": "a list of texts in quotes",
    "names": "a text in quotes or a list of them",
    "numbers": "a list of numbers",
    "wholes": "a list of whole numbers",
    "section": "a section ([name])",
    "sections": "a list of sections ([[name]])",
}


def _require_kind(name: str, value: Any, kind: str, place: str) -> None:
    if kind == "truth":
        require(isinstance(value, bool), f"`{name}` must be {_KINDS[kind]}, got {value!r}{place}.")
        return
    single = {"text": str, "whole": int, "number": (int, float), "section": dict}
    items = {"texts": str, "names": str, "numbers": (int, float), "wholes": int}
    items |= {"sections": dict}
    if kind in single or (kind == "names" and isinstance(value, str)):
        kind = "text" if kind == "names" else kind
        good = _is(value, single[kind])
    else:
        good = isinstance(value, list) and all(_is(item, items[kind]) for item in value)
    wanted = _KINDS[kind].replace("name", name)
    came = "a section" if isinstance(value, dict) else repr(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        came = "a list of sections"
    require(good, f"`{name}` must be {wanted}, got {came}{place}.")


def _is(value: Any, wanted: Any) -> bool:
    return isinstance(value, wanted) and not isinstance(value, bool)
