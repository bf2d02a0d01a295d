"""The service's address, asked from a command line: the standard library's HTTP, and nothing else.

Where a service is and with which token is remembered in one file that only its owner may read; `trainer serve` writes
down itself there, so that a second terminal of the same person needs to be told nothing.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from trainer.errors import ConfigError, TrainerError, UsageError
from trainer.files import atomic_write
from trainer.service.trust import distrusted, trusting

__all__ = ["Client", "Refused", "Told", "certificate_of", "forget", "known_services", "opened", "remember"]

VARIABLE, ADDRESS, TOKEN = "TRAINER_CONFIG", "TRAINER_URL", "TRAINER_TOKEN"
SECONDS = 30.0


class Refused(TrainerError):
    """The service does not do what is asked; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Told(NamedTuple):
    """An event."""

    id: int
    kind: str
    data: dict[str, Any]


def _memory() -> Path:
    if folder := os.environ.get(VARIABLE):
        return Path(folder).expanduser() / "services.json"
    from platformdirs import user_config_path

    return user_config_path("tape-trainer", appauthor=False) / "services.json"


def known_services() -> dict[str, dict[str, str]]:
    """The services that were logged in to, the last one at the end."""
    try:
        found = json.loads(_memory().read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UsageError(f"{_memory()} is damaged ({error}): remove it, and log in again: trainer login URL") from None
    return dict(found)


def remember(url: str, entry: Mapping[str, str]) -> None:
    """Keep a token, or the file that it is in, for an address."""
    path = _memory()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    services = {each: value for each, value in known_services().items() if each != url}
    before = os.umask(0o077)
    try:
        atomic_write(path, json.dumps({**services, url: dict(entry)}, indent=1) + "\n")
    finally:
        os.umask(before)


def forget(url: str) -> None:
    """An address is not served any more."""
    services = known_services()
    if services.pop(url, None) is not None:
        atomic_write(_memory(), json.dumps(services, indent=1) + "\n")
        os.chmod(_memory(), 0o600)


def opened(at: str | None) -> Client:
    """The service at an address; by default the one of TRAINER_URL, or that was last logged in to or started here.

    Raises UsageError where there is none, or no token for it.
    """
    services = known_services()
    url = (at or os.environ.get(ADDRESS) or next(reversed(services), "")).rstrip("/")
    if not url:
        raise UsageError("no service is known here; start one, trainer serve, or name one: trainer login URL")
    entry = services.get(url, {})
    token = os.environ.get(TOKEN) or entry.get("token")
    if token is None and "token_file" in entry:
        try:
            token = Path(entry["token_file"]).read_text(encoding="ascii").strip()
        except OSError as error:
            raise UsageError(f"the token of {url} cannot be read: {error}") from None
    if token is None:
        raise UsageError(f"there is no token for {url}; give one: trainer login {url}, or the variable {TOKEN}")
    return Client(url, token, certificate_of(entry))


def certificate_of(entry: Mapping[str, str]) -> str | None:
    """That of a service of which nobody known here has signed it. Raises UsageError where it cannot be read."""
    try:
        return Path(entry["certificate"]).read_text(encoding="ascii") if "certificate" in entry else None
    except (OSError, ValueError) as error:
        raise UsageError(f"the service's certificate cannot be read: {error}") from None


@dataclass(frozen=True)
class Client:
    """A service, a token for it, and where it is not known otherwise its certificate, in PEM."""

    url: str
    token: str
    certificate: str | None = None

    def ask(
        self, method: str, path: str, body: object = None, *, media: str = "application/json",
        headers: Mapping[str, str] | None = None, raw: bool = False,
    ) -> Any:  # fmt: skip
        """What comes back, of JSON its value unless it is wanted `raw`.

        Raises Refused, ConfigError, and UsageError where nobody answers.
        """
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = {**self._headers(), **(headers or {}), **({"Content-Type": media} if data is not None else {})}
        with self._connected() as connection:
            connection.request(method, path, data, given)
            response = connection.getresponse()
            content = response.read()
        if response.status == 401:
            way = f"trainer login {self.url} asks for another"
            if self.token == os.environ.get(TOKEN):
                way = f"it is that of {TOKEN}, which goes before any other: unset that, and {way}"
            raise Refused(401, f"the service at {self.url} does not know this token, or not any more; {way}")
        if response.status >= 400:
            raise _refused(response.status, content)
        json_there = response.headers.get_content_type() == "application/json"
        return json.loads(content) if json_there and not raw else content

    def run(self, name: str) -> dict[str, Any]:
        """The run of that id, or the newest of that name; "last" is the newest of all."""
        if len(name) == 26:
            found: dict[str, Any] = self.ask("GET", f"/v1/runs/{quote(name, safe='')}")
            return found
        query = urlencode({"limit": 200} if name == "last" else {"q": name, "limit": 200})
        runs = self.ask("GET", f"/v1/runs?{query}")["data"]
        fitting = runs[:1] if name == "last" else [run for run in runs if run["name"] == name]
        if not fitting:
            near = f"; there are {', '.join(dict.fromkeys(run['name'] for run in runs[:5]))}" if runs else ""
            raise UsageError(f"there is no run '{name}' at {self.url}{near}")
        return dict(fitting[0])

    def events(self, run: str, after: int = 0, patience: float = 60.0) -> Iterator[Told]:
        """What happens to a run until nothing more does; a connection that breaks is made again.

        patience: seconds for which nobody may answer.
        """
        lost_since: float | None = None
        while True:
            try:
                for told in self._stream(run, after):
                    lost_since = None
                    if told is None:
                        return
                    after = max(after, told.id)
                    yield told
            except UsageError:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > patience:
                    raise
            time.sleep(0.5)

    def _stream(self, run: str, after: int) -> Iterator[Told | None]:
        """One connection; None where there is nothing more to come."""
        with self._connected() as connection:
            connection.request("GET", f"/v1/runs/{run}/events?after={after}", headers=self._headers())
            response = connection.getresponse()
            if response.status == 204:
                yield None
                return
            if response.status >= 400:
                raise _refused(response.status, response.read())
            kind, data, number = "message", "", after
            for raw in response:
                line = raw.decode().rstrip("\r\n")
                name, _, value = line.partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "event":
                    kind = value
                elif name == "data":
                    data = value
                elif not line and data:
                    yield Told(number, kind, json.loads(data))
                    kind, data = "message", ""

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        """Raises UsageError where nobody answers."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise UsageError(f"'{self.url}' is no address of a service; one is http://127.0.0.1:8470")
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=SECONDS, context=trusting(self.certificate)
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)
        try:
            yield connection
        except ssl.SSLCertVerificationError as error:
            way = f"trainer login {self.url} --certificate FILE has it trusted"
            raise UsageError(distrusted(self.url, error, way)) from error
        except (OSError, http.client.HTTPException) as error:
            raise UsageError(
                f"the service at {self.url} does not answer: {str(error) or type(error).__name__}"
            ) from error
        finally:
            connection.close()


def _refused(status: int, content: bytes) -> TrainerError:
    """What a problem says, as `trainer run` would have said it."""
    try:
        problem = json.loads(content)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return Refused(status, f"the service answers {status}: {content[:200].decode(errors='replace')}")
    if not problem.get("errors"):
        return Refused(status, detail)
    return ConfigError("\n\n".join(_shown(each) for each in problem["errors"]))


def _shown(each: Mapping[str, Any]) -> str:
    source = each.get("source") or "config"
    if each.get("line") is not None:
        source = f"{source}:{each['line']}:{each['column']}"
    return f"{source}: {each['message']}" + (f"\n{each['excerpt']}" if each.get("excerpt") else "")
