"""The pages in a browser, as a person uses them: what is clicked, typed and seen; and the console says nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.conftest import LONG, SMALL, Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOUND = os.environ.get("TRAINER_BROWSER") or next((path for name in BROWSERS if (path := shutil.which(name))), None)
if FOUND is None:
    pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is on the PATH", allow_module_level=True)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed, which drives the browser: pip install -e '.[browser]'"
)
WAIT = 30_000.0  # milliseconds, on a machine that has much else to do


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=FOUND, args=["--no-sandbox"])
        yield browser
        browser.close()


Opens = Callable[..., "BrowserContext"]


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Makes browsers of people who share nothing. Whatever a console says, or a dialog, fails the test."""
    heard: list[str] = []
    made: list[Any] = []

    def dismissed(dialog: Dialog) -> None:
        heard.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def opens(**options: Any) -> BrowserContext:
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT)
        context.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: heard.append(f"error: {error.error}"))
        context.on("dialog", dismissed)
        made.append(context)
        return context

    yield opens
    for context in made:
        context.close()
    assert heard == []


@pytest.fixture
def signed_in(opens: Opens, served: Served) -> Callable[..., BrowserContext]:
    """Makes browsers that are let in by a ticket."""

    def signed_in(**options: Any) -> BrowserContext:
        context = opens(**options)
        page = context.new_page()
        page.goto(served.url + served.ask("POST", "/v1/tickets").json["path"])
        assert page.url == f"{served.url}/"
        return context

    return signed_in


@pytest.fixture
def page(signed_in: Callable[..., BrowserContext]) -> Page:
    return signed_in().pages[0]


@pytest.fixture(scope="module")
def trained(served: Served) -> str:
    """A run that is finished."""
    run = served.submit(SMALL, "?again=1&name=trained")
    served.until(run, "finished")
    return run


def shows(page: Page, selector: str, text: str) -> None:
    """Waits until an element has this text."""
    page.locator(selector, has_text=re.compile(text)).first.wait_for()


def until(page: Page, function: str, *arguments: Any) -> None:
    """Waits until a function of the page's gives true; it is asked again and again, since the policy forbids eval."""
    for _ in range(int(WAIT / 100)):
        if page.evaluate(function, *arguments):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{function} does not become true at {page.url}")


def changes(page: Page, selector: str) -> None:
    """Waits until an element's text is another one."""
    text = page.locator(selector).text_content()
    until(page, "([at, text]) => document.querySelector(at).textContent !== text", [selector, text])


CURVE = "() => document.querySelectorAll('#curves canvas').length > 0"


def epochs(page: Page) -> int:
    return int(re.sub(r"\D", "", page.inner_text("#about .epochs").partition(" of ")[0]))


def test_a_token_is_typed_and_the_page_that_was_wanted_is_shown(opens, served, trained):
    page = opens().new_page()
    page.goto(f"{served.url}/runs/{trained}?against={trained}")
    assert page.url.startswith(f"{served.url}/login?")
    page.fill("[name=token]", "trn_none")
    page.keyboard.press("Enter")
    shows(page, "[role=alert]", "no such token")
    page.fill("[name=token]", served.token)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{served.url}/runs/{trained}?against={trained}")
    shows(page, "h1", "trained")
    page.click("text=Sign out")
    page.wait_for_url(f"{served.url}/login")
    assert page.context.cookies() == []


def test_a_config_is_written_submitted_watched_stopped_and_gone_on_with(page, served):
    page.keyboard.press("n")
    page.wait_for_url("**/new")
    page.fill("#config", LONG.replace("tanh", "tnah").replace("step_size: 0.1", "step_size: fast"))
    shows(page, "#mistakes li", "tnah")
    assert page.locator("#lines .wrong").all_inner_texts() == ["2", "4"]
    page.click("#mistakes button >> nth=0")
    assert page.evaluate("() => document.activeElement.id") == "config"
    page.fill("#config", LONG)
    shows(page, "#verdict", "It can be trained: .* parameters")
    assert page.locator("#mistakes li").count() == 0
    page.fill("[name=name]", "watched")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/runs/*")
    shows(page, "#head .state", "running")
    until(page, CURVE)
    before = epochs(page)
    changes(page, "#about .epochs")
    page.reload()
    until(page, CURVE)
    assert epochs(page) >= before
    second = page.context.new_page()
    second.goto(page.url)
    until(second, CURVE)

    page.keyboard.press("c")
    page.click("#sure [value=no]")
    assert page.inner_text("#head .state").endswith("running")
    page.click("[data-do=cancel]")
    page.click("#sure [value=yes]")
    for each in (page, second):
        shows(each, "#head .state", "cancelled")
        shows(each, "#history li", "cancelled by admin")
    reached = epochs(second)
    second.click("[data-do=resume]")
    shows(page, "#head .state", "running")
    shows(page, "#about .reason", "attempt 2")
    run = page.url.rpartition("/")[2]
    page.close()
    second.close()  # which changes nothing
    next(told for told in served.client.events(run) if told.kind == "points" and told.data["epoch"] > reached)
    assert served.run(run)["state"] == "running"
    served.ask("POST", f"/v1/runs/{run}/cancel")
    served.until(run, "cancelled")


def test_a_model_is_downloaded_asked_and_trained_further(page, served, trained, tmp_path):
    page.goto(f"{served.url}/runs/{trained}")
    until(page, CURVE)
    with page.expect_download() as download:
        page.click("text=Download the model")
    download.value.save_as(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    assert content == (served.root / "runs" / trained / "parameters.safetensors").read_bytes()
    page.click("text=Ask its model")
    predict(page, "0.5")
    shows(page, "#predict-form output td", "^(upper|lower)$")
    expected = served.ask(
        "POST", f"/v1/runs/{trained}/predict", '{"rows": [[0.5, 0.5]]}', Content_Type="application/json"
    )
    assert page.inner_text("#predict-form output td >> nth=0") == str(expected.json["predictions"][0])
    page.fill("#more input", "5")
    page.click("#more button")
    shows(page, "#about .epochs", "epoch 5 of 5")
    shows(page, "#head .state", "finished")


def predict(page: Page, value: str) -> None:
    """Gives every column this value."""
    page.locator("#predict-form .row input").first.wait_for()
    for field in page.locator("#predict-form .row input").all():
        field.fill(value)
    page.click("#predict-form .row + button")


def test_eight_pages_at_once_are_live_by_one_stream_and_a_hidden_one_has_none(signed_in, served):
    run = served.submit(LONG, "?again=1&name=eight")
    served.trains(run)
    context = signed_in()
    pages = [*context.pages, *(context.new_page() for _ in range(7))]
    for i, page in enumerate(pages):
        page.goto(f"{served.url}/{f'runs/{run}' if i % 2 else ''}")
    where = ["#about .epochs" if i % 2 else f"#run-{run} .epochs" for i in range(8)]
    for page, at in zip(pages, where, strict=True):
        changes(page, at)
    assert viewers(served) == 1
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    for page in pages[:7]:
        page.evaluate(hide, True)
    changes(pages[7], where[7])
    pages[7].evaluate(hide, True)
    for _ in range(100):
        if viewers(served) == 0:
            break
        pages[0].wait_for_timeout(50)
    assert viewers(served) == 0
    served.ask("POST", f"/v1/runs/{run}/cancel")
    served.until(run, "cancelled")
    pages[0].evaluate(hide, False)
    shows(pages[0], f"#run-{run} .state", "cancelled")


def viewers(served: Served) -> int:
    text = served.ask("GET", "/metrics").content.decode()
    return int(re.findall(r"^trainer_viewers (\d+)$", text, re.MULTILINE)[0])


PAYLOADS = (
    "<script>window.reached = 1</script>",
    "<img src=/nothing onerror=\"window.reached = 2\">",
    "\"><svg onload='window.reached = 3'>",
    "'--></style></textarea></title><script>window.reached = 4</script>",
    "{{ 7 * 7 }}{% set x = 1 %}${window.reached = 5}",
    "<details open ontoggle=\"window.reached = 6\">",
    "</pre><iframe srcdoc=\"<script>parent.reached = 7</script>\"></iframe>",
    "javascript:window.reached=8//",
)  # fmt: skip


def test_what_people_write_is_text_on_every_page(page, served):
    """Names of columns, classes, tags, notes, configs and what the address says."""
    names = ",".join('"' + each.replace('"', '""') + '"' for each in PAYLOADS[:3])
    rows = "".join(f"{i % 7},{i % 5},{i % 3},{'<b onclick=window.reached=9>' if i % 2 else 'no'}\n" for i in range(40))
    made = served.ask("POST", "/v1/datasets?name=marked.csv", f"{names},kind\n{rows}",
                      Content_Type="application/octet-stream").json  # fmt: skip
    config = (
        "\n".join(f"# {each}" for each in PAYLOADS)
        + f"\ndataset: {{path: '{made['config']}', target: kind}}\n"
        + SMALL.partition("\n")[2]
        + "metrics: [accuracy]\n"
    )
    body = {"config": config, "tags": [*PAYLOADS], "note": "\n".join(PAYLOADS), "name": "marked", "again": True}
    answer = served.ask("POST", "/v1/runs", json.dumps(body), Content_Type="application/json")
    assert answer.status == 202, answer
    run = answer.json["id"]
    served.until(run, "finished")
    from urllib.parse import quote

    other = quote(PAYLOADS[1])
    for path in ("/", f"/runs/{run}", f"/compare?run={run}", f"/new?from={run}", "/datasets", f"/?q={other}",
                 f"/?owner={other}", f"/new?upload={other}"):  # fmt: skip
        page.goto(served.url + path)
        page.wait_for_timeout(300)
        assert page.evaluate("() => window.reached") is None, path
    page.goto(f"{served.url}/runs/{run}")
    until(page, CURVE)
    assert PAYLOADS[0] in page.inner_text(".config")
    page.click("text=Ask its model")
    shows(page, "#predict-form label >> nth=0", re.escape(PAYLOADS[0]))
    predict(page, "1")
    page.locator("#predict-form output td").first.wait_for()
    assert page.evaluate("() => window.reached") is None
    assert page.locator("script:not([src]), [onerror], [onload], [style*=expression], iframe").count() == 0


def test_files_and_tokens_are_made_and_taken_back(page, served, tmp_path):
    (tmp_path / "points.csv").write_text("a,b,kind\n" + "".join(f"{i},{i % 3},{i % 2}\n" for i in range(30)))
    page.goto(f"{served.url}/datasets")
    page.set_input_files("[name=file]", tmp_path / "points.csv")
    page.click("text=Upload")
    row = page.locator("#files tr", has_text="points.csv").first
    row.locator("text=Train on it").click()
    page.wait_for_url("**/new?upload=*")
    assert "path: 'upload:" in page.input_value("#config")
    shows(page, "#verdict", ".")
    page.goto(f"{served.url}/datasets")
    row.locator("text=Delete").click()
    page.click("#sure [value=yes]")
    row.wait_for(state="detached")

    page.goto(f"{served.url}/tokens")
    page.fill("[name=user]", "zoe")
    page.click("text=Make a token")
    shows(page, "#token", "^trn_")
    token = page.inner_text("#token")
    assert served.ask("GET", "/v1/me", token=token).json["user"] == "zoe"
    page.locator("#tokens tr", has_text="zoe").locator("text=Revoke").click()
    page.click("#sure [value=yes]")
    page.locator("#tokens tr", has_text="zoe").wait_for(state="detached")
    assert served.ask("GET", "/v1/me", token=token).status == 401


def test_everything_is_reached_by_keys_and_is_seen_to_be(page, served, trained):
    page.goto(f"{served.url}/")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.evaluate("() => document.activeElement.closest('tr').id").startswith("run-")
    page.keyboard.press("x")
    page.keyboard.press("/")
    assert page.evaluate("() => document.activeElement.id") == "q"
    page.keyboard.type("no such run?")  # letters are letters in a field
    assert not page.is_visible("#help")
    page.goto(f"{served.url}/runs/{trained}")
    until(page, CURVE)
    wanted = page.locator("a:visible, button:visible, input:visible, select:visible, summary:visible").count()
    reached, unseen = set[str](), set[str]()
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        at, outlined = page.evaluate("""() => {
            const at = document.activeElement, all = [...document.querySelectorAll("*")];
            return [`${all.indexOf(at)} ${at.nodeName}`, getComputedStyle(at).outlineStyle !== "none"];
        }""")
        reached.add(at)
        unseen |= {at} if not outlined and not at.endswith(" BODY") else set()
    assert len(reached) >= wanted
    assert unseen == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_is_wide_enough(signed_in, served, trained, scheme):
    page = signed_in(viewport={"width": 360, "height": 740}, color_scheme=scheme).pages[0]
    for path in ("/", f"/runs/{trained}", "/new", "/datasets", "/tokens", f"/compare?run={trained}", "/login"):
        page.goto(served.url + path)
        page.wait_for_timeout(200)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, path
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_without_scripts_everything_is_there_to_read(signed_in, served, trained):
    page = signed_in(java_script_enabled=False).pages[0]
    assert page.inner_text(f"#run-{trained} .state").endswith("finished")
    page.click(f"#run-{trained} a")
    assert page.locator("#curves svg[role=img]").count() >= 1
    for title in ("Curves", "What happened", "Config", "Log", "Files"):
        assert page.is_visible(f"h2:has-text('{title}')")
    assert not page.is_visible("[data-do]")
    page.select_option("[name=against]", index=0)
    for path in ("/new", "/datasets", "/tokens", f"/compare?run={trained}"):
        page.goto(served.url + path)
        assert not page.is_visible("button.needs-script")
