"""Models over HTTP: rows, tables, and the tensors of the Open Inference Protocol."""

from __future__ import annotations

import json

import pytest

from tests.service.conftest import LONG, SMALL, Served

JSON = {"Content_Type": "application/json"}
TABLE = "age,city,kind\n" + "".join(f"{20 + i % 40},{('Rome', 'Paris')[i % 2]},{'xy'[i % 2]}\n" for i in range(60))


@pytest.fixture(scope="module")
def arrays(served: Served) -> str:
    """A run on rows of two numbers."""
    return str(served.until(served.submit(), "finished")["id"])


@pytest.fixture(scope="module")
def columns(served: Served) -> str:
    """A run on columns with names, one of texts."""
    upload = served.ask("POST", "/v1/datasets?name=people.csv", TABLE).json["config"]
    config = f"dataset: {{path: '{upload}', target: kind, categorical: [city]}}\n" + SMALL.partition("\n")[2]
    return str(served.until(served.submit(config), "finished")["id"])


def infer(served: Served, run: str, *inputs: object, **more: object):
    body = json.dumps({"inputs": inputs, **more})
    return served.ask("POST", f"/v2/models/{run}/infer", body, **JSON)


def tensor(name: str, shape: list[int], data: list[object], datatype: str = "FP64") -> dict[str, object]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def test_a_server_says_what_it_is_and_a_model_what_it_takes(served, arrays, columns):
    assert served.ask("GET", "/v2", token=None).json["name"] == "tape-trainer"
    assert served.ask("GET", "/v2/health/live", token=None).json == {"live": True}
    assert served.ask("GET", "/v2/health/ready", token=None).json == {"ready": True}
    told = served.ask("GET", f"/v2/models/{arrays}").json
    assert told["inputs"] == [{"name": "inputs", "datatype": "FP64", "shape": [-1, 2]}]
    assert told["outputs"] == [
        {"name": "predictions", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
    ]
    told = served.ask("GET", f"/v2/models/{columns}").json["inputs"]
    assert [(each["name"], each["datatype"], each["shape"]) for each in told] == [
        ("age", "FP64", [-1]), ("city", "BYTES", [-1]),
    ]  # fmt: skip


def test_a_model_is_ready_once_it_has_parameters(served, arrays):
    assert served.ask("GET", f"/v2/models/{arrays}/ready").json == {"name": arrays, "ready": True}
    run = served.submit(LONG + "checkpoint: {epochs: 1000000}\n")
    answer = served.ask("GET", f"/v2/models/{run}/ready")
    assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
    assert served.ask("GET", f"/v2/models/{'0' * 26}/ready").status == 404
    served.ask("POST", f"/v1/runs/{run}/cancel")
    served.until(run, "cancelled")


def test_tensors_and_rows_get_the_same_answer(served, arrays):
    rows = [[0.5, 0.25], [1.0, -0.5], [-0.25, 0.75]]
    plain = served.ask("POST", f"/v1/runs/{arrays}/predict", json.dumps({"rows": rows}), **JSON).json
    for data in (rows, [value for row in rows for value in row]):  # nested, and row by row
        answer = infer(served, arrays, tensor("inputs", [3, 2], data), id="abc")
        assert (answer.status, answer.json["id"], answer.json["model_name"]) == (200, "abc", arrays)
        predictions, probabilities = answer.json["outputs"]
        assert predictions == tensor("predictions", [3], plain["predictions"], "BYTES")
        assert probabilities["shape"] == [3, 2]
        assert probabilities["data"] == [value for row in plain["probabilities"] for value in row]
    one = infer(served, arrays, tensor("inputs", [3, 2], rows), outputs=[{"name": "predictions"}])
    assert [each["name"] for each in one.json["outputs"]] == ["predictions"]
    whole = infer(served, arrays, tensor("inputs", [1, 2], [1, 2], "INT64"))
    assert whole.status == 200


def test_columns_are_tensors_of_their_own_and_get_the_answer_of_a_table(served, columns):
    answer = infer(
        served, columns, tensor("city", [2, 1], ["Rome", "Paris"], "BYTES"), tensor("age", [2], [30, 41], "INT32")
    )
    assert answer.status == 200, answer
    table = "city,age\nRome,30\nParis,41\n"
    text = served.ask("POST", f"/v1/runs/{columns}/predict", table, Content_Type="text/csv").content.decode()
    assert answer.json["outputs"][0]["data"] == [line.split(",")[0] for line in text.splitlines()[1:]]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "input"}, "the model takes no 'input'; did you mean 'inputs'?"),
        ({"datatype": "FLOAT"}, "datatype is one of"),
        ({"datatype": 3}, "datatype is one of"),
        ({"datatype": "INT64"}, "value 0, counted from 0, is no INT64: '0.5'"),
        ({"datatype": "BOOL"}, "is no BOOL"),
        ({"datatype": "BYTES", "data": ["a"] * 4}, "takes numbers"),
        ({"datatype": "UINT8", "data": [1, 2, 3, 256]}, "a value is too large for UINT8"),
        ({"shape": [3, 2]}, "4 values are no tensor of shape [3, 2]"),
        ({"shape": [-1, 2]}, "shape is a list of whole numbers"),
        ({"shape": [4, 1]}, "takes inputs of shape (rows, 2)"),
        ({"shape": [1 << 20, 1 << 20]}, "at most 8 axes and 16,777,216 values"),
        ({"data": "0.5"}, "data is a list of values"),
        ({"data": [0.5, None, 1, 2]}, "is not a finite number"),
        ({"data": [0.5, True, 1, 2]}, "value 1, counted from 0, is no FP64"),
        ({"data": [10**400, 0, 1, 2]}, "a value is too large for FP64"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else None,
)
def test_a_tensor_that_is_none_is_refused_with_what_is_wrong(served, arrays, wrong, says):
    answer = infer(served, arrays, {**tensor("inputs", [2, 2], [0.5, 0.25, 1.0, -0.5]), **wrong})
    assert answer.status == 422
    assert says in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("[" * 2000, 400, "the body is no JSON"), ("[]", 400, "the body is a mapping"),
        ('{"inputs": [NaN]}', 400, "no number of JSON's"), ("{}", 422, "inputs is a list of tensors"),
        ('{"inputs": [1]}', 422, "inputs[0] is no tensor"), ('{"inputs": [], "outputs": 1}', 422, "outputs is a list"),
        ('{"inputs": [{"name": "\\ud800"}]}', 422, "the model takes no"), ("\x00", 400, "the body is no JSON"),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_body_that_is_none_is_refused(served, arrays, body, status, says):
    answer = served.ask("POST", f"/v2/models/{arrays}/infer", body, **JSON)
    assert (answer.status, says in answer.json["detail"]) == (status, True), answer


def test_a_number_beyond_any_is_refused_in_rows_too(served, columns):
    rows = json.dumps({"rows": [{"age": 10**400, "city": "Rome"}]})
    answer = served.ask("POST", f"/v1/runs/{columns}/predict", rows, **JSON)
    assert (answer.status, "is not a finite number" in answer.json["detail"]) == (422, True), answer


def test_two_tensors_of_a_name_are_refused(served, columns):
    age = tensor("age", [1], [3])
    answer = infer(served, columns, age, age)
    assert "'age' is given twice" in answer.json["detail"]
    assert "no column 'city'" in infer(served, columns, age).json["detail"]
