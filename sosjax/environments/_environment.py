"""Where a sub-network must run: upper limits on what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

from .._errors import listing, require, require_name, require_number

COUNTED = ("parameters", "bytes", "flops")
"""The costs that are counted, and known of every sub-network."""
LATENCY = "latency_ms"
MEASURED = (LATENCY, "peak_memory", "energy_mj", "price")
"""The costs that a measured device foretells."""
UNITS = {"latency_ms": "ms", "peak_memory": "bytes at the peak", "energy_mj": "mJ"}


@runtime_checkable
class AbstractDevice(Protocol):
    """What an environment asks of a `Device`, which needs JAX where what is counted does not."""

    def timetable(self, batch: int) -> Any:
        """Refuse a batch that was not measured."""

    def seconds(self, counts: Any, batch: int, xp: Any) -> Any:
        """Return seconds for a batch."""

    def latency_ms(self, kept: Any, outputs: Any, batch: int, xp: Any = ...) -> Any:
        """Return milliseconds for a batch."""

    def peak_memory(self, kept: Any, outputs: Any, batch: int, xp: Any = ...) -> Any:
        """Return bytes."""

    def require_network(self, argument: str, groups: Any, blocks: int) -> None:
        """Refuse another network."""

    def content(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        ...


@final
@dataclass(frozen=True)
class Environment:
    """A deployment environment.

    Attributes:
      name: unique in its search; any printable text.
      parameters: at most so many trainable numbers.
      bytes: at most so many bytes of weights and statistics, as stored.
      flops: at most so many FLOPs for one example, two per multiply-accumulate.
      latency_ms: at most so many milliseconds for a batch on the device.
      peak_memory: at most so many bytes of weights and activations on the device.
      energy_mj: at most so many millijoules for an example: its latency times `watts`.
      price: at most so much for a million examples: their latency times `price_per_hour`.
      device: what `measure_device` found there.
      batch: examples side by side, one of the sizes that the device was measured with.
      watts: what the device draws while it computes.
      price_per_hour: what it costs, in any currency.

    >>> Environment("watch", bytes=64_000).admits({"bytes": 9_000, "flops": 10**6})
    True

    Raises:
      InputError: a limit is no positive number, there is none, or one lacks what it is told by.
    """

    name: str
    parameters: float | None = None
    bytes: float | None = None
    flops: float | None = None
    latency_ms: float | None = None
    peak_memory: float | None = None
    energy_mj: float | None = None
    price: float | None = None
    device: AbstractDevice | None = None
    batch: int = 1
    watts: float | None = None
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
        require_name("environments.name", self.name)
        require(
            len(self.limits) > 0,
            f"`environments` {self.name} must limit parameters, bytes, flops or, with a device, "
            f"{listing(MEASURED)}, got no limit.",
        )
        own = {name: getattr(self, name) for name in ("watts", "price_per_hour")}
        for cost, limit in (self.limits | own).items():
            if limit is not None:
                least = 1 if cost in (*COUNTED, "peak_memory") else 1e-9
                require_number(f"environments {self.name}.{cost}", limit, least)
        require_number(f"environments {self.name}.batch", self.batch, 1, 1e6, whole=True)
        needed = {"energy_mj": "watts", "price": "price_per_hour"}
        for cost in (one for one in MEASURED if one in self.limits):
            for name in ("device", needed.get(cost, "device")):
                require(
                    getattr(self, name) is not None,
                    f"`environments` {self.name}.{cost} must come with a `{name}`, got none.",
                )
        if self.device is not None:
            require(
                isinstance(self.device, AbstractDevice),
                f"`environments` {self.name}.device must be what `sosjax.load_device` returns, got "
                f"{self.device!r}.",
            )
            self.device.timetable(self.batch)

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by the name of the cost."""
        limits = {cost: getattr(self, cost) for cost in (*COUNTED, *MEASURED)}
        return {cost: limit for cost, limit in limits.items() if limit is not None}

    def costs(self, counted: Mapping[str, float], kept: Any, outputs: int) -> dict[str, float]:
        """Return what a sub-network costs here, with what the device foretells of it.

        Args:
          counted: its counted costs.
          kept: units that it keeps in each group, whole numbers [groups], and whether each block is
            there.
          outputs: of its head, as many as the task has classes.

        Raises:
          InputError: the device was measured with another network.
        """
        if self.device is None:
            return dict(counted)
        import numpy as np  # which `sosjax --help` need not wait for

        found = self.each_costs(counted, np.array(kept), outputs, np)
        return {name: cost if name in COUNTED else float(cost) for name, cost in found.items()}

    def each_costs(
        self, counted: Mapping[str, Any], kept: Any, outputs: Any, xp: Any
    ) -> dict[str, Any]:
        """Return what many sub-networks cost here, [...] each.

        Args:
          counted: their counted costs, [...] each.
          kept: as for `costs`, [..., groups].
          outputs: of their heads.
          xp: `numpy`, or `jax.numpy` inside `jit`.
        """
        device, own = self.device, dict(counted)
        if device is None:
            return own
        own["latency_ms"] = device.latency_ms(kept, outputs, self.batch, xp)
        own["peak_memory"] = device.peak_memory(kept, outputs, self.batch, xp)
        if self.watts is not None:
            own["energy_mj"] = own["latency_ms"] * self.watts / self.batch
        if self.price_per_hour is not None:
            hours = own["latency_ms"] / self.batch / 3.6e6
            own["price"] = 1e6 * hours * self.price_per_hour
        return own

    def admits(self, costs: Mapping[str, float]) -> bool:
        """Return whether these costs are within every limit."""
        return all(costs[cost] <= limit for cost, limit in self.limits.items())

    def excess(self, costs: Mapping[str, Any], xp: Any) -> Any:
        """Return by how many decades, summed over the limits, costs exceed them: 0 within all.

        Args:
          costs: from `each_costs`, [...] each.
          xp: `numpy`, or `jax.numpy` inside `jit`.
        """
        return sum(
            xp.log10(xp.maximum(costs[cost] / limit, 1.0)) for cost, limit in self.limits.items()
        )

    def shortfall(self, costs: Mapping[str, float]) -> str:
        """Return, for a message, the limits that these costs break: `9,000 bytes of 8,000`."""
        return ", ".join(
            f"{amount(costs[cost])} {UNITS.get(cost, cost)} of {amount(limit)}"
            for cost, limit in self.limits.items()
            if costs[cost] > limit
        )

    def content(self) -> dict[str, Any]:
        """Return the environment as what JSON can hold; `of` reads it."""
        found: dict[str, Any] = {"name": self.name, "limits": self.limits}
        if self.device is not None:
            found |= {"device": self.device.content(), "batch": self.batch}
            found |= {"watts": self.watts, "price_per_hour": self.price_per_hour}
        return found

    @staticmethod
    def of(content: Mapping[str, Any], source: str) -> "Environment":
        """Return the environment that `content` describes; `source` names it in messages.

        Raises:
          InputError: a limit or the device cannot be used.
        """
        strange = sorted(set(content["limits"]) - {*COUNTED, *MEASURED})
        require(
            not strange,
            f"{source} must limit {listing((*COUNTED, *MEASURED))}, got {listing(strange)}.",
        )
        own = {key: content[key] for key in ("batch", "watts", "price_per_hour") if key in content}
        if "device" in content:
            from ._device import Device

            own["device"] = Device.of(content["device"], f"the device of {source}")
        return Environment(content["name"], **content["limits"], **own)


def amount(value: float) -> str:
    """Return a cost in full: `12,431`, `3.25`."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1e4 else f"{value:,.4g}"
