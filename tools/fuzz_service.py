"""Every operation that the service describes, asked as its description has it, and as it has it not, by schemathesis.

A server begins on loopback with a folder of its own, and schemathesis reads its /openapi.json: examples, the edges of
every schema, random requests, and requests that follow from each other's answers, right ones and wrong ones. What is
answered may be only what is described: status, media type, schema; never 5xx; and what a schema takes is not refused
for its form, nor the other way round. The seed is fixed. What is not held against the service, and why, is in
fuzz_service.toml. The extra `fuzz` brings schemathesis, which may live in an environment of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trainer.errors import TrainerError
from trainer.service.client import Client

SCOPES = ("read", "submit", "cancel", "admin")
READY_SECONDS = 120.0


def begun(root: Path) -> tuple[subprocess.Popen[str], str]:
    """A server on loopback, and where it is."""
    log = root.with_suffix(".log").open("w")
    with log:
        command = [sys.executable, "-m", "trainer", "serve", "--root", str(root), "--port", "0", "--slots", "1"]
        environment = {**os.environ, "TRAINER_CONFIG": str(root.parent / "conf")}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
    assert server.stdout is not None
    said = server.stdout.readline()
    if " at " not in said:
        raise SystemExit(f"the service did not begin: {root.with_suffix('.log').read_text()}")
    return server, said.split(" at ")[1].strip()


def ready(client: Client) -> None:
    """Until runs are trained."""
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            client.ask("GET", "/readyz")
            return
        except TrainerError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def main() -> int:
    """Print what schemathesis says; 0 where nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=20, help="requests of each operation, at random (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (%(default)s)")
    parser.add_argument("--schemathesis", default="schemathesis", metavar="COMMAND", help="the program (%(default)s)")
    parser.add_argument("--only", metavar="REGEX", help="paths that are asked for (all)")
    given = parser.parse_args()
    program = shutil.which(given.schemathesis, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        parser.error(f"there is no {given.schemathesis}: pip install 'tape-trainer[fuzz]', or name it, --schemathesis")
    with tempfile.TemporaryDirectory() as folder:
        server, url = begun(Path(folder) / "root")
        try:
            client = Client(url, (Path(folder) / "root" / "token").read_text().strip())
            ready(client)
            token = client.ask("POST", "/v1/tokens", {"user": "fuzz", "scopes": [*SCOPES]})["token"]
            command = [
                program, "--config-file", str(Path(__file__).with_suffix(".toml")), "run", f"{url}/openapi.json",
                "--header", f"Authorization: Bearer {token}", "--checks", "all", "--mode", "all",
                "--phases", "examples,coverage,fuzzing,stateful", "--seed", str(given.seed),
                "--max-examples", str(given.examples), "--workers", "1", "--no-color", "--continue-on-failure",
                *(["--include-path-regex", given.only] if given.only else []),
            ]  # fmt: skip
            code = subprocess.run(command, cwd=folder, check=False).returncode
            Client(url, token).ask("GET", "/v1/me")  # with a token taken back everything after it was 401
        finally:
            server.terminate()
            server.wait()
        return code


if __name__ == "__main__":
    sys.exit(main())
