"""The section `[model]`: which pretrained network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .._errors import require, require_known, require_number
from ._keys import KEYS, ORIGIN, REMOVAL, path_of, require_keys, wanted_key
from ._programs import keep_programs

if TYPE_CHECKING:
    from ..models._jat import Jat

EMBEDDED = ("fashion-resnet",)


@final
@dataclass(frozen=True)
class ModelChoice:
    """Which pretrained network.

    Attributes:
      name: one of `EMBEDDED`, or what reports call the network of `path`.
      path: a folder or file that `sosjax.load` reads; `None` for an embedded network.
      family: whose weights a bare file holds.
      options: of the family.
      removal: what may be removed: arguments of `sosjax.trace`.
      adapted: a file with the weights that adaptation made of it; `None`: its own weights.
      origin: license and source, for the cards of exports.
    """

    name: str | None
    path: Path | None
    family: str | None
    options: dict[str, Any]
    removal: dict[str, Any]
    adapted: Path | None = None
    origin: dict[str, str] = field(default_factory=dict)

    def load(self) -> "Jat":
        """Read the weights and trace the network; from here on programs are compiled, and kept.

        Raises:
          InputError: as `sosjax.load`, or there are no adapted weights where they should be.
        """
        from ..models._adapted import load_adapted

        keep_programs()
        jat = self._load()
        return jat if self.adapted is None else load_adapted(self.adapted, jat)

    def _load(self) -> "Jat":
        from ..models._load import fashion_resnet, load

        if self.path is None:
            return fashion_resnet(**self.removal)
        about: dict[str, Any] = self.removal | self.origin | self.options
        return load(self.path, family=self.family, name=self.name, **about)


def model_choice(table: dict[str, Any], base: Path) -> ModelChoice:
    """Check a section `[model]`.

    Raises:
      InputError: a key is unknown, or keys do not go together.
    """
    require_keys("model", table)
    removal = {key: table[key] for key in REMOVAL if key in table}
    origin = {key: table[key] for key in ORIGIN if key in table}
    require_number("model.granularity", removal.get("granularity", 1), 1, whole=True)
    if "path" not in table:
        name = wanted_key("model", table, "name")
        require_known("model.name", name, EMBEDDED)
        alien = [key for key in ("family", "options", *ORIGIN) if key in table]
        require(
            not alien,
            f"`model.{next(iter(alien), '')}` must be left out unless `model.path` is given, got "
            f"it with {name!r}.",
        )
        return ModelChoice(name, None, None, {}, removal)
    path = _path(table["path"], base)
    require(
        path.exists(),
        f"`model.path` must be a folder or a weights file, got no such path: {path}.",
    )
    options = table.get("options", {})
    alien = [key for key in options if key in KEYS["model"]]
    require(
        not alien,
        f"`model.options` must hold options of the network's family, got "
        f"`{next(iter(alien), '')}`, a key of [model] itself.",
    )
    return ModelChoice(
        table.get("name"), path, table.get("family"), options, removal, origin=origin
    )


def _path(text: str, base: Path) -> Path:
    """Return a path relative to the base, or the folder of what is fetched from the hub."""
    from ..models._hub import is_hub, local

    return local(text) if is_hub(text) else path_of("model.path", text, base)
