"""Pictures of what a model has learnt show what it computes, and are drawn of the model alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from trainer.cli.terminal.insides import draw_panels, draw_plane
from trainer.data.prepared import Rows
from trainer.errors import UsageError
from trainer.experiment.evaluating import kept_rows
from trainer.experiment.pictures import Plane, attention, figures, filters, regions
from trainer.experiment.pictures.svg import panel_svg, plane_svg
from trainer.experiment.report import report
from trainer.nn import Dense, Masked, Network

MOONS: dict[str, Any] = {
    "dataset": {"name": "moons", "rows": 80}, "network": [{"dense": 8}, "tanh", {"dense": 2}],
    "cost": "softmax_cross_entropy", "step_size": 0.3, "epochs": 3,
}  # fmt: skip
IMAGES: dict[str, Any] = {**MOONS, "dataset": {"name": "digits", "test_fraction": 0.1}, "epochs": 1, "step_size": 0.01}
TEXT: dict[str, Any] = {
    **MOONS, "dataset": {"name": "grammar", "sentences": 20, "length": 12}, "epochs": 1,
    "network": [
        {"embedding": {"entries": 22, "size": 8}}, {"transformer_block": {"heads": 2, "causal": True}}, {"dense": 22},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    kept: dict[str, Path] = {}

    def make(config: dict[str, Any], **changes: Any) -> Path:
        key = repr((config, changes))
        if key not in kept:
            folder = trainer.train({**config, **changes}, out=tmp_path_factory.mktemp("runs")).folder
            assert folder is not None
            kept[key] = folder
        return kept[key]

    return make


SINGLE = {"cost": "sigmoid_cross_entropy", "network": [{"dense": 4}, "tanh", {"dense": 1}]}
SIGNS = {"cost": "hinge", "network": [{"dense": 1}]}
SCALED = {"dataset": {"name": "moons", "rows": 80, "standardize": True}}
STEPS = {"dataset": {"name": "moons", "rows": 80, "preprocess": ["standard_scaler"]}}


@pytest.mark.parametrize(
    "changes", [{}, SINGLE, SIGNS, SCALED, STEPS], ids=["two", "single", "signs", "scaled", "steps"]
)
def test_regions_are_what_the_model_says_of_each_place(changes: dict[str, Any], made: Callable[..., Path]) -> None:
    model = trainer.load(made(MOONS, **changes))
    plane = regions(model)
    down, across = plane.places.shape
    chance = np.random.default_rng(0)
    for row, column in zip(chance.integers(down, size=20), chance.integers(across, size=20), strict=True):
        (left, right), (low, high) = plane.spans
        place = [left + (right - left) * column / (across - 1), high - (high - low) * row / (down - 1)]
        assert plane.key[plane.places[row, column]] == model.predict([place])[0]
        if model.has_probabilities:
            sure = model.predict_proba([place]).max()
            assert plane.depths[row, column] == pytest.approx(2 * sure - 1, abs=1e-6)
    assert model.has_probabilities or (plane.depths == 0.5).all()


@pytest.mark.parametrize("changes", [{}, SCALED, STEPS], ids=["plain", "scaled", "steps"])
def test_the_rows_that_were_kept_lie_over_it_where_they_are(changes: dict[str, Any], made: Callable[..., Path]) -> None:
    path = made(MOONS, **changes)
    model = trainer.load(path)
    kept = kept_rows(model, path)
    plane = regions(model, kept)
    if changes is STEPS:  # what they were before nobody knows
        assert plane.dots is None
        return
    assert plane.dots is not None
    assert np.array_equal(plane.dots.places, kept.targets)
    assert model.predict(plane.dots.rows).tolist() == [
        model.class_names[i] for i in model.classes(model.network.predict(model.parameters, kept.inputs))
    ]
    for values, (low, high) in zip(plane.dots.rows.T, plane.spans, strict=True):
        assert low < values.min() < values.max() < high


def test_of_a_number_it_shows_the_least_and_the_largest(made: Callable[..., Path], tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(60, 2)) * [1.0, 50.0]
    lines = [f"{a},{b},{3 * a + b / 50}" for a, b in x.tolist()]
    (tmp_path / "d.csv").write_text("\n".join(["size,weight,y", *lines]))
    data = {"path": str(tmp_path / "d.csv"), "target": "y", "standardize": True, "standardize_targets": True}
    path = made(MOONS, dataset=data, network=[{"dense": 1}], cost="mean_squared_error", metrics=[], epochs=40)
    model = trainer.load(path)
    plane = regions(model, kept_rows(model, path))
    assert plane.axes == ("size", "weight")
    assert (plane.depths.min(), plane.depths.max()) == (0, 1)
    assert plane.depths[0, -1] == 1  # it rises to the right and up
    assert plane.depths[-1, 0] == 0
    assert plane.dots is not None
    there = model.predict(plane.dots.rows)
    assert np.corrcoef(there, plane.dots.depths)[0, 1] > 0.99
    assert draw_plane(plane, width=60).splitlines()[0] == f"0 {plane.key[0]} to 9 {plane.key[1]}"


def test_what_has_no_regions_is_told_why(made: Callable[..., Path], tmp_path: Path) -> None:
    said = r"digits? has no regions to draw: they are of rows of two numbers, and its rows are \(64,\)"
    with pytest.raises(UsageError, match=said):
        regions(trainer.load(made(IMAGES, name="digit", network=[{"dense": 10}])))
    two = made(MOONS, dataset={"name": "moons", "rows": 80, "reconstruct": True}, cost="mean_squared_error", metrics=[])
    with pytest.raises(UsageError, match=r"they are of a class or of one number for each row, and it gives \(2,\)"):
        regions(trainer.load(two))
    model = trainer.load(made(MOONS))
    with pytest.raises(UsageError, match="nobody noted where its two inputs lie, as an older version did not; train"):
        regions(replace(model, inputs=replace(model.inputs, spans=())))


def test_filters_are_the_weights_of_each_convolution_wherever_it_stands(made: Callable[..., Path]) -> None:
    network = [
        {"reshape": [8, 8, 1]},
        {"residual": [{"conv2d": {"filters": 1, "kernel": [3, 5], "padding": "same"}}]},
        "tower",
        {"conv2d_transpose": {"filters": 3, "kernel": 2}},
        {"separable_conv": 2},
        {"depthwise_conv": 3},
        "flatten",
        {"dense": 10},
    ]
    model = trainer.load(made(IMAGES, networks={"tower": [{"conv2d": 40}]}, network=network))
    shown = filters(model)
    assert [panels.title for panels in shown] == [
        "layer 1.layers.0 (conv2d): 1 filter of 3 × 5",
        "layer tower.0 (conv2d): 40 filters of 3 × 3",
        "layer 3 (conv2d_transpose): 3 filters of 2 × 2",
        "layer 4 (separable_conv): 3 filters of 3 × 3",
        "layer 5 (depthwise_conv): 2 filters of 3 × 3",
    ]
    assert "the first 32 of 40 filters" in shown[1].told
    assert "the first 8 of 40 channels below one another" in shown[2].told
    weights = model.parameters["tower.0.weights"].astype(np.float64)
    largest = np.abs(weights).max()
    np.testing.assert_array_equal(shown[1].panels[7].values, weights[:, :, 0, 7] / largest)
    transposed = model.parameters["3.weights"].astype(np.float64)  # (*kernel, filters, channels)
    table = shown[2].panels[2].values
    np.testing.assert_array_equal(table[3:5], transposed[:, :, 2, 1] / np.abs(transposed).max())
    assert np.isnan(table[2]).all()


def test_filters_along_one_axis_have_a_row_for_each_channel(made: Callable[..., Path]) -> None:
    network = [{"reshape": [32, 2]}, {"conv1d": {"filters": 3, "kernel": 5}}, "flatten", {"dense": 10}]
    model = trainer.load(made(IMAGES, network=network))
    (panels,) = filters(model)
    weights = model.parameters["1.weights"].astype(np.float64)
    assert panels.title == "layer 1 (conv1d): 3 filters of 5"
    np.testing.assert_array_equal(panels.panels[1].values, weights[:, :, 1].T / np.abs(weights).max())


def test_a_model_without_them_has_none(made: Callable[..., Path]) -> None:
    model = trainer.load(made(MOONS))
    assert filters(model) == []
    assert attention(model, Rows.numbered(np.zeros((1, 2), np.float32), np.zeros(1, np.int64))) == []


@pytest.mark.parametrize("norm", ["before", "after"])
def test_attention_is_what_the_values_are_weighted_by(norm: str) -> None:
    from trainer_ops.layers.attention import MultiHeadAttention, TransformerBlock

    chance = np.random.default_rng(1)
    x, mask = chance.normal(size=(3, 5, 8)), np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)
    for layer in (MultiHeadAttention(2), MultiHeadAttention(2, causal=True, rotary=True)):
        parameters, _ = layer.init(chance, (5, 8))
        for given in (x, Masked(x, mask)):
            weights = layer.drawn_attention(parameters, given)
            np.testing.assert_allclose(weights.sum(axis=-1), 1)
            assert not layer.causal or (np.triu(weights, 1) == 0).all()
            value = (x @ parameters["weights"][:, 16:]).reshape(3, 5, 2, 4).swapaxes(1, 2)
            taken = (weights @ value).swapaxes(1, 2).reshape(3, 5, 8)
            y = layer.apply(parameters, given)
            np.testing.assert_allclose(
                taken @ parameters["output_weights"], y.values if isinstance(y, Masked) else y, atol=1e-12
            )
        assert (weights[1, :, :, 3:] == 0).all()
    block = TransformerBlock(2, norm=norm)
    parameters, _ = block.init(chance, (5, 8))
    of_block = block.drawn_attention(parameters, Masked(x, mask))
    seen = (
        (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) if norm == "before" else x
    )
    alone = MultiHeadAttention(2).drawn_attention(parameters["attention"], Masked(seen, mask))
    np.testing.assert_allclose(of_block, alone, atol=1e-12)


def test_attention_of_a_text_is_told_by_its_letters(made: Callable[..., Path]) -> None:
    path = made(TEXT)
    model = trainer.load(path)
    row = kept_rows(model, path)[:1]
    (panels,) = attention(model, row)
    assert panels.title == "layer 1 (transformer_block): 2 heads"
    letters = [model.class_names[int(i)] for i in row.inputs[0]]
    assert [mark.replace("␣", " ") for mark in panels.marks] == [letter.replace("\\n", "⏎") for letter in letters]
    assert max(panel.values.max() for panel in panels.panels) == 1
    drawn = draw_panels([panels], width=60).splitlines()
    assert drawn[:2] == [panels.title, f"9 is {panels.deepest}; {panels.told}"[: len(drawn[1])]]
    other = attention(model, Rows.numbered(row.inputs, row.targets[:, ::-1].copy()))
    assert other[0].marks == ()  # its classes stand for something else


@dataclass(frozen=True)
class Gated:
    """A plugin's layer that says what to draw."""

    def init(self, rng: Any, input_shape: Any) -> Any:
        return {"w": np.full((2, 1, 3), 0.5)}, input_shape

    def apply(self, parameters: Any, x: Any) -> Any:
        return x * np.sum(parameters["w"])

    def drawn_filters(self, parameters: Any) -> Any:
        return parameters["w"]


def test_a_layer_of_ones_own_is_drawn_by_its_method(made: Callable[..., Path]) -> None:
    model = trainer.load(made(MOONS))
    network = Network([Gated(), Dense(2)], (2,))
    shown = filters(replace(model, network=network, parameters=network.initial_values(0)))
    assert [panels.title for panels in shown] == ["layer 0 (gated): 3 filters of 2"]
    assert (shown[0].panels[0].values == 1).all()


class Inked(HTMLParser):
    """What an SVG's cells are drawn with."""

    def __init__(self, svg: str) -> None:
        super().__init__()
        self.depths: list[float] = []
        self.styles: set[str] = set()
        self.cells = 0
        self.feed(svg)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        assert tag in ("svg", "g", "path", "rect", "text", "tspan")
        assert not any("#" in (value or "") for name, value in attributes if name in ("fill", "stroke"))
        if tag == "path":
            self.depths.append(float(found.get("fill-opacity") or 1))
            self.styles.add(str(found["style"]))
            self.cells += sum(int(width) for width in re.findall(r"h(\d+)v1", str(found["d"])))

    handle_startendtag = handle_starttag


def test_a_page_has_the_pictures_in_its_own_colours(made: Callable[..., Path]) -> None:
    path = made(MOONS)
    plane = regions(trainer.load(path))
    drawn = Inked(plane_svg(plane))
    assert drawn.cells == plane.places.size
    assert all(style.startswith("fill:var(--c") for style in drawn.styles)
    assert 0.1 <= min(drawn.depths) <= max(drawn.depths) <= 0.6  # rows stand out from the ground
    (panels,) = filters(
        trainer.load(made(IMAGES, network=[{"reshape": [8, 8, 1]}, {"conv2d": 4}, "flatten", {"dense": 10}]))
    )
    values = panels.panels[0].values
    assert Inked(panel_svg(panels.panels[0])).cells == (np.round(np.abs(values) * 10) > 0).sum()
    html = report([trainer.Run(path)])
    assert "<h2>What is predicted where</h2>" in html
    assert "the dots are 16 rows of the data set" in html
    alone = report([trainer.Run(path)], data=False)
    assert "<h2>What is predicted where</h2>" in alone
    assert "the dots are" not in alone
    assert html == report([trainer.Run(path)])
    text = report([trainer.Run(made(TEXT))])
    assert "<h2>Attention</h2>" in text
    assert len(text) < 400_000


def test_more_classes_than_colours_are_named_in_their_places() -> None:
    places = np.repeat(np.arange(9), 11)[None, :].repeat(99, axis=0).repeat(4, axis=1)[:, ::3][:, :132]
    plane = Plane(("a", "b"), ((0, 1), (0, 1)), places, np.ones(places.shape), tuple(f"class {i}" for i in range(9)))
    assert [name for _, _, name in plane.labels] == list(plane.key)
    for x, y, name in plane.labels:
        row, column = round((1 - y) * 98), round(x * 131)
        assert plane.key[places[row, column]] == name
    assert "class 8" in plane_svg(plane)
    assert len(set(draw_plane(plane, width=80)) & set("ovx+*#%ab")) == 9


@pytest.mark.parametrize("width", [60, 80, 120])
def test_in_a_terminal_they_are_no_wider_than_it_is(width: int, made: Callable[..., Path]) -> None:
    text, images = (
        made(TEXT),
        made(IMAGES, network=[{"reshape": [8, 8, 1]}, {"conv2d": 20}, {"conv2d": 3}, "flatten", {"dense": 10}]),
    )
    drawn = [
        draw_plane(regions(trainer.load(made(MOONS))), width=width),
        draw_panels(filters(trainer.load(images)), width=width),
        draw_panels(attention(trainer.load(text), kept_rows(trainer.load(text), text)[:1]), width=width),
    ]
    for each in drawn:
        assert 10 < len(each.splitlines()) < 60
        assert max(map(len, each.splitlines())) <= min(width, 100)
    coloured = draw_plane(regions(trainer.load(made(MOONS))), width=width, colour=True)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == drawn[0]
    assert draw_plane(regions(trainer.load(made(MOONS))), width=20) == ""


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_file_has_the_same_bytes_every_time(ending: str, made: Callable[..., Path], tmp_path: Path) -> None:
    model, text = trainer.load(made(MOONS)), made(TEXT)
    plane, shown = regions(model), attention(trainer.load(text), kept_rows(trainer.load(text), text)[:1])
    for i in range(2):
        figures.save_plane(tmp_path / f"plane{i}.{ending}", plane, "moons")
        figures.save_panels(tmp_path / f"heads{i}.{ending}", shown, "text")
    for what in ("plane", "heads"):
        assert (tmp_path / f"{what}0.{ending}").read_bytes() == (tmp_path / f"{what}1.{ending}").read_bytes()
