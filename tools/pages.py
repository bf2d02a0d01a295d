"""Pictures of every page of the service, at three widths, light and dark, to be looked at.

    .venv/bin/python tools/pages.py pictures

Exits with 1 where a page is wider than its window, or the console of the browser says anything.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.service.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = (360, 800, 1300)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PEOPLE = "age,city,member,label\n" + "".join(
    f"{20 + i % 50},{('Paris', 'Rome', 'Oslo')[i % 3]},{('yes', 'no')[i % 2]},{('low', 'high')[i * 7 % 5 // 3]}\n"
    for i in range(200)
)
MOONS = """\
dataset: {name: moons, rows: 400}
network: [{dense: 8}, tanh, {dense: 2}]
cost: softmax_cross_entropy
metrics: [accuracy]
step_size: 0.1
batch_size: 20
epochs: 60
"""
TABLE = MOONS.replace("{name: moons, rows: 400}", "{path: 'UPLOAD', target: label, categorical: [city]}")


@contextmanager
def served(root: Path) -> Iterator[Client]:
    """A service of its own, in a process of its own."""
    command = [sys.executable, "-m", "trainer", "serve", "--root", str(root), "--port", "0", "--slots", "2"]
    environment = {**os.environ, "TRAINER_CONFIG": str(root.parent / "config")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split(" at ")[1].strip()
        yield Client(url, (root / "token").read_text().strip())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def submitted(client: Client, config: str, name: str, *overrides: str) -> str:
    """The id of a new run."""
    body = {"config": config, "name": name, "overrides": overrides, "again": True, "tags": ["shown"]}
    return str(client.ask("POST", "/v1/runs", body)["id"])


def filled(client: Client) -> dict[str, str]:
    """Runs in several states, and a file; gives the path of each page by its name."""
    data = client.ask("POST", "/v1/datasets?name=people.csv", PEOPLE.encode(), media="application/octet-stream")
    table = submitted(client, TABLE.replace("UPLOAD", data["config"]), "people")
    done = submitted(client, MOONS, "moons", "step_size=0.3")
    diverges = submitted(client, MOONS, "too-fast", "step_size=1e38")
    for run in (table, done, diverges):
        for told in client.events(run):
            if told.kind == "state" and told.data["state"] in ("finished", "diverged", "failed"):
                break
    live = submitted(client, MOONS, "long", "epochs=200000")
    submitted(client, MOONS, "long-too", "epochs=200000", "seed=2")
    submitted(client, MOONS, "waits")
    next(told for told in client.events(live) if told.kind == "points" and told.data["epoch"] > 100)
    return {
        "runs": "/", "finished": f"/runs/{table}", "running": f"/runs/{live}", "diverged": f"/runs/{diverges}",
        "against": f"/runs/{table}?against={done}", "compare": f"/compare?run={table}&run={done}&run={live}",
        "new": "/new", "datasets": "/datasets", "tokens": "/tokens", "login": "/login",
    }  # fmt: skip


def taken(page: Page, name: str, width: int, folder: Path, scheme: str) -> list[str]:
    """A picture of a page that is loaded; gives what is wrong with it."""
    page.wait_for_timeout(800)
    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    return [f"{name} is {wide} wide where there are {width}, {scheme}"] if wide > width else []


def main() -> int:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the pictures")
    parser.add_argument("--browser", default=next(filter(None, map(shutil.which, BROWSERS)), None), help="its program")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    given.folder.mkdir(parents=True, exist_ok=True)
    wrong, said = list[str](), list[str]()
    with tempfile.TemporaryDirectory() as root, served(Path(root) / "service") as client, sync_playwright() as driver:
        pages = filled(client)
        browser = driver.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            context = browser.new_context(color_scheme=scheme)
            context.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
            page = context.new_page()
            page.goto(client.url + client.ask("POST", "/v1/tickets")["path"])
            for name, path in pages.items():
                for width in WIDTHS:
                    page.set_viewport_size({"width": width, "height": 900})
                    page.goto(client.url + path)
                    wrong += taken(page, name, width, given.folder, scheme)
        browser.close()
    print(f"{2 * len(WIDTHS) * len(pages)} pictures in {given.folder}", *wrong, *said, sep="\n")
    return bool(wrong or said)


if __name__ == "__main__":
    sys.exit(main())
