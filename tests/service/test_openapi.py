"""The description of the service is what it does: what it says of bodies, limits and refusals, the routes hold to."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.service.conftest import LONG, SMALL
from trainer.service.web.description import description
from trainer.service.web.table import ROUTES

DESCRIBED = description(ROUTES)
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
}
JSON = "application/json"


def _schemas(value: Any) -> list[Any]:
    """Every schema of a description."""
    found = []
    if isinstance(value, dict):
        found += [value["schema"]] if "schema" in value else []
        found += [each for inner in value.values() for each in _schemas(inner)]
    elif isinstance(value, list):
        found += [each for inner in value for each in _schemas(inner)]
    return found


def test_every_schema_is_one():
    schemas = [*_schemas(DESCRIBED["paths"]), *DESCRIBED["components"]["schemas"].values()]
    assert len(schemas) > len(OPERATIONS)
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_examples_are_what_their_schemas_take():
    for schema in [*_schemas(DESCRIBED["paths"]), *DESCRIBED["components"]["schemas"].values()]:
        for example in schema.get("examples", ()):
            jsonschema.validate(example, {**schema, "components": DESCRIBED["components"]})


def test_links_lead_to_operations():
    names = {operation["operationId"] for operation in OPERATIONS.values()}
    links = {
        (path, link["operationId"])
        for (_, path), operation in OPERATIONS.items()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert {name for _, name in links} <= names
    assert {("/v1/runs", "cancel"), ("/v1/tokens", "delete_token"), ("/v1/datasets", "delete_upload")} <= links


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_guard_and_the_database_refuse_is_described(method, path):
    operation = OPERATIONS[method, path]
    told = set(operation["responses"])
    assert {"400", "403", "421"} <= told
    assert {"408", "413"} <= told or "requestBody" not in operation
    assert "503" in told or method == "GET"
    assert ("401" in told) >= bool(operation["security"])


def test_a_body_that_may_be_missing_says_so(served):
    run = served.submit(LONG)
    try:
        for method, path, status in (("PATCH", f"/v1/runs/{run}", 200), ("PUT", "/v1/users/ada", 200)):
            assert served.ask(method, path).status == status
        for path in ("/v1/runs", "/v1/validate", "/v1/tokens"):
            assert served.ask("POST", path).status == 422
            assert OPERATIONS["POST", path]["requestBody"]["required"]
    finally:
        served.ask("POST", f"/v1/runs/{run}/cancel")


BOTH = ((SMALL, "application/yaml"), (json.dumps({"config": SMALL}), JSON))


@pytest.mark.parametrize(
    "path", ["/v1/runs", "/", "/v1/audit", "/v1/runs/{id}/history", "/v1/runs/{id}/log", "/v1/runs/{id}/metrics"]
)
def test_a_number_of_the_query_has_the_limits_that_are_described(served, path):
    run = served.submit(SMALL)
    for parameter in OPERATIONS["GET", path]["parameters"]:
        if parameter["in"] == "query" and parameter["schema"].get("type") == "integer":
            name, schema = parameter["name"], parameter["schema"]
            least, most, spelt = schema["minimum"], schema["maximum"], path.replace("{id}", run)
            assert least <= schema["default"] <= most
            for value, status in ((least, 200), (most, 200), (least - 1, 422), (most + 1, 422), ("", 200)):
                assert served.ask("GET", f"{spelt}?{name}={value}").status == status, (name, value)


def test_what_is_neither_yes_nor_no_is_refused(served):
    for query in ("again=maybe", "again=True", "report=yes"):
        name, _, given = query.partition("=")
        for body, media in BOTH:
            answer = served.ask("POST", f"/v1/validate?{query}", body, Content_Type=media)
            assert (answer.status, answer.json["detail"]) == (422, f"{name} is true or false, and not '{given}'")


def test_of_json_the_query_is_heard_as_of_yaml_and_the_body_where_both_say_it(served):
    for body, media in BOTH:
        for path in ("/v1/validate?set=epochs=9", "/v1/validate?set=epochs=9&name=other"):
            answer = served.ask("POST", path, body, Content_Type=media).json
            assert (answer["epochs"], answer["name"]) == (9, "other" if "name" in path else "config")
        assert served.ask("POST", "/v1/validate?name=/etc", body, Content_Type=media).status == 422
    body = json.dumps({"config": SMALL, "name": "own", "overrides": ["epochs=4"]})
    answer = served.ask("POST", "/v1/validate?set=epochs=9&name=other", body, Content_Type=JSON).json
    assert (answer["epochs"], answer["name"]) == (4, "own")
    assert served.ask("POST", "/v1/validate?name=/etc", body, Content_Type=JSON).status == 422
    assert (
        "config is missing" in served.ask("POST", "/v1/validate", '{"name": "own"}', Content_Type=JSON).json["detail"]
    )


def test_both_ways_to_say_the_last_event_are_looked_at(served):
    for query, last in (("?after=x", "3"), (f"?after={10**18}", "3"), ("?after=3", "x"), ("", "-1")):
        answer = served.ask("GET", f"/v1/events{query}", Last_Event_ID=last)
        assert answer.status == 422, (query, last)


def test_a_whole_number_is_one_however_json_writes_it(served):
    body = '{"queued": 20.0, "running": null}'
    answer = served.ask("PUT", "/v1/users/grace", body, Content_Type=JSON)
    assert answer.status == 200
    assert answer.json["quota"]["queued"] == 20
    assert served.ask("PUT", "/v1/users/grace", '{"queued": 20.5}', Content_Type=JSON).status == 422


def test_a_run_without_parameters_is_not_in_the_state_to_predict(served):
    served.ask("PUT", "/v1/users/heidi", '{"running": 0}', Content_Type=JSON)  # so that it stays in line
    token = served.ask("POST", "/v1/tokens", '{"user": "heidi"}', Content_Type=JSON).json["token"]
    run = served.post(SMALL, "?again=1", token=token).json["id"]
    rows = json.dumps({"rows": [[0.0, 1.0]]})
    for answer in (
        served.ask("GET", f"/v1/runs/{run}/columns"),
        served.ask("GET", f"/v2/models/{run}"),
        served.ask("POST", f"/v1/runs/{run}/predict", rows, Content_Type=JSON),
        served.ask("POST", f"/v2/models/{run}/infer", rows, Content_Type=JSON),
    ):
        assert (answer.status, "has no parameters yet" in answer.json["detail"]) == (409, True), answer
    assert served.ask("POST", f"/v1/runs/{run}/cancel").status == 202


def test_an_if_match_is_an_etag(served):
    run = served.submit(SMALL)
    for given in ("", "3x", '""3""', "a"):
        answer = served.ask("PATCH", f"/v1/runs/{run}", "{}", Content_Type=JSON, If_Match=given)
        assert (answer.status, answer.json["detail"][:28]) == (400, "If-Match is the ETag of a ru"), given
