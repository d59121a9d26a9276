"""A folder of class folders of images, read by Pillow."""

import struct
import warnings
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np

from .._errors import InputError, require, require_number
from ._content import reason
from ._labelled import LabelledImages, class_files, class_labels

_SUFFIXES = (".png", ".jpg", ".jpeg")
_REFUSED = (".gif", ".bmp", ".webp", ".tif", ".tiff")
_PIXELS = 50_000_000  # of one image: a small file can unpack to any size
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}  # all of 8 bits or fewer


def read_image_folder(
    folder: str | Path, size: tuple[int, int] | None = None, channels: int = 3
) -> LabelledImages:
    """Read `FOLDER/CLASS/*.png` and `*.jpg`, classes and files in the order of their names.

    Transparency is dropped, and the orientation that a camera notes is not applied.

    Args:
      folder: the folder of class folders.
      size: height and width that every image is resized to, bilinearly with antialiasing; `None`
        if all have one size already.
      channels: 3 for colours, 1 for greys.

    Returns:
      The images [B, H, W, C] with labels, class names and the files.

    Raises:
      InputError: no such folder, fewer than two classes, an image is damaged, too large, of more
        than 8 bits a channel, or of another size where none is given; Pillow is missing.
    """
    folder = Path(folder)
    require(channels in (1, 3), f"`channels` must be 1 or 3, got {channels}.")
    for length in size or ():
        require_number("size", length, 1, whole=True)
    files = class_files(folder, _SUFFIXES, _REFUSED)
    pillow = _pillow()
    images = []
    for file in files:
        images.append(_image(pillow, file, size, channels))
        require(
            images[-1].shape == images[0].shape,
            f"{file} must have {_size(images[0])} as the first image, got {_size(images[-1])}; "
            "give `size` to resize all.",
        )
    labels, classes = class_labels(files)
    names = tuple(file.relative_to(folder).as_posix() for file in files)
    return LabelledImages(np.stack(images), labels, classes, names)


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise InputError("images need Pillow: pip install 'sosjax[data]'.") from None
    return Image


def _image(
    pillow: ModuleType, file: Path, size: tuple[int, int] | None, channels: int
) -> np.ndarray:
    """Decode one image to uint8 [H, W, C]; its size is looked at before its pixels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)  # asked below
            opened = pillow.open(file, formats=("PNG", "JPEG"))
        with opened as image:
            width, height = image.size
            require(
                width * height <= _PIXELS,
                f"{file} must have at most {_PIXELS} pixels, got {width} x {height}.",
            )
            require(
                image.mode in _MODES,
                f"{file} must have 8 bits a channel, got the mode {image.mode}.",
            )
            image = image.convert("RGB" if channels == 3 else "L")
            if size is not None:
                image = image.resize((size[1], size[0]), pillow.Resampling.BILINEAR)
            return np.asarray(image, np.uint8).reshape(image.height, image.width, channels)
    except InputError:
        raise
    except pillow.DecompressionBombError:
        raise InputError(f"{file} must have at most {_PIXELS} pixels, got far more.") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error) as error:
        raise InputError(
            f"{file} must be a PNG or JPEG image, got a damaged one: {reason(error)}."
        ) from None


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]} pixels"
