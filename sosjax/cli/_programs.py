"""Compiled programs: kept from one run to the next, and how long was waited for them."""

import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import Any, final

MOST = 2 * 2**30
"""Bytes of programs that are kept; beyond, the oldest go."""
FOLDER = "jax_compilation_cache_dir"
ENABLED = "jax_enable_compilation_cache"
BRIEFEST = "jax_persistent_cache_min_compile_time_secs"


def keep_programs() -> None:
    """Have JAX keep what it compiles in the user's cache folder.

    Where JAX was told where already (`JAX_COMPILATION_CACHE_DIR`), or nothing can be written, all
    stays as it is.
    """
    import jax

    if getattr(jax.config, FOLDER):
        return
    try:
        folder = _cache() / "sosjax" / f"programs-{processor()}"
        folder.mkdir(parents=True, exist_ok=True)
        _let_go(folder)
    except (OSError, RuntimeError):  # the latter: a user without a home
        return
    jax.config.update(FOLDER, str(folder))
    if BRIEFEST.upper() not in os.environ:
        jax.config.update(BRIEFEST, 0.0)  # a search has many small programs


def kept_programs() -> dict[str, Any]:
    """Return the `folder` that JAX keeps programs in (`None`: none), how many and their `bytes`."""
    import jax

    folder = getattr(jax.config, FOLDER)
    if not folder or not getattr(jax.config, ENABLED):
        return {"folder": None, "programs": 0, "bytes": 0}
    files = [one for one in Path(folder).glob("*") if one.is_file()]
    programs = sum(not one.name.endswith("-atime") for one in files)
    return {
        "folder": str(folder),
        "programs": programs,
        "bytes": sum(one.stat().st_size for one in files),
    }


def processor() -> str:
    """Return a short name of this kind of processor: programs of another one may crash here."""
    known = Path("/proc/cpuinfo")
    kind = known.read_text().split("\n\n")[0] if known.exists() else platform.processor()
    kind = "\n".join(line for line in kind.splitlines() if line.startswith(("flags", "model")))
    return hashlib.sha256(kind.encode()).hexdigest()[:8]


def _cache() -> Path:
    """Return the folder that a user's programs keep what can be made again in."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return Path(given) if given else Path.home() / ".cache"


def _let_go(folder: Path) -> None:
    """Remove the oldest files beyond `MOST` bytes."""
    found = [(one.stat().st_mtime, one.stat().st_size, one) for one in folder.iterdir()]
    kept = 0
    for _, size, path in sorted(found, reverse=True):
        kept += size
        if kept > MOST:
            path.unlink(missing_ok=True)


@final
class Compiling:
    """Adds up how long JAX makes programs, or reads them again, from now on.

    Tracing is left out: traces lie within each other, and would be counted twice.

    Attributes:
      seconds: of all, those made side by side each counted.
      programs: how many.
      kept: how many of them an earlier run had made.
    """

    def __init__(self) -> None:
        from jax import monitoring

        self.seconds, self.programs, self.kept = 0.0, 0, 0
        monitoring.register_event_duration_secs_listener(self._lasted)
        monitoring.register_event_listener(self._happened)

    def _lasted(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.endswith(("jaxpr_to_mlir_module_duration", "backend_compile_duration")):
            self.seconds += duration_secs
            self.programs += event.endswith("backend_compile_duration")

    def _happened(self, event: str, **_: Any) -> None:
        self.kept += event.endswith("compilation_cache/cache_hits")

    def __str__(self) -> str:
        text = f"compiling took {self.seconds:.0f} s for {self.programs} programs"
        return f"{text}, {self.kept} of them kept from earlier runs" if self.kept else text
