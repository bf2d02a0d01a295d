"""Files that claim more than they hold or than there is room for, and files of which bytes were changed at random.

What a changed file is is not foretold: it is read, or refused as what it is, and nothing else is raised.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.data import load
from trainer.data.readers import image_folder, room
from trainer.errors import DataError, TrainerError
from trainer.runs import load_parameters, save_parameters
from trainer.runs.checkpoint import Checkpoints

ROWS = 40
X, Y = np.arange(2.0 * ROWS).reshape(ROWS, 2), np.arange(float(ROWS))


def npy(array: np.ndarray, claimed: tuple[int, ...] | None = None) -> bytes:
    """An .npy file; with `claimed`, one whose header says another shape than the bytes behind it have."""
    buffer = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(buffer, {**header, "shape": claimed or array.shape})
    return buffer.getvalue() + array.tobytes()


def archive(path: Path, *, packed: bool = False, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many bytes there are."""
    return lambda bytes_: monkeypatch.setattr(room, "room", lambda: bytes_)


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_that_unpacks_to_one_byte_more_than_there_is_is_refused_before_it_is_read(packed, most, tmp_path):
    path = archive(tmp_path / "rows.npz", packed=packed, x=npy(X), y=npy(Y))
    size = X.nbytes + Y.nbytes
    most(size)
    assert len(load(path).inputs) == ROWS
    most(size - 1)
    with pytest.raises(
        DataError, match=f"rows.npz says that it takes {size} bytes in memory, and there are {size - 1}"
    ):
        load(path)


def test_what_is_refused_is_not_allocated(most, tmp_path):
    zeros = np.zeros((1 << 20, 4))
    path = archive(tmp_path / "rows.npz", packed=True, x=npy(zeros), y=npy(zeros[:, 0]))
    most(1 << 20)
    tracemalloc.start()
    with pytest.raises(DataError, match="in memory"):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size + (1 << 20) < zeros.nbytes // 8


@pytest.mark.parametrize("claimed", [(ROWS + 1, 2), (1 << 50, 2), (ROWS, 3)])
def test_a_header_that_claims_more_than_there_is_is_refused(claimed, tmp_path):
    (tmp_path / "rows.npy").write_bytes(npy(X, claimed))
    with pytest.raises(DataError, match=r"rows\.npy is damaged: it is cut off"):
        load(tmp_path / "rows.npy")
    with pytest.raises(DataError, match=r"rows\.npz is damaged: its array 'x\.npy' is cut off"):
        load(archive(tmp_path / "rows.npz", x=npy(X, claimed), y=npy(Y)))


def test_a_header_with_an_axis_below_nothing_is_refused(tmp_path):
    (tmp_path / "rows.npy").write_bytes(npy(X, (-ROWS, -2)))
    with pytest.raises(DataError, match=r"is damaged: it says that an array has shape \(-40, -2\)"):
        load(tmp_path / "rows.npy")


def test_a_text_that_unpacks_to_more_than_there_is_is_refused(most, tmp_path):
    text = b"a,b\n" + b"1,2\n" * 100
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(text))
    most(len(text))
    assert len(load(tmp_path / "rows.csv.gz").inputs) == 100
    most(len(text) - 1)
    with pytest.raises(DataError, match=r"what is in it takes 404 bytes in memory, and there are 403"):
        load(tmp_path / "rows.csv.gz")


def test_an_image_of_one_pixel_more_than_are_read_is_refused_before_it_is_decoded(monkeypatch, tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    for name in ("cat", "dog"):
        Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / name / "1.png")
    monkeypatch.setattr(image_folder, "MOST_PIXELS", 20)
    assert len(load(tmp_path).inputs) == 2
    monkeypatch.setattr(image_folder, "MOST_PIXELS", 19)
    with pytest.raises(DataError, match=r"says that it has 5 × 4 pixels; at most 19 are read"):
        load(tmp_path)


def test_there_is_no_more_room_than_the_process_may_have():
    assert 1 << 20 < room.room() <= room.UNKNOWN


def csv_file(folder: Path) -> Path:
    (folder / "rows.csv").write_text("a,b,kind\n" + "".join(f"{i},{i / 7},{'xy'[i % 2]}\n" for i in range(20)))
    return folder / "rows.csv"


def npz_file(folder: Path) -> Path:
    return archive(folder / "rows.npz", packed=True, x=npy(X), y=npy(Y))


def npy_file(folder: Path) -> Path:
    (folder / "rows.npy").write_bytes(npy(X))
    return folder / "rows.npy"


def idx_file(folder: Path) -> Path:
    (folder / "a-labels-idx1-ubyte").write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 6) + bytes([0, 1] * 3))
    path = folder / "a-images-idx3-ubyte"
    path.write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 6, 2, 2) + bytes(range(24)))
    return path


def text_file(folder: Path) -> Path:
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 4)
    return folder / "text.txt"


def image_file(folder: Path) -> Path:
    for name in ("cat", "dog"):
        (folder / "images" / name).mkdir(parents=True)
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(folder / "images" / name / "1.png")
    return folder / "images" / "cat" / "1.png"


def drawing() -> random.Random:
    return random.Random(7)  # noqa: S311  it keeps no secret


def changed(content: bytes, draw: random.Random) -> bytes:
    """The same with some bytes changed, doubled, left out, or cut off."""
    mine = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        place = draw.randrange(len(mine) + 1)
        kind = draw.randrange(4)
        if kind == 0 and place < len(mine):
            mine[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        elif kind == 1:
            mine[place:place] = mine[place : place + draw.randrange(9)]
        elif kind == 2:
            del mine[place : place + draw.randrange(9)]
        elif len(mine) > 8 and draw.randrange(4) == 0:
            del mine[place:]
    return bytes(mine)


@pytest.mark.filterwarnings("ignore")  # what a changed image may be warned of is Pillow's business
@pytest.mark.parametrize("make", [csv_file, npz_file, npy_file, idx_file, text_file, image_file])
def test_a_file_of_which_bytes_were_changed_is_read_or_refused_as_data(make, tmp_path):
    path, draw, refused = make(tmp_path), drawing(), 0
    content = path.read_bytes()
    where = tmp_path / "images" if make is image_file else path
    for _ in range(250):
        path.write_bytes(changed(content, draw))
        try:
            load(where)
        except TrainerError as error:
            refused += 1
            assert path.name in str(error) or "images" in str(error)  # noqa: PT017  not every change is refused
    assert refused > 0


def test_parameters_of_which_bytes_were_changed_are_refused_or_read_where_no_digest_vouches_for_them(tmp_path):
    path, draw = tmp_path / "p.safetensors", drawing()
    save_parameters(path, {"0.weights": np.ones((2, 3)), "0.bias": np.zeros(3, np.float32)}, model={"name": "x"})
    content, refused = path.read_bytes(), 0
    for _ in range(1000):
        path.write_bytes(other := changed(content, draw))
        if other != content:
            with pytest.raises(DataError, match=r"p\.safetensors is damaged: its SHA-256"):
                load_parameters(path)
        (tmp_path / "p.safetensors.sha256").rename(tmp_path / "aside")
        try:
            load_parameters(path, foreign=True)
        except DataError as error:
            refused += 1
            assert "p.safetensors" in str(error)  # noqa: PT017  not every change is refused
        (tmp_path / "aside").rename(tmp_path / "p.safetensors.sha256")
    assert refused > 500


def test_a_checkpoint_of_which_bytes_were_changed_is_never_the_newest(tmp_path):
    checkpoints, draw = Checkpoints(tmp_path / "checkpoints"), drawing()
    for step in (10, 20):
        checkpoints.save(step, {"theta": np.full(3, float(step))}, {"epoch": 1}, {"config": "ab12"})
    for kind in ("json", "safetensors"):
        path = tmp_path / "checkpoints" / f"000000000020.{kind}"
        content = path.read_bytes()
        for _ in range(200):
            path.write_bytes(other := changed(content, draw))
            found = checkpoints.newest()
            assert found is not None
            assert found.step == (20 if other == content else 10)
        path.write_bytes(content)
