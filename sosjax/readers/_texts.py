"""A folder of class folders of texts, one document in a file."""

from pathlib import Path

from ._content import read_text
from ._labelled import LabelledTexts, class_files, class_labels


def read_text_folder(
    folder: str | Path, encoding: str = "utf-8", otherwise: str | None = None
) -> LabelledTexts:
    """Read `FOLDER/CLASS/*.txt`, classes and files in the order of their names.

    Args:
      folder: the folder of class folders.
      encoding: of the texts.
      otherwise: the encoding of a text that is not of the first; `None` refuses it.

    Raises:
      InputError: no such folder, fewer than two classes, or a text is not of this encoding.
    """
    folder = Path(folder)
    files = class_files(folder, (".txt",))
    labels, classes = class_labels(files)
    return LabelledTexts(
        tuple(read_text(file, encoding, otherwise) for file in files),
        labels,
        classes,
        tuple(file.relative_to(folder).as_posix() for file in files),
    )
