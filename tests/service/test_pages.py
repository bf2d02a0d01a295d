"""The pages as the server makes them: whole without scripts, nothing inline, and what people write is text."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.service.conftest import LONG, SMALL, Answer, Served
from trainer.experiment.report.page import _DARK
from trainer.runs.columns import COLUMNS
from trainer.runs.lines import PALETTE
from trainer.service.web.drawing import chart, charts, sparkline
from trainer.service.web.page_table import PAGES
from trainer.service.web.sessions import _ours
from trainer.service.web.thinning import sampled, thinned
from trainer.wording import number

STATIC = Path(__file__).parents[2] / "trainer" / "service" / "web" / "static"
VOID = {"meta", "link", "input", "br", "img", "path", "line", "wbr", "hr"}
PAYLOADS = (
    "<script>1</script>",
    '"><img src=x onerror=1>',
    "' onfocus=1 x='",
    "</textarea></pre></title><b>",
    "{{ 7*7 }}",
)


class Parsed(HTMLParser):
    """A page's elements; a tag that is not closed in its turn is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in <{tag}>: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str) -> str:
        return "".join(text for name, text in self.texts if name == tag)


@pytest.fixture(scope="module")
def run(served: Served) -> str:
    """A run that is finished, whose tags and note are no page's."""
    body = {"config": f"# {PAYLOADS[3]}\n{SMALL}", "tags": [*PAYLOADS], "note": "\n".join(PAYLOADS), "again": True}
    answer = served.ask("POST", "/v1/runs", json.dumps(body), Content_Type="application/json")
    assert answer.status == 202, answer
    served.until(answer.json["id"], "finished")
    return str(answer.json["id"])


def look(served: Served, path: str, **headers: str | None) -> Answer:
    answer: Answer = served.ask("GET", path, Accept="text/html,*/*;q=0.8", **headers)
    return answer


@pytest.fixture(scope="module")
def paths(served: Served, run: str) -> list[str]:
    """Every page, in several of its states."""
    other = served.submit(LONG)
    served.trains(other)
    served.ask("POST", f"/v1/runs/{other}/cancel")
    served.until(other, "cancelled")
    bad = quote(PAYLOADS[1])
    return [
        "/", "/?state=finished&q=config", f"/?q={bad}&owner={bad}", f"/runs/{run}", f"/runs/{other}",
        f"/runs/{run}?against={other}", f"/compare?run={run}&run={other}", "/compare", "/new", f"/new?from={run}",
        f"/new?upload={bad}", "/datasets", "/tokens", "/login", f"/login?wrong=1&wanted={bad}", f"/runs/{bad}",
        f"/{bad}", f"/?state={bad}",
    ]  # fmt: skip


def test_pages_are_whole_and_have_nothing_inline(served, paths):
    for path in paths:
        answer = look(served, path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8", path
        page = Parsed(answer.content.decode())
        assert answer.content.startswith(b"<!doctype html>")
        assert page.all("html") == [{"lang": "en"}]
        assert page.text("title").endswith("· trainer")
        assert len(page.all("h1")) == 1, path
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        for tag, attributes in page.elements:
            names = set(attributes)
            assert "style" not in names, (path, tag)
            assert not [name for name in names if name.startswith("on")], (path, tag, attributes)
            assert not str(attributes.get("href", "")).lower().startswith(("javascript:", "data:", "http", "//"))
            for reference in ("for", "aria-labelledby", "aria-describedby"):
                assert attributes.get(reference) in (None, *ids), (path, tag, attributes)
        assert all(each["src"].startswith("/static/") for each in page.all("script")), path
        assert page.text("script") == page.text("style") == ""
        labelled = answer.content.decode()
        for tag in ("input", "select", "textarea"):
            for each in page.all(tag):
                if each.get("type") == "hidden" or "hidden" in each or "aria-label" in each:
                    continue
                assert f'for="{each.get("id")}"' in labelled or _is_within_a_label(labelled, tag, each), (path, each)


def _is_within_a_label(text: str, tag: str, attributes: dict[str, str | None]) -> bool:
    name = attributes.get("name") or attributes.get("id")
    return any(
        f'"{name}"' in label and f"<{tag}" in label for label in re.findall(r"<label.*?</label>", text, re.DOTALL)
    )


def test_what_people_write_is_text(served, run, paths):
    for path in paths:
        text = look(served, path).content.decode()
        for payload in PAYLOADS[:4]:
            assert payload not in text, (path, payload)
    page = Parsed(look(served, f"/runs/{run}").content.decode())
    assert {text for _, text in page.texts} >= {*PAYLOADS}  # the tags
    assert PAYLOADS[3] in page.text("pre")


def test_what_can_be_read_needs_no_script(served, run):
    home = Parsed(look(served, "/").content.decode())
    assert {"href": f"/runs/{run}"} in home.all("a")
    assert "took" in home.text("td")
    assert [each for each in home.all("svg") if each.get("class") == "spark"]
    page = Parsed(look(served, f"/runs/{run}").content.decode())
    drawn = [each["aria-label"] for each in page.all("svg") if each.get("class") == "chart"]
    assert drawn[0] == "loss of train, test over epochs 1 to 3"
    assert "dataset: {name: moons, rows: 60}" in page.text("pre")
    assert page.text("span").count("finished") >= 2  # at the top, and in what happened
    assert f"/v1/runs/{run}/files/metrics.csv" in {each.get("href") for each in page.all("a")}
    needs = [
        attributes for tag, attributes in page.elements
        if tag == "button" and attributes.get("type") == "button" and "needs-script" not in str(attributes.get("class"))
    ]  # fmt: skip
    assert needs == []  # no button stands there that does nothing


def test_every_page_says_what_a_browser_may_do_with_it(served, paths):
    for path in [*paths, "/static/style.css", "/static/page.js", "/static/icon.svg"]:
        headers = look(served, path).headers
        assert headers["content-security-policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == ("no-referrer" if path.startswith("/static") else "same-origin")
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


def test_without_a_session_a_page_leads_to_the_login_and_back(served, run):
    for route in PAGES:
        if route.scope is None or route.method != "GET":
            continue
        path = route.path.replace("{id}", run)
        answer = served.ask("GET", path, token=None, Accept="text/html")
        assert answer.status == 303
        assert answer.headers["location"] == f"/login?{urlencode({'wanted': path})}"
        assert served.ask("GET", path, token=None).status == 401  # whoever wants no page is told as everywhere
    page = Parsed(served.ask("GET", answer.headers["location"], token=None).content.decode())
    assert {"type": "hidden", "name": "wanted", "value": path} in page.all("input")


@pytest.mark.parametrize("wanted", ["//example.org", "/\\example.org", "https://example.org", "/runs/../x", "/v1/me",
                                    "", f"/runs/{'0' * 26}/../..", "/new#x", "/?a\r\nSet-Cookie: b=c"])  # fmt: skip
def test_after_the_login_comes_a_page_of_ours(wanted):
    assert _ours(wanted) == "/"


def test_a_token_that_is_typed_becomes_a_session_that_ends_with_the_sign_out(served):
    form = {"Content_Type": "application/x-www-form-urlencoded"}

    def post(path, body="", **headers):
        return served.ask("POST", path, body, token=None, **form, **headers)

    wrong = post("/login", urlencode({"token": "trn_x", "wanted": "/new"}))
    assert (wrong.status, wrong.headers["location"]) == (303, "/login?wrong=1&wanted=%2Fnew")
    assert "set-cookie" not in wrong.headers
    right = post("/login", urlencode({"token": served.token, "wanted": "/new"}))
    assert (right.status, right.headers["location"]) == (303, "/new")
    cookie = right.headers["set-cookie"]
    assert {"httponly", "samesite=strict", "path=/"} <= {each.strip().lower() for each in cookie.split(";")}
    session = cookie.partition(";")[0]
    assert served.token not in cookie
    assert served.ask("GET", "/", token=None, Cookie=session).status == 200
    assert post("/logout", Cookie=session).status == 403  # of no page of ours
    assert post("/logout", Cookie=session, Origin="http://example.org").status == 403
    assert post("/logout", Cookie=session, Origin="null").status == 403
    out = post("/logout", Cookie=session, Origin=served.url)
    assert (out.status, out.headers["location"]) == (303, "/login")
    assert served.ask("GET", "/", token=None, Cookie=session).status == 401
    assert served.ask("POST", "/logout").status == 303
    assert served.ask("GET", "/v1/me").status == 200  # a token is no session


def test_a_ticket_leads_to_the_runs(served):
    answer = served.ask("GET", served.ask("POST", "/v1/tickets").json["path"], token=None)
    assert (answer.status, answer.headers["location"]) == (303, "/")


def test_a_page_shows_what_its_reader_may(served, run):
    made = served.ask(
        "POST", "/v1/tokens", '{"user": "reader", "scopes": ["read"]}', Content_Type="application/json"
    ).json
    token = made["token"]
    home = Parsed(look(served, "/", Authorization=f"Bearer {token}", token=None).content.decode())
    assert not {"/new", "/tokens"} & {each.get("href") for each in home.all("a")}
    assert run not in str(home.elements)
    for path, status in (("/tokens", 403), ("/new", 403), (f"/runs/{run}", 404), (f"/compare?run={run}", 404)):
        assert look(served, path, Authorization=f"Bearer {token}", token=None).status == status, path


def test_what_differs_between_two_configs_is_shown(served, run):
    other = served.submit(SMALL.replace("step_size: 0.1", "step_size: 0.25"))
    served.until(other, "finished")
    page = Parsed(look(served, f"/runs/{other}?against={run}").content.decode())
    assert (page.text("del"), page.text("ins")) == ("-step_size: 0.1", "+step_size: 0.25")
    compared = Parsed(look(served, f"/compare?run={run}&run={other}").content.decode())
    cells = [text for tag, text in compared.texts if tag in ("th", "code")]
    assert cells[cells.index("step_size") :][:3] == ["step_size", "0.1", "0.25"]
    same = look(served, f"/runs/{other}?against={other}").content
    assert b"The two configs are the same." in same


def test_a_mistake_in_a_file_is_told_by_the_name_that_the_config_has_for_it(served):
    made = served.ask("POST", "/v1/datasets?name=a.csv", "a,b,kind\n1,2,x\n1,two,y\n",
                      Content_Type="application/octet-stream").json  # fmt: skip
    config = f"dataset: {{path: '{made['config']}', target: kind}}\n" + SMALL.partition("\n")[2]
    answer = served.ask("POST", "/v1/validate?report=true", config, Content_Type="application/yaml")
    assert answer.status == 200
    (problem,) = answer.json["errors"]
    assert problem["message"].startswith(f"{made['config']}:3: column 'b': 'two'")
    assert str(served.root) not in answer.content.decode()
    assert served.ask("POST", "/v1/validate", config, Content_Type="application/yaml").status == 422
    asked = served.ask("POST", "/v1/validate?report=true", SMALL, Content_Type="application/yaml")
    assert asked.json["size"]["steps"] == 9


def test_files_are_served_by_name_and_nothing_else_is(served):
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".css", ".svg"):
            answer = served.ask("GET", f"/static/{path.name}", token=None)
            assert answer.content == path.read_bytes()
            again = served.ask("GET", f"/static/{path.name}", token=None, If_None_Match=answer.headers["etag"])
            assert (again.status, again.content) == (304, b"")
    for name in ("..%2fpages.py", "..", "LICENSE", "uplot", "uplot%2fuPlot.min.css", "page.js%00", ""):
        assert served.ask("GET", f"/static/{name}", token=None).status in (401, 404), name


def test_what_is_vendored_is_what_it_says_it_is():
    said = dict(re.findall(r"`([\w.]+)` \| `([0-9a-f]{64})`", (STATIC / "uplot" / "README.md").read_text()))
    assert len(said) == 2
    for name, digest in said.items():
        assert hashlib.sha256((STATIC / "uplot" / name).read_bytes()).hexdigest() == digest
    assert "MIT" in (STATIC / "uplot" / "LICENSE").read_text()


def test_colours_are_those_of_every_picture():
    style = (STATIC / "style.css").read_text()
    for palette in (PALETTE, _DARK):
        assert " ".join(f"--c{i}: {colour};" for i, colour in enumerate(palette)) in style


def test_the_server_loads_no_numpy_and_jinja_for_the_first_page_alone():
    code = """
import sys, trainer.service.web.server
assert not {"numpy", "jinja2", "yaml", "trainer_ops"} & set(sys.modules), "early"
from trainer.service.web.pages import login_page
login_page()
assert "jinja2" in sys.modules and "numpy" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def rows_of(path: Path, values: list[float]) -> None:
    lines = [f"{i + 1},{(i + 1) * 10},{value!r},0.1\n" for i, value in enumerate(values)]
    path.write_text("epoch,step,train_loss,step_size\n" + "".join(lines))


def test_thinned_curves_keep_every_spike(tmp_path):
    values = [1.0 + (i % 7) / 10 for i in range(20_000)]
    values[1234], values[15_001], values[77] = 50.0, -3.0, float("nan")
    rows_of(tmp_path / "metrics.csv", values)
    found = thinned(tmp_path / "metrics.csv", (), 300)
    assert [*found] == ["epoch", "step", "train_loss", "step_size"]
    assert 150 <= len(found["epoch"]) <= 310
    there = [value for value in found["train_loss"] if value is not None]
    assert (max(there), min(there)) == (50.0, -3.0)
    assert (found["epoch"][0], found["epoch"][-1]) == (1, 20_000)
    assert found["epoch"] == sorted(found["epoch"])  # type: ignore[type-var]
    for epoch, value in zip(found["epoch"], found["train_loss"], strict=True):
        assert value == values[int(epoch) - 1]
    whole = thinned(tmp_path / "metrics.csv", ["train_loss"], 20_000)
    assert [*whole] == ["epoch", "train_loss"]
    assert [each for each in whole["train_loss"] if each is not None] == [v for v in values if v == v]


def test_a_row_that_is_not_whole_yet_is_not_read(tmp_path):
    path = tmp_path / "metrics.csv"
    assert thinned(path) == sampled(path, ["train_loss"], 10) == {}
    path.write_text("epoch,train_loss\n")
    assert thinned(path) == {}
    path.write_text("epoch,train_loss\n1,0.5\n2,0.4\n3,0.")
    assert thinned(path) == {"epoch": [1, 2], "train_loss": [0.5, 0.4]}
    assert sampled(path, ["train_loss"], 10) == {"train_loss": [0.5, 0.4]}
    (tmp_path / "link").symlink_to(path)
    assert thinned(tmp_path / "link") == {}


def test_a_sample_is_of_the_whole_file_and_reads_little_of_it(tmp_path):
    rows_of(tmp_path / "metrics.csv", [1 / (i + 1) for i in range(50_000)])
    found = sampled(tmp_path / "metrics.csv", ["train_loss"], 64)["train_loss"]
    assert len(found) == 64
    assert found == sorted(found, reverse=True)  # type: ignore[type-var]
    assert found[0] is not None
    assert found[-1] is not None
    assert found[0] > 0.9
    assert found[-1] < 1 / 48_000


def test_curves_are_drawn_with_classes_alone_and_a_gap_is_a_gap():
    columns = {"epoch": [1, 2, 3, 4], "step": [1, 2, 3, 4], "train_loss": [3.0, None, 1e300, 0.01],
               "test_loss": [2, 1, 1, 1], "step_size": [0.1] * 4, "train_<b>": [1, 1, 1, 1]}  # fmt: skip
    drawn = charts(columns)
    assert [name for name, _ in drawn] == ["loss", "<b>", "step size"]
    loss, marked = drawn[0][1], drawn[1][1]
    for svg in (loss, marked, sparkline({"train": [1.0, 2.0]})):
        Parsed(svg)
        assert "style=" not in svg
    assert loss.count('class="c0"') == loss.count('class="c2"') == 1
    (path,) = re.findall(r'class="c0" d="([^"]*)"', loss)
    assert (path.count("M"), path.count("L")) == (2, 0)
    assert "loss (log)" in loss
    assert "<b>" not in marked
    assert chart([1, 2], {"train": [None, float("inf")]}, "loss") == sparkline({"train": [1.0]}) == ""
    assert set(COLUMNS) == {"epoch", "step", "seconds", "rows_per_second"}


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs what a browser would")
def test_a_page_writes_a_number_as_the_server_does():
    values = [0.0, 0.5, 12.0, 0.00012345, 0.000099999, 0.99999, 9999.4, 9999.9, 1234567.0, -3.2e-7, 1e-300, 2.5e123]
    script = f"import {{ number }} from '{STATIC / 'words.js'}'; console.log(JSON.stringify({values}.map(number)))"
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [number(value) for value in values]
