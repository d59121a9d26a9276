"""Measuring the device that a command runs on."""

import argparse
from pathlib import Path

from .._errors import require
from ._config import Config, example_text, parse_config, read_config
from ._runs import config_of, reporting


def measure_device(arguments: argparse.Namespace) -> None:
    """Time a network's pieces on this machine, and write what was found to a new file."""
    path = Path(arguments.out)
    require(
        not path.exists() and path.suffix == ".toml",
        f"`--out` must be a new file that ends in .toml, got {path}; nothing was changed.",
    )
    config = _config(arguments.config)
    from ..deploy._measure import measure_device as measure
    from ..environments._device import save_device

    with reporting(arguments.quiet) as progress:
        jat = config.model.load()
        device = measure(
            jat, arguments.batch or [1], name=arguments.name, seed=arguments.seed, progress=progress
        )
    save_device(device, path)
    for table in () if arguments.quiet else device.timetables:
        print(
            f"batch {table.batch}: latency of whole sub-networks foretold within "
            f"{100 * table.error:.1f} % in the median, {100 * table.worst:.0f} % at most (they "
            f"spread by {100 * table.spread:.1f} % themselves)"
        )
    print(path)


def _config(given: str | None) -> Config:
    """Return the configuration of a run or a file; the example's if none is given."""
    if given is None:
        return parse_config(example_text(), Path.cwd(), "the example")
    path = Path(given)
    return config_of(path) if path.is_dir() else read_config(path)
