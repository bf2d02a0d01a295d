"""Folders of images, and those that are none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hints import ways
from trainer.data import load
from trainer.errors import DataError


def save(path: str, pixels: Any, **options: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path, **options)


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two red images of class 10, a blue one of class 9, each 2 × 3 pixels."""
    monkeypatch.chdir(tmp_path)
    save("pets/10/b.png", np.full((2, 3, 3), (255, 0, 0)))
    save("pets/10/a.png", np.full((2, 3, 3), (51, 0, 0)))
    save("pets/9/c.PNG", np.full((2, 3, 3), (0, 0, 255)))


def test_sub_folders_are_classes_and_files_are_rows_in_the_order_of_their_names() -> None:
    dataset = load("pets")
    assert dataset.name == "pets"
    assert dataset.class_names == ("9", "10")
    assert dataset.targets.tolist() == [1, 1, 0]
    assert dataset.inputs.shape == (3, 2, 3, 3)
    assert dataset.numbers()[:, 0, 0].tolist() == [[0.2, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_grey_is_one_channel_of_luma() -> None:
    inputs = load("pets", {"grey": True}).numbers()
    assert inputs.shape == (3, 2, 3, 1)
    np.testing.assert_allclose(inputs[:, 0, 0, 0], [0.299 / 5, 0.299, 0.114], atol=1 / 255)


def test_size_is_height_and_width() -> None:
    save("pets/9/large.jpg", np.tile(np.arange(0, 160, 4)[:, None, None], (1, 20, 3)), quality=95)
    inputs = load("pets", {"size": [4, 2]}).numbers()
    assert inputs.shape == (4, 4, 2, 3)
    np.testing.assert_allclose(
        inputs[3, :, 0, 0] * 255, [22, 58, 98, 134], atol=3
    )  # ramps of twice ten rows, cut at the edge


def test_images_stand_upright_as_their_exif_data_say() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    save("pets/9/d.jpg", np.zeros((3, 2, 3)), exif=exif)
    assert load("pets").inputs.shape == (4, 2, 3, 3)


def test_a_phones_photo_of_several_frames_is_its_first() -> None:
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    frames[0].save("pets/9/d.jpg", "MPO", save_all=True, append_images=frames[1:])
    with Image.open("pets/9/d.jpg") as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("MPO", 2)
    red = load("pets").numbers()[-1]
    assert red[..., 0].min() > 0.95
    assert red[..., 2].max() < 0.05


def test_palettes_grey_and_opaque_alpha_become_colours() -> None:
    save("pets/9/grey.png", np.full((2, 3), 51))
    save("pets/9/alpha.png", np.full((2, 3, 4), (51, 102, 0, 255)))
    Image.fromarray(np.full((2, 3, 3), (0, 255, 0), dtype=np.uint8)).convert("P").save("pets/9/palette.gif")
    inputs = load("pets").numbers()
    assert inputs[2:, 0, 0].tolist() == [[0.2, 0.4, 0], [0, 0, 1], [0.2, 0.2, 0.2], [0, 1, 0]]


def test_images_that_are_all_saved_in_grey_have_one_channel() -> None:
    save("scans/a/1.png", np.full((2, 3), 51))
    save("scans/b/2.png", np.full((2, 3), 255))
    assert load("scans").numbers()[:, 0, 0].tolist() == [[0.2], [1]]
    assert load("scans", {"grey": False}).inputs.shape == (2, 2, 3, 3)
    save("scans/b/3.png", np.full((2, 3, 3), (255, 0, 0)))
    assert load("scans").inputs.shape == (3, 2, 3, 3)


def test_arrays_by_other_names_are_told_what_they_are_called() -> None:
    Path("arrays").mkdir()
    np.save("arrays/X.npy", np.ones((4, 2)))
    with pytest.raises(DataError) as caught:
        load("arrays")
    assert str(caught.value) == (
        "arrays/X.npy lies beside the folders of the classes; move it out of arrays; a folder of "
        "arrays has inputs.npy and targets.npy"
    )


def test_hidden_files_are_none_of_the_data() -> None:
    Path("pets/.DS_Store").touch()
    Path("pets/9/.hidden.png").touch()
    Path("pets/9/Thumbs.db").touch()
    assert load("pets").rows == 3


def test_pillow_is_imported_for_images_alone() -> None:
    script = "import sys, trainer.data; print('PIL' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def _remove() -> None:
    for path in Path("pets").rglob("*.*"):
        path.unlink()


def _empty() -> None:
    _remove()
    for path in Path("pets").iterdir():
        path.rmdir()


def _frames() -> None:
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    frames[0].save("pets/9/d.gif", save_all=True, append_images=frames[1:])


def _sixteen_bits() -> None:
    Image.fromarray(np.full((2, 3), 1000, dtype=np.uint16)).save("pets/9/d.png")


ENDINGS = ".bmp, .gif, .jpeg, .jpg, .pbm, .pgm, .png, .ppm, .tif, .tiff, .webp"

BAD: list[tuple[Callable[[], Any], dict[str, Any], str]] = [
    (_empty, {}, "pets is empty; a folder of images has a sub-folder of images for each class"),
    (_remove, {}, "pets/10 is empty; put images of its class into it, or remove it"),
    (
        lambda: save("pets/d.png", np.zeros((2, 3, 3))),
        {},
        "pets/d.png lies beside the folders of the classes; move it into one of them, or out of pets",
    ),
    (
        lambda: Path("pets/README.txt").write_text("cats and dogs"),
        {},
        "pets/README.txt lies beside the folders of the classes; move it out of pets",
    ),
    (
        lambda: save("pets/9/more/d.png", np.zeros((2, 3, 3))),
        {},
        "pets/9/more is a folder inside the folder of a class, which holds images only",
    ),
    (
        lambda: Path("pets/9/notes.md").touch(),
        {},
        f"pets/9/notes.md is no image; an image ends in {ENDINGS}",
    ),
    (
        lambda: save("pets/9/d.png", np.zeros((4, 3, 3))),
        {},
        "pets/9/d.png has 4 × 3 pixels, and pets/10/a.png 2 × 3; say size: [2, 3] to bring all to one height and width",
    ),
    (
        lambda: Path("pets/9/d.png").write_bytes(b"no image"),
        {},
        "pets/9/d.png cannot be read as an image: cannot identify image file it",
    ),
    (
        lambda: Path("pets/9/d.png").touch(),
        {},
        "pets/9/d.png cannot be read as an image: cannot identify image file it",
    ),
    (
        lambda: Path("pets/9/d.png").write_bytes(Path("pets/9/c.PNG").read_bytes()[:50]),
        {},
        "pets/9/d.png cannot be read as an image: image file is truncated",
    ),
    (
        lambda: save("pets/9/d.png", np.full((2, 3, 4), 128)),
        {},
        "pets/9/d.png has transparent pixels; save it on a background",
    ),
    (_frames, {}, "pets/9/d.gif has 2 frames, and a row is one image; save each in a file"),
    (_sixteen_bits, {}, "pets/9/d.png has pixels of Pillow's mode 'I;16'; save it with 8 bits a channel"),
    (lambda: None, {"size": [0, 3]}, "pets: size is a height and a width of at least 1 pixel, not [0, 3]"),
    (lambda: None, {"size": 28}, "pets: the option size is a height and a width, such as [28, 28], not 28"),
    (lambda: None, {"grey": "yes"}, "pets: the option grey is true or false, not 'yes'"),
    (lambda: None, {"task": "regression"}, "pets has no option 'task'; 'task' is an option of mapped, such as arrays/"),
    (
        lambda: [path.unlink() for path in Path("pets/9").iterdir()] and Path("pets/9").rmdir(),
        {},
        "data set 'pets' has one class only, '10': a classification needs at least two classes",
    ),
]

TOLD = [case for case in BAD if any(ways(case[-1]))]


@pytest.mark.parametrize(("spoil", "options", "message"), TOLD, ids=[case[-1][:50] for case in TOLD])
def test_a_folder_is_read_when_what_its_message_says_is_set(
    spoil: Callable[[], Any], options: dict[str, Any], message: str
) -> None:
    spoil()
    for way in ways(message):
        assert load("pets", {**options, **way}).rows == 4


@pytest.mark.parametrize(("spoil", "options", "message"), BAD, ids=[case[-1][:50] for case in BAD])
def test_a_bad_folder_is_refused_with_its_exact_message(
    spoil: Callable[[], Any], options: dict[str, Any], message: str
) -> None:
    spoil()
    with pytest.raises(DataError) as caught:
        load("pets", options)
    assert str(caught.value) == message
