"""A folder of images as a data set: each sub-folder is a class, and what lies in it are its images.

Values are from 0 to 1, shape (height, width, channels) with one channel for grey and three for colours, as
convolutions expect them; they are kept as pixels of 8 bits until they are cast for the network. Classes and
files are sorted by name, so that rows do not depend on the file system. Files whose name begins with a dot are none of
the data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from trainer.data.dataset import Dataset, class_indices
from trainer.data.pages import pages
from trainer.errors import DataError
from trainer.limits import Words
from trainer.types import Array
from trainer.wording import lacking

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DIVISOR", "SUFFIXES", "pixels_of", "read_images", "visible"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MOST_PIXELS = 1 << 26  # of an image, before any is decoded
DIVISOR = 255  # of pixels of 8 bits, whose values are from 0 to 1
Size = Annotated[tuple[int, int], Words(("a height and a width, such as [28, 28]", "heights and widths"))]
GREY = ("1", "L", "LA")
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
SYSTEM_FILES = ("Thumbs.db", "desktop.ini")


def read_images(path: str | os.PathLike[str], *, size: Size | None = None, grey: bool | None = None) -> Dataset:
    """The images in the sub-folders of a folder; the data set has the folder's name, the classes the sub-folders'.

        animals/cat/1.png
        animals/cat/2.png
        animals/dog/1.png

    size: height and width that every image is brought to, its proportions changed if need be, with bilinear
        interpolation over all pixels that count (Pillow's BILINEAR). Default: as they are, all of one size.
    grey: one channel, luma by ITU-R 601-2 as Pillow weighs colours, instead of three. Default: whether all images are
        saved in grey.

    An image is turned upright as its EXIF data say.

    Raises DataError for a folder without classes or images, a file that is no image, images of several sizes,
    transparent pixels, more than 8 bits a channel, and several frames.

        read_images("animals", size=(28, 28), grey=True)
    """
    shown = os.fspath(path)
    if size is not None and min(size) < 1:
        raise DataError(f"{shown}: size is a height and a width of at least 1 pixel, not {list(size)}", "size")
    shape = None if size is None else (size[0], size[1])
    files = list(_files(shown))
    labels = [file.parent.name for file in files]
    targets, class_names = class_indices(labels)
    grey = all(map(_is_grey, files)) if grey is None else grey
    first: tuple[int, ...] = ()
    for row, file in enumerate(files):
        pixels = pixels_of(file, shape, grey)
        if row == 0:
            first = pixels.shape
            inputs = pages((len(files), *first), np.uint8)
        if pixels.shape != first:
            raise DataError(
                f"{file} has {pixels.shape[0]} × {pixels.shape[1]} pixels, and {files[0]} {first[0]} × {first[1]}; say "
                f"size: [{first[0]}, {first[1]}] to bring all to one height and width"
            )
        inputs[row] = pixels
    return Dataset(
        Path(shown).resolve().name, inputs, targets, "classification", class_names, narrow=True, divisor=DIVISOR
    )


def _files(folder: str) -> Iterator[Path]:
    """Every image, class by class."""
    classes = visible(Path(folder))
    if not classes:
        raise DataError(f"{folder} is empty; a folder of images has a sub-folder of images for each class")
    for entry in classes:
        if not entry.is_dir():
            arrays = "; a folder of arrays has inputs.npy and targets.npy" if entry.suffix == ".npy" else ""
            within = "into one of them, or " if entry.suffix.lower() in SUFFIXES else ""
            raise DataError(f"{entry} lies beside the folders of the classes; move it {within}out of {folder}{arrays}")
    for entry in classes:
        files = visible(entry)
        if not files:
            raise DataError(f"{entry} is empty; put images of its class into it, or remove it")
        for file in files:
            if file.is_dir():
                raise DataError(f"{file} is a folder inside the folder of a class, which holds images only")
            if file.suffix.lower() not in SUFFIXES:
                raise DataError(f"{file} is no image; an image ends in {', '.join(SUFFIXES)}")
            yield file


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, without what systems put there."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    return [entry for entry in entries if not entry.name.startswith(".") and entry.name not in SYSTEM_FILES]


def pixels_of(file: Path, size: tuple[int, int] | None, grey: bool) -> Array:
    """An image as (height, width, channels), uint8."""
    from PIL import Image, ImageOps  # as late as this: most data are no images

    try:
        with Image.open(file) as opened:
            _check(file, opened)
            image: Image.Image = ImageOps.exif_transpose(opened).convert("L" if grey else "RGB")
            if size is not None and image.size != size[::-1]:
                image = image.resize(size[::-1], Image.Resampling.BILINEAR)
    except DataError:
        raise
    except Exception as error:
        # Anything may have written these bytes, so whatever Pillow's parsers raise is their fault.
        what = lacking(error) if isinstance(error, MemoryError) else str(error).replace(f" {str(file)!r}", " it")
        raise DataError(f"{file} cannot be read as an image: {what}") from None
    return np.asarray(image).reshape(image.height, image.width, -1)


def _is_grey(file: Path) -> bool:
    """Whether an image is saved without colours; what cannot be read says so later."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            return opened.mode in GREY
    except Exception:  # whatever Pillow's parsers raise
        return False


def _check(file: Path, image: Image) -> None:
    """Refuse what three channels of 8 bits would lose."""
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{file} says that it has {image.width} × {image.height} pixels; at most {MOST_PIXELS:,} are read"
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a phone's photo: a JPEG, and behind it others of the same moment
        raise DataError(f"{file} has {frames} frames, and a row is one image; save each in a file")
    if image.mode not in EIGHT_BITS:
        raise DataError(f"{file} has pixels of Pillow's mode {image.mode!r}; save it with 8 bits a channel")
    if "A" in image.mode or "transparency" in image.info:
        lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
        if lowest != 255:
            raise DataError(f"{file} has transparent pixels; save it on a background")
