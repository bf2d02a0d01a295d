# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""OpenML, without a connection: the answers are those that scikit-learn recorded for its own tests and ships."""

from __future__ import annotations

import gzip
import io
import re
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import sklearn.datasets
import sklearn.datasets._openml
import yaml

import trainer_datasets
from tests.hints import Advice, advised
from trainer.config import load as load_config
from trainer.data import load as load_dataset
from trainer.errors import ConfigError, DataError
from trainer.experiment import load_data
from trainer_datasets import openml

RECORDED = Path(sklearn.datasets.__file__).parent / "tests" / "data" / "openml"
SHORT = {
    "-json-data-list": "-jdl",
    "-json-data-features": "-jdf",
    "-json-data-qualities": "-jdq",
    "-json-data": "-jd",
    "-data_name": "-dn",
    "-download": "-dl",
    "-limit": "-l",
    "-data_version": "-dv",
    "-status": "-s",
    "-deactivated": "-dact",
    "-active": "-act",
}


class Answer(io.BytesIO):
    """A response of the server, gzipped."""

    def info(self) -> dict[str, str]:
        return {"Content-Encoding": "gzip"}


class Server:
    """Serves the recorded answers, and counts the requests."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Answer:
        self.requests += 1
        path = request.full_url.split("openml.org/", 1)[1]
        table = re.match(r"data/v1/download/\d+", path)
        name = re.sub(r"\W", "-", table[0] if table else path)
        for long, short in SHORT.items():
            name = name.replace(long, short)
        recorded = list(RECORDED.glob(f"*/{name}{'.arff' if table else '.json'}.gz"))
        if not recorded or b'"error"' in gzip.decompress(recorded[0].read_bytes())[:20]:
            raise HTTPError(request.full_url, 412, "Precondition Failed", Message(), io.BytesIO())
        return Answer(recorded[0].read_bytes())


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("TRAINER_CACHE", str(tmp_path / "cache"))
    server = Server()
    monkeypatch.setattr(sklearn.datasets._openml, "urlopen", server)
    return server


@pytest.mark.parametrize("options", [{"which": 61}, {"which": "iris", "version": 1}, {"which": "Iris", "version": 1}])
def test_a_number_and_a_name_lead_to_the_data_set(options: dict[str, Any]) -> None:
    dataset = openml(**options)
    iris = trainer_datasets.iris()
    np.testing.assert_allclose(dataset.inputs, iris.inputs, atol=0.51)  # a few cells of UCI's copy are mistyped
    np.testing.assert_array_equal(dataset.targets, iris.targets)
    assert dataset.class_names == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    assert dataset.feature_names == ("sepallength", "sepalwidth", "petallength", "petalwidth")
    assert (dataset.name, dataset.description) == ("iris", "iris of openml.org, number 61")


def test_a_second_load_asks_nobody(server: Server) -> None:
    openml("iris", version=1)
    asked = server.requests
    openml("iris", version=1)
    assert server.requests == asked > 0


def test_other_columns_can_be_the_target() -> None:
    dataset = openml(61, target="petalwidth", encode="index")
    assert dataset.task == "regression"
    assert dataset.feature_names[-1] == "class"
    assert dataset.categories == {"class": ("Iris-setosa", "Iris-versicolor", "Iris-virginica")}
    several = openml(61, target=["petallength", "petalwidth"], ignore=["class"])
    assert several.targets.shape == (150, 2)
    assert several.feature_names == ("sepallength", "sepalwidth")
    classes = openml(61, target="petalwidth", task="classification", ignore=["class"])
    assert classes.class_names[:3] == ("0.1", "0.2", "0.3")


def test_categories_are_those_that_occur_sorted() -> None:
    zoo = openml(62)
    assert zoo.categories["hair"] == ("false", "true")
    assert "hair=false" in zoo.feature_names
    assert zoo.class_names == tuple(sorted(zoo.class_names))


def test_what_is_missing_is_allowed_if_that_is_said() -> None:
    penguins = openml(42585, missing="allow")
    assert penguins.has_missing
    assert penguins.categories["sex"][0] == "?"
    assert np.isnan(penguins.inputs[3, penguins.feature_names.index("culmen_length_mm")])


def test_what_openml_says_against_a_data_set_is_in_its_description() -> None:
    assert openml("glass2", version=1).description == "glass2 of openml.org, number 40675; this version is deactivated"


def test_a_config_names_it_in_three_ways(tmp_path: Path) -> None:
    for spelling in ("{openml: 61}", "{openml: {name: iris, version: 1}}", "{name: openml, which: iris, version: 1}"):
        path = tmp_path / "c.yaml"
        path.write_text(f"dataset: {spelling}\nnetwork: [dense: 3]\ncost: softmax_cross_entropy\nstep_size: 0.1\n")
        settings = load_config(path).config.dataset
        assert load_dataset(settings.component, settings.options).name == "iris"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"which": "iris"}, "'iris' of openml.org has several versions, 1 and 3 among them; say version: 1"),
    ({"which": "glass2"}, "there is no 'glass2' of openml.org; look for it at openml.org/search?type=data"),
    ({"which": 99999}, "there is no 99999 of openml.org; look for it at openml.org/search?type=data"),
    (
        {"which": 61, "version": 1},
        "openml: a version belongs to a name, and 61 is a number, which has one; leave it out",
    ),
    (
        {"which": 40945},
        "40945 of openml.org has columns of free text, which are neither numbers nor categories",
    ),
    (
        {"which": 1590},
        "1590 of openml.org cannot be read: iterator too short: Expected 732630 but iterator had only 150 items.",
    ),
    ({"which": 61, "target": "clas"}, "iris of openml.org has no column 'clas'; did you mean 'class'?"),
    (
        {"which": 61, "ignore": ["x"]},
        "iris of openml.org has no column 'x'; it has sepallength, sepalwidth, petallength, petalwidth, class",
    ),
    (
        {"which": 61, "ignore": ["sepallength", "sepalwidth", "petallength", "petalwidth"]},
        "iris of openml.org has no column of inputs beside target and ignore",
    ),
    (
        {"which": 61, "task": "regression"},
        "iris: target 'class' holds categories, and a regression's targets are numbers; for classes say target: class alone, without task: regression",
    ),
    (
        {"which": 61, "target": ["class", "petalwidth"], "task": "classification"},
        "iris: a classification has one target column, not 2",
    ),
    (
        {"which": 42585},
        "penguins: column 'culmen_length_mm' has no value in row 3 (2 of them in all); say missing: allow and preprocess: [simple_imputer], or leave the column out, ignore: [culmen_length_mm]",
    ),
    (
        {"which": 42585, "target": "sex", "missing": "allow"},
        "penguins: column 'sex' has no value in row 3 (10 of them in all); there is no class to learn",
    ),
    ({"which": 61, "encode": "onehot"}, "encode is 'one_hot' or 'index', not 'onehot'"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[case[-1][:50] for case in BAD])
def test_what_cannot_be_had_is_refused_with_its_exact_message(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        openml(**options)
    assert str(caught.value) == message


ADVICE = [
    Advice(
        partial(openml, "iris"),
        "has several versions, 1 and 3 among them; say version: 1",
        (partial(openml, "iris", version=1),),
    ),
    Advice(
        partial(openml, 61, version=1),
        "openml: a version belongs to a name, and 61 is a number, which has one; leave it out",
        (partial(openml, 61),),
    ),
    Advice(  # its page says that no version is active, and its number
        partial(openml, "glass2"),
        "look for it at openml.org/search?type=data",
        (partial(openml, 40675), partial(openml, "glass2", version=1)),
    ),
    Advice(
        partial(openml, 61, task="regression"),
        "for classes say target: class alone, without task: regression",
        (partial(openml, 61, target="class"),),
    ),
    Advice(
        partial(openml, 40589),
        "for classes say target: amazed.suprised alone",
        (partial(openml, 40589, target="amazed.suprised"),),
    ),
]


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said for each in ADVICE])
def test_what_is_said_of_a_data_set_leads_to_it(advice: Advice) -> None:
    with pytest.raises(DataError) as caught:
        advice.wrong()
    assert str(caught.value).endswith(advice.said)
    for way in advice.ways:
        dataset: Any = way()
        assert dataset.class_names


def test_a_data_set_without_a_target_has_the_columns_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Aimless(Server):
        def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Answer:
            content = gzip.decompress(super().__call__(request).read())
            return Answer(gzip.compress(content.replace(b'"default_target_attribute":"class",', b"")))

    monkeypatch.setattr(sklearn.datasets._openml, "urlopen", Aimless())
    with pytest.raises(DataError) as caught:
        openml(61)
    columns = "sepallength, sepalwidth, petallength, petalwidth, class"
    said = advised(caught.value, f"has no target of its own; say target: NAME, one of {columns}")
    for name in said.partition("one of ")[2].split(", "):
        assert openml(61, target=name).rows == 150


def test_columns_that_lack_values_are_filled_in_or_left_out_as_is_said() -> None:
    def loaded(**options: Any) -> Any:
        config = {"network": [{"dense": 3}], "cost": "softmax_cross_entropy", "step_size": 0.1}
        return load_data(load_config({**config, "dataset": {"name": "openml", "which": 42585, **options}}))

    said, ignored = [], []
    while len(said) < 5:
        with pytest.raises(ConfigError) as caught:
            loaded(ignore=ignored)
        (line, *_) = str(caught.value).splitlines()
        said.append(re.findall(r"missing: allow(.*), or leave the column out, (ignore: .*)", line)[0])
        ignored = yaml.safe_load(said[-1][1])["ignore"]
        advised(line, f"say missing: allow{said[-1][0]}, or leave the column out, ignore: [{', '.join(ignored)}]")
    assert loaded(ignore=ignored).train.inputs.shape[1] == 3
    assert [said[0][0], said[-1][0]] == [" and preprocess: [simple_imputer]", ", which makes them a category"]
    assert np.isfinite(loaded(missing="allow", preprocess=["simple_imputer"]).train.inputs).all()
    assert "sex=?" in loaded(missing="allow", ignore=ignored[:-1]).feature_names


def test_without_a_connection_it_says_so_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: Any, **kwargs: Any) -> Any:
        raise URLError("Name or service not known")

    monkeypatch.setattr(sklearn.datasets._openml, "urlopen", unreachable)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(DataError) as caught:
        openml(61)
    assert str(caught.value) == (
        "61 of openml.org is fetched from the internet the first time it is used, and that failed: Name or service not known; try again with a connection, after which the cache has it"
    )
    assert not (tmp_path / "cache").exists()
