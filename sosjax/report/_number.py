"""Numbers as people read them: 12.4 k, 48.1 kB, 13.05 %."""

UNITS = {"parameters": "", "bytes": "B", "flops": ""}
"""What stands behind the prefix of each cost."""

LABELS = {"parameters": "parameters", "bytes": "bytes", "flops": "FLOPs"} | {
    "latency_ms": "ms",
    "peak_memory": "bytes at the peak",
    "energy_mj": "mJ",
    "price": "a million examples",
}
"""How each cost is called in front of people."""

MEASURES = {
    "classes": ("error", "Errors are shares of wrong answers."),
    "values": (
        "unexplained variance",
        "Errors are shares of the variance, 1 - R2: 0 explains all of it, 1 as much as the mean.",
    ),
    "tokens": (
        "cross-entropy of equal odds",
        "Errors are the cross-entropy of the tokens as a share of that of equal odds.",
    ),
}
"""What an error is, by what the tasks ask: in a word, and in a sentence."""

PREFIXES = ("", "k", "M", "G", "T", "P", "E")
"""Decimal prefixes, each a thousand times the one before."""


def short(value: float, cost: str = "parameters") -> str:
    """Return a cost to three digits with its decimal prefix: `12.4 k`, `48.0 kB`, `5.10 M`.

    Args:
      value: from 0 to 1e20.
      cost: `parameters`, `bytes` or `flops`.
    """
    scaled, scale = float(f"{value:.3g}"), 0
    while scaled >= 1000:
        scaled, scale = scaled / 1000, scale + 1
    digits = f"{scaled:#.3g}".rstrip(".") if scale else f"{scaled:g}"
    return f"{digits} {PREFIXES[scale]}{UNITS[cost]}".rstrip()


def brief(value: float, cost: str = "parameters") -> str:
    """Return a given number in full behind its prefix: `16 kB`, `1.5 M`, `12.345 k`."""
    scaled, scale = float(value), 0
    while scaled >= 1000:
        scaled, scale = scaled / 1000, scale + 1
    return f"{scaled:.10g} {PREFIXES[scale]}{UNITS[cost]}".rstrip()


def exact(value: float, cost: str = "parameters") -> str:
    """Return a cost in full: `12,431 parameters`."""
    return f"{value:,} {LABELS[cost]}"


def percent(share: float) -> str:
    """Return a share in [0, 1] as a percentage with two decimals: `13.05 %`."""
    return f"{100 * share:.2f} %"


def measured(error: float, kind: str, unit: float | None) -> str:
    """Return an error in its own unit: `MSE 12.4, R2 0.7812`, `4.312 nats a token`, or nothing.

    Args:
      error: a share.
      kind: what the task asks.
      unit: what an error of 1 is: the variance of a value, the cross-entropy of equal odds.
    """
    if kind == "values" and error >= 1:
        return "no better than the mean"
    if kind == "values":
        return f"{'' if unit is None else f'MSE {error * unit:.4g}, '}R2 {1 - error:.4f}"
    return f"{error * unit:.3f} nats a token" if kind == "tokens" and unit is not None else ""


def part(value: float, whole: float) -> str:
    """Return which part of the whole a value is: `15 %`; one decimal below 1 %."""
    if whole <= 0:
        return "-"
    share = 100 * value / whole
    return f"{share:.1f} %" if share < 1 else f"{share:.0f} %"
