"""What an embedding has no entry for is refused before the first step, wherever the row is; and in prediction."""

from __future__ import annotations

import numpy as np
import pytest

import trainer
from trainer.config import load
from trainer.data.dataset import Dataset
from trainer.errors import ConfigError, DataError
from trainer.experiment.builder import Builder, build
from trainer.experiment.evaluating import evaluate
from trainer.experiment.predicting import write_predictions

BRANCHES = [{"columns": ["id"]}, {"embedding": {"entries": 5, "size": 2}}, "flatten"]
NETWORK = [{"parallel": [BRANCHES, [{"columns": ["t"]}]]}, {"dense": 1}]
WORD = {"embedding": {"entries": 5, "size": 2}}


def table(path, row=63, value="7", rows=200):
    lines = ["id,t,y", *(f"{value if i == row else i % 5},{i / 7:.3f},{i % 9}" for i in range(rows))]
    path.write_text("\n".join(lines) + "\n")
    return path


def config(path, network=NETWORK, **dataset):
    chosen = {"path": str(path), "target": "y", "task": "regression", **dataset}
    return {"dataset": chosen, "network": network, "cost": "mean_squared_error", "step_size": 0.01, "epochs": 1}


def refusal(given):
    with pytest.raises(ConfigError) as raised:
        build(load(given))
    return str(raised.value).partition("\n")[0]


@pytest.mark.parametrize("row", [0, 1, 63, 120, 199])
def test_one_row_among_many_is_found_whichever_part_it_is_in(tmp_path, row):
    given = config(table(tmp_path / "d.csv", row), validation_fraction=0.3, test_fraction=0.3)
    told = refusal(given)
    assert (
        "within parallel: layer 1 (embedding): embedding has entries 0 to 4, and its input holds 7, column 'id' in"
        in told
    )
    part = next(
        part
        for part, rows in build(load({**given, "network": [{"dense": 1}]})).data.divided.items()
        if row in rows.indices
    )
    verb = {"train": "train", "validation": "validate", "test": "test"}[part]
    assert told.endswith(f"in row {row} of data set 'd.csv', counted from 0, one of those to {verb}")


@pytest.mark.parametrize("value", ["-1", "2.5", "1e9"])
def test_what_is_no_whole_number_or_below_zero_is_found_too(tmp_path, value):
    told = refusal(config(table(tmp_path / "d.csv", value=value)))
    assert f"and its input holds {float(value):g}" in told
    assert "column 'id' in row 63 of data set 'd.csv', counted from 0" in told


def test_a_column_of_fractions_beside_it_is_none_of_its_business(tmp_path):
    build(load(config(table(tmp_path / "d.csv", value="4"))))


def test_a_category_is_told_by_its_name(tmp_path):
    path = tmp_path / "d.csv"
    cities = ["Bern", "Chur", "Genf", "Thun", "Uster", "Zug"]
    path.write_text("id,t,y\n" + "".join(f"{cities[i % 6]},{i / 7:.3f},{i % 9}\n" for i in range(60)))
    told = refusal(config(path, categorical=["id"], encode="index"))
    assert "embedding has entries 0 to 4, and its input holds 5, column 'id' ('Zug') in row" in told


SEQUENCES = [
    [WORD, "flatten", {"dense": 1}],
    [WORD, {"lstm": 3}, {"dense": 1}],
    ["flatten", {"parallel": [[WORD, "flatten"], [{"dense": 2}]]}, {"dense": 1}],
]


@pytest.mark.parametrize("network", SEQUENCES)
def test_rows_in_memory_and_layers_within_others_are_looked_through(network):
    x = np.tile(np.arange(5), (90, 2))
    x[71, 8] = 5
    data = Dataset("words", x, np.arange(90) % 7.0, "regression")
    given = config("unread.csv", network)
    loaded = load({**given, "dataset": {"name": "linear"}})
    with pytest.raises(ConfigError, match=r"its input holds 5, place 8 in row 71 of data set 'words', counted from 0"):
        Builder(loaded, data).training()


def test_an_unseen_number_is_refused_at_its_row_in_prediction(tmp_path):
    run = trainer.train(config(table(tmp_path / "d.csv", value="4")), out=tmp_path / "runs")
    new = tmp_path / "new.csv"
    new.write_text("id,t\n" + "1,0.5\n" * 2500 + "9,0.5\n" + "2,0.5\n" * 40)
    with pytest.raises(DataError) as raised:
        write_predictions(trainer.load(run.folder), new, None, lambda text: None)
    assert str(raised.value) == f"{new}: row 2,501: embedding has entries 0 to 4, and its input holds 9"


def test_an_unseen_number_is_refused_at_its_row_in_measuring(tmp_path):
    run = trainer.train(config(table(tmp_path / "d.csv", value="4")), out=tmp_path / "runs")
    other = table(tmp_path / "other.csv", row=17_001, rows=30_000)
    with pytest.raises(DataError) as raised:
        evaluate(trainer.load(run.folder), None, other)
    told = "embedding has entries 0 to 4, and its input holds 7"
    assert str(raised.value) == f"rows of {other}: row 17,002: {told}"


def counted(size=2):
    return [{"parallel": [[{"columns": ["id"]}, {"embedding": {"entries": "auto", "size": size}}, "flatten"],
                          [{"columns": ["t"]}]]}, {"dense": 1}]  # fmt: skip


def test_entries_may_be_counted_and_are_what_one_would_write(tmp_path):
    path = table(tmp_path / "d.csv", row=150, value="7")
    ways = [trainer.run(config(path, network), out=tmp_path / "runs") for network in (counted(), written(8))]
    for name, values in ways[0].parameters.items():
        assert values.tobytes() == ways[1].parameters[name].tobytes()
    assert ways[0].parameters["0.0.1.table"].shape == (8, 2)
    again = trainer.run(ways[0].path, out=tmp_path / "again")
    assert again.config == ways[0].config
    path.unlink()
    rows = np.array([[7.0, 1.0], [0.0, 2.0]])
    models = [trainer.load(run.path) for run in ways]
    assert models[0].predict(rows).tobytes() == models[1].predict(rows).tobytes()
    with pytest.raises(DataError, match="embedding has entries 0 to 7, and its input holds 8"):
        models[0].predict(np.array([[8.0, 1.0]]))


def written(entries):
    network = counted()
    network[0]["parallel"][0][1]["embedding"]["entries"] = entries
    return network


def test_categories_count_as_many_as_there_are_though_a_part_lacks_some(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("id,t,y\n" + "".join(f"{'abcde'[i % 5]},{i / 7:.3f},{i % 9}\n" for i in range(60)) + "z,1.5,2\n")
    given = config(path, counted(), categorical=["id"], encode="index", test_fraction=0.2)
    for seed in (0, 1):
        assert build(load({**given, "seed": seed})).parameters["0.0.1.table"].shape == (6, 2)


@pytest.mark.parametrize(
    ("network", "value", "said"),
    [
        ([{"dense": 4}, {"embedding": {"entries": "auto", "size": 2}}], "4",
         "what comes here is made by a layer before; write how many there are"),
        (counted(), "1e9",
         "entries: auto finds numbers up to 1,000,000,000, which single precision does not tell apart"),
        (counted(), "2.5", "embedding has entries 0 to 4, and its input holds 2.5"),
        (counted(), "-1", "embedding has entries 0 to 4, and its input holds -1"),
        (written("some"), "4",
         "embedding.entries expects a whole number of at least 1 or 'auto', found the text 'some'"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_told_at_its_line(network, value, said, tmp_path):
    assert said in refusal(config(table(tmp_path / "d.csv", value=value), network))
