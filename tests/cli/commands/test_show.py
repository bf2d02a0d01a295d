"""`trainer show`: the program of a training step, its buffers, its memory, its picture."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Trainer = Callable[..., Any]
SVG = "{http://www.w3.org/2000/svg}"
NETWORK = "network=[dense: 4, tanh, dense: 1]"


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314  our own file


def boxes(picture: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of the box of every instruction that is drawn."""
    found = []
    for group in picture.iter(f"{SVG}g"):
        x, y, width, height = (float(group.find(f"{SVG}rect").attrib[k]) for k in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def test_show_prints_the_program_its_buffers_and_its_memory(trainer: Trainer, folder: Path) -> None:
    done = trainer("show", "small.yaml", "compute.executor=numpy")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "%0 = input  float32 (2,)"
    assert sum(" = matmul(" in line for line in lines) == 2
    header = next(n for n, line in enumerate(lines) if line.split() == ["buffer", "at", "bytes", "holds"])
    end = lines.index("", header)
    assert [line.split()[0] for line in lines[header + 1 : end]][:2] == ["input", "input"]
    assert any(re.fullmatch(r"b0 +0 +128  %\d+( %\d+)*", line) for line in lines[header:end])
    assert re.fullmatch(
        r"\d+ instructions, \d+ of them views; [\d,]+ scalar operations; [\d,]+ bytes read and written; "
        r"[\d,]+ bytes of buffers; runs on numpy\.",
        lines[end + 1],
    )
    assert re.fullmatch(
        r"Memory: [\d.]+ (B|KiB) planned, \d\.\d\d × the [\d.]+ (B|KiB) alive at once, \d\.\d\d × the 416 B needed "
        r"\(parameters 8 B, gradient 8 B, batch 272 B, residuals 128 B\)\.",
        lines[end + 2],
    )


def test_the_profile_names_each_layer_the_cost_and_the_optimizer(trainer: Trainer, folder: Path) -> None:
    done = trainer("show", "small.yaml", NETWORK, "--profile")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^\d+\.\d µs per step; \d+\.\d µs instruction by instruction:$", done.out, re.MULTILINE)
    lines = done.out[done.out.index("By layer, µs:") :].splitlines()[2:]
    assert lines[0].split() == ["layer", "forward", "backward", "update", "total", "%"]
    rows = {line[:9].strip(): line[9:].split() for line in lines[1:]}
    assert list(rows) == ["0 dense", "1 tanh", "2 dense", "cost", "optimizer", "total"]
    for name in ("0 dense", "1 tanh", "2 dense", "cost"):
        forward, backward, update, total, _ = rows[name]
        assert float(forward) > 0
        assert float(backward) > 0
        assert update == "-"
        assert float(total) == pytest.approx(float(forward) + float(backward), abs=0.011)
    assert rows["optimizer"][:2] == ["-", "-"]
    assert float(rows["optimizer"][2]) > 0
    assert rows["total"][-1] == "100.0"


def test_the_picture_has_every_instruction_once_and_no_two_in_one_place(trainer: Trainer, folder: Path) -> None:
    done = trainer("show", "small.yaml", NETWORK, "--svg", "step.svg")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "drawn in step.svg"
    picture = parsed((folder / "step.svg").read_text(encoding="utf-8"))
    titles = [group.findtext(f"{SVG}title") for group in picture.iter(f"{SVG}g")]
    instructions = [line for line in done.out.splitlines() if re.match(r"%.* = (?!input)", line)]
    assert sorted(map(str, titles)) == sorted(instructions)
    for column in {left for left, *_ in boxes(picture)}:
        stacked = sorted((top, bottom) for left, top, _, bottom in boxes(picture) if left == column)
        assert all(above[1] < below[0] for above, below in pairwise(stacked))
    texts = {text.text for text in picture.iter(f"{SVG}text")}
    assert {"0 dense", "1 tanh", "2 dense", "cost", "forward ↓", "backward ↑", "update ↓", "θ", "x", "y"} <= texts
    assert "float32 32 × 4 · 512 B" in texts
    assert "A step of small.yaml, 32 rows" in texts


def test_the_picture_is_the_same_each_time_and_nothing_is_left_beside_it(trainer: Trainer, folder: Path) -> None:
    trainer("show", "small.yaml", "--svg", "step.svg")
    first = (folder / "step.svg").read_bytes()
    trainer("show", "small.yaml", "--svg", "step.svg")
    assert (folder / "step.svg").read_bytes() == first
    assert sorted(path.name for path in folder.iterdir()) == ["small.yaml", "step.svg"]


def test_layers_that_repeat_are_folded(trainer: Trainer, folder: Path) -> None:
    heights = set()
    for times in (6, 20):
        network = ", ".join(["dense: 8, tanh"] * times).replace(", tanh", "}, tanh").replace("dense", "{dense")
        trainer("show", "small.yaml", f"network=[{network}, dense: 1]", "--svg", "step.svg")
        text = (folder / "step.svg").read_text(encoding="utf-8")
        assert f"3 tanh – {2 * times - 2} dense" in text
        assert "more like those above" in text
        heights.add(max(bottom for *_, bottom in boxes(parsed(text))))
    assert len(heights) == 1


def test_many_views_are_a_box_and_a_layer_of_views_stands_where_it_is_read(trainer: Trainer, folder: Path) -> None:
    config = """\
dataset: digits
network: [reshape: [8, 8, 1], conv2d: {filters: 4, kernel: 3}, relu, flatten, dense: 10]
cost: softmax_cross_entropy
step_size: 0.1
"""
    (folder / "conv.yaml").write_text(config)
    done = trainer("show", "conv.yaml", "--svg", "conv.svg")
    picture = parsed((folder / "conv.svg").read_text(encoding="utf-8"))
    places = {str(text.text): float(text.get("y", 0)) for text in picture.iter(f"{SVG}text")}
    layers = [name for name in places if re.match(r"\d (?!views)[a-z]|cost$", name)]
    assert sorted(layers, key=places.__getitem__) == [
        "0 reshape", "1 conv2d", "2 relu", "3 flatten", "4 dense", "cost",
    ]  # fmt: skip
    told = "\n".join(str(group.findtext(f"{SVG}title")) for group in picture.iter(f"{SVG}g")).splitlines()
    instructions = [line for line in done.out.splitlines() if re.match(r"%.* = (?!input)", line)]
    assert sorted(filter(None, told)) == sorted(instructions)
    assert max(bottom for *_, bottom in boxes(picture)) < 2000


def test_a_picture_under_the_name_of_another_format_is_refused(trainer: Trainer, folder: Path) -> None:
    done = trainer("show", "small.yaml", "--svg", "step.png")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: a drawing ends in .svg, and step.png does not\n"


def test_a_picture_that_cannot_be_written_is_an_error_of_usage(trainer: Trainer, folder: Path) -> None:
    done = trainer("show", "small.yaml", "--svg", "gone/step.svg")
    assert done.code == 2
    assert done.err == "error: the picture gone/step.svg cannot be written: No such file or directory\n"
