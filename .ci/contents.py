"""Look into a wheel and an sdist: what has to be there is there, and nothing else or large.

python .ci/contents.py dist/*
"""

import sys
import tarfile
import zipfile
from pathlib import Path

MOST = 10_000_000
"""Bytes of a release's file; the embedded images are most of it."""
LARGEST = 5_000_000
"""Bytes of one file in it, unpacked."""
PACKAGE = (
    "sosjax/py.typed",
    "sosjax/__init__.pyi",
    "sosjax/strategies/__init__.pyi",
    "sosjax/cli/example.toml",
    "sosjax/data/fashion_resnet.safetensors",
    "sosjax/data/fashion_mnist/train-images-idx3-ubyte.gz",
    "sosjax/data/fashion_mnist/LICENSE",
    "sosjax/data/cec17/cec17_mtmo.npz",
    "sosjax/data/cec17/LICENSE",
    *(f"sosjax/report/web/{name}" for name in ("LICENSE-d3", "d3.min.js", "page.css", "page.js")),
)
SOURCES = (
    *PACKAGE,
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "LICENSE",
    "mkdocs.yml",
    "docs/index.md",
    "docs/pictures/sets.svg",
    "tests/test_readme.py",
    "benchmarks/record.py",
)


def sizes(path: Path) -> dict[str, int]:
    """Return the size of every file, by its name; an sdist's without its folder."""
    if path.suffix == ".whl":
        return {one.filename: one.file_size for one in zipfile.ZipFile(path).infolist()}
    with tarfile.open(path) as files:
        return {one.name.partition("/")[2]: one.size for one in files if one.isfile()}


def faults(path: Path) -> list[str]:
    """Return a sentence for everything that is wrong."""
    found, wheel = sizes(path), path.suffix == ".whl"
    wanted = PACKAGE if wheel else SOURCES
    told = [f"lacks {name}" for name in wanted if name not in found]
    told += [f"holds {name} of {size:,} bytes" for name, size in found.items() if size > LARGEST]
    odd = (".pyc", ".orig", ".log", ".pkl", ".pickle")
    told += [f"holds {name}" for name in found if name.endswith(odd)]
    if path.stat().st_size > MOST:
        told.append(f"has {path.stat().st_size:,} bytes")
    if wheel:
        (info,) = {name.split("/")[0] for name in found if ".dist-info/" in name}
        told += [f"holds {name}" for name in found if not name.startswith(("sosjax/", info))]
        licences = [name for name in found if name.startswith(f"{info}/licenses/")]
        if len(licences) != 4:
            told.append(f"has {len(licences)} licences of 4")
    return told


def main() -> int:
    """Look into the files that were named."""
    wrong = False
    for path in map(Path, sys.argv[1:]):
        found = faults(path)
        print(f"{path.name}: {path.stat().st_size:,} bytes, {len(sizes(path))} files")
        for fault in found:
            print(f"{path.name} {fault}", file=sys.stderr)
        wrong |= bool(found)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
