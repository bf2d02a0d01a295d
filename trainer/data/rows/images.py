"""Images to predict: a folder of them, or of folders of them, each brought to the size that training had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from trainer.data.readers.image_folder import DIVISOR, SUFFIXES, pixels_of, visible
from trainer.data.rows.stream import Block, Blocks, Stream
from trainer.data.spec import InputSpec
from trainer.errors import DataError
from trainer.wording import either

__all__ = ["image_rows"]

AT_ONCE = 64


def image_rows(path: Path, spec: InputSpec, reading: Mapping[str, object]) -> Stream:
    """The images of a folder, sorted by name, those in its folders too; or a single image.

    They are grey or in colour, and of a size, as those of training were: brought to it where the config said so.

    Raises DataError for a folder without images, and as they are read for one that is damaged or of another size.
    """
    if len(spec.shape) != 3 or spec.shape[2] not in (1, 3):
        raise DataError(f"{path} holds images, and the model takes inputs of shape {spec.shape}")
    files = [path] if path.is_file() else list(_files(path))
    if not files:
        raise DataError(f"{path} has no images; an image ends in {either(SUFFIXES)}")
    return Stream(str(path), _blocks(path, files, spec, resized="size" in reading))


def _files(folder: Path) -> Iterator[Path]:
    for entry in visible(folder):
        if entry.is_dir():
            yield from _files(entry)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry
        else:
            raise DataError(f"{entry} is no image; an image ends in {either(SUFFIXES)}")


def _blocks(path: Path, files: list[Path], spec: InputSpec, resized: bool) -> Blocks:
    height, width, channels = spec.shape
    for start in range(0, len(files), AT_ONCE):
        some = files[start : start + AT_ONCE]
        values = np.empty((len(some), *spec.shape))
        for row, file in enumerate(some):
            image = pixels_of(file, (height, width) if resized else None, channels == 1)
            if image.shape != spec.shape:
                raise DataError(
                    f"{file} has {image.shape[0]} × {image.shape[1]} pixels, and the model takes {height} × {width}"
                )
            np.divide(image, DIVISOR, out=values[row])
        yield Block(values, tuple(str(file.relative_to(path)) if file != path else file.name for file in some))
