"""A model card: Markdown with the front matter that the Hugging Face hub reads."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..environments._environment import Environment, amount
from ..graph._certify import Certificate
from ..models._jat import Jat
from ..sets._member import Member
from ..sets._set_of_sets import SetOfSets
from ..tasks._dataset import Dataset
from ._snippets import snippets

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_MEASURES = {
    "classes": "error: the share of wrong answers",
    "values": "unexplained variance: 1 - R2",
    "tokens": "cross-entropy of the tokens, as a share of that of equal odds",
}


class Facts(NamedTuple):
    """What a card is made of.

    Attributes:
      jat: the network the member was found in.
      member: the member.
      certificate: what was compared.
      sets: where the member is from, if that is known.
      environment: what it was chosen for, if that is known.
      data: what it is judged on, if that is at hand.
    """

    jat: Jat
    member: Member
    certificate: Certificate
    sets: SetOfSets | None
    environment: Environment | None
    data: Dataset | None


def card(facts: Facts, description: Mapping[str, Any]) -> str:
    """Return the text of a card.

    Args:
      facts: what is known of the member.
      description: what `architecture.json` says.
    """
    sections = [
        _front(facts),
        f"# {plain(facts.member.task)}: a sub-network of {plain(facts.jat.name)}",
        _task(facts),
        _metrics(facts),
        _costs(facts, description),
        _files(description),
        "## Certificate\n\n" + _fenced(str(facts.certificate)),
        "## How to load it\n\nIn this folder:\n\n" + snippets(description),
    ]
    return "\n\n".join(sections) + "\n"


def plain(text: str) -> str:
    """Return a text of the user's as Markdown that shows it, and does nothing else."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _front(facts: Facts) -> str:
    kind = _kind(facts)
    floating = np.issubdtype(facts.jat.graph.inputs.dtype, np.floating)
    uses = {("classes", False): "text-classification", ("tokens", False): "translation"}
    if len(facts.jat.graph.inputs.shape) == 3:
        uses["classes", True] = "image-classification"
    use = uses.get((kind, bool(floating)))
    rows = {
        "license": facts.jat.license or "unknown",
        "library_name": "sosjax",
        "tags": ["sosjax", "jax", "pruning"],
        **({"pipeline_tag": use} if use else {}),
    }
    # Every JSON text is YAML, with whatever is in it.
    lines = [f"{key}: {json.dumps(value)}" for key, value in rows.items()]
    return "\n".join(["---", *lines, "---"])


def _task(facts: Facts) -> str:
    member, jat, place = facts.member, facts.jat, facts.environment
    within = "not stated"
    if place is not None:
        limits = [f"{cost} at most {amount(limit)}" for cost, limit in place.limits.items()]
        limits += [] if place.device is None else [f"batches of {place.batch}"]
        within = f"{plain(place.name)} ({', '.join(limits)})"
    rows = {
        "Task": plain(member.task),
        "Classes": ", ".join(map(plain, member.classes)) or "tokens",
        "Inputs": f"{jat.graph.inputs.dtype} {['batch', *jat.graph.inputs.shape]}".replace("'", ""),
        "Cut out of": plain(jat.name),
        "Its source": plain(jat.source or "not stated"),
        "Its license": plain(jat.license or "not stated"),
        "Chosen for": within,
        "Data": _data(facts),
    }
    return "\n".join(f"- **{key}**: {value}" for key, value in rows.items())


def _data(facts: Facts) -> str:
    parts = ("search", "validation", "test")
    if facts.data is not None:
        name = facts.data.name
        sizes = {part: len(getattr(facts.data, part)) for part in parts}
    elif facts.sets is not None and "data" in facts.sets.facts:
        said = facts.sets.facts["data"]
        name, sizes = said["name"], said["sizes"]
    else:
        return "not stated"
    counts = ", ".join(f"{sizes[part]:,} for {part}" for part in parts)
    return f"{plain(name)}: {counts}"


def _kind(facts: Facts) -> str:
    if facts.data is not None:
        return facts.data.kind
    default = "classes" if facts.member.classes else "tokens"
    return default if facts.sets is None else facts.sets.facts.get("kind", default)


def _metrics(facts: Facts) -> str:
    scores = facts.member.scores
    jack = None if facts.sets is None else facts.sets.task(facts.member.task).jack
    lines = [
        "## Metrics",
        "",
        f"In percent, {_MEASURES[_kind(facts)]}. The search saw the search split, validation "
        "examples chose the member, test examples chose nothing.",
        "",
        "| split | this member | the whole network |",
        "|---|---|---|",
    ]
    for part in ("search", "validation", "test"):
        own = getattr(scores, f"{part}_error")
        whole = None if jack is None else getattr(jack, f"{part}_error")
        before = " (before recovery)" if part == "search" and scores.epoch is not None else ""
        lines.append(f"| {part}{before} | {_percent(own)} | {_percent(whole)} |")
    if scores.epoch is not None:
        lines += ["", f"Recovered: epoch {scores.epoch} was chosen by validation examples."]
        if scores.diverged:
            lines.append("Its training diverged, and ended there.")
    if scores.expected_error is not None:
        lines.append(
            f"The member was chosen by its expected validation error, "
            f"{_percent(scores.expected_error)}: its own held against those of others like it."
        )
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{100 * share:.2f} %"


def _costs(facts: Facts, description: Mapping[str, Any]) -> str:
    graph, scores = facts.jat.graph, facts.member.scores
    whole = graph.cost(np.asarray(graph.sizes), len(facts.member.classes) or graph.classes)
    lines = ["## Costs", "", "| | this member | of the whole network |", "|---|---|---|"]
    for name, value in scores.costs.items():
        lines.append(f"| {name} | {value:,} | {100 * value / int(whole[name]):.1f} % |")
    place = facts.environment
    if place is not None and place.device is not None:
        outputs = len(facts.member.classes)
        every = (scores.kept, (*graph.sizes, *(1 for _ in graph.blocks)))
        own, full = (float(place.device.latency_ms(one, outputs, place.batch)) for one in every)
        name = f"milliseconds foretold on {plain(place.name)}"
        lines.append(f"| {name} | {own:.3g} | {100 * own / full:.1f} % |")
    return "\n".join(lines + _rounded(description.get("quantization")))


def _rounded(found: Mapping[str, Any] | None) -> list[str]:
    """Return what int8 costs and saves."""
    if found is None:
        return []
    text = (
        f"Stored as int8 with a scale for each output: {found['bytes']:,} bytes of weights in the "
        f"place of {found['float32_bytes']:,}; logits differ from those in float32 by at most "
        f"{found['relative']:.1e} of the largest. The certificate compares the member in float32; "
        "what is loaded again is compared with what int8 made of it."
    )
    if "test_error" in found:
        text += (
            f" Test error {_percent(found['test_error'])}, in float32 "
            f"{_percent(found['float32_test_error'])}."
        )
    return ["", text]


def _files(description: Mapping[str, Any]) -> str:
    lines = [
        "## Formats",
        "",
        f"Median times on {plain(description['measured_on'])}; StableHLO runs in JAX, ONNX in "
        "onnxruntime.",
        "",
        "| format | bytes on disk | batch 1 | batch 64 |",
        "|---|---|---|---|",
    ]
    for name, found in description["formats"].items():
        times = found.get("latency_ms", {})
        cells = [f"{times[batch]:.2f} ms" if batch in times else "-" for batch in ("1", "64")]
        lines.append(f"| {name} | {found['bytes']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _fenced(text: str) -> str:
    return f"```\n{text.replace('```', '')}\n```"
