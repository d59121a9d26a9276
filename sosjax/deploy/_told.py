"""An export in lines of a terminal: what each format weighs and takes, and what int8 changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._files import read_json


def told(folder: Path) -> str:
    """Return what was measured of an export, a line for each format."""
    description = read_json(folder / "architecture.json")
    lines = [_format(name, found) for name, found in description["formats"].items()]
    lines.append(f"median times on {description['measured_on']}, for 1 and for 64 examples")
    if "quantization" in description:
        lines.append(_quantised(description["quantization"]))
    return "\n".join(lines)


def _format(name: str, found: Mapping[str, Any]) -> str:
    times = found.get("latency_ms", {}).values()
    last = ", " + " and ".join(f"{time:.3g} ms" for time in times) if times else ""
    opset = f" (opset {found['opset']})" if "opset" in found else ""
    return f"{name}{opset}: {found['bytes']:,} bytes on disk{last}"


def _quantised(found: Mapping[str, Any]) -> str:
    text = (
        f"{found['scheme']}: {found['bytes']:,} bytes of weights in the place of "
        f"{found['float32_bytes']:,}; logits differ by at most {found['relative']:.1e} of the "
        "largest"
    )
    if "test_error" in found:
        own, exact = 100 * found["test_error"], 100 * found["float32_test_error"]
        text += f"; test error {own:.2f} %, in float32 {exact:.2f} %"
    return text
