"""The coordinator's API from Python: what the command line uses, and scripts may.

    with Client("http://127.0.0.1:8470") as client:
        run_id = client.submit(name="demo", experiment=text, seed=1, twin=True)

Every refusal arrives as the same FedbedError class that the coordinator raised.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx

from fedbed.errors import CoordinatorAway, FedbedError, NotFound, UsageError, by_code
from fedbed.link import trust

CONNECT_S = 5.0
ANSWER_S = 30.0
"""A coordinator that stops a run waits for its process; nothing else takes long."""


class Client:
    """One coordinator. The constructor connects to nothing; UsageError for a malformed address.

    token: an access token, for a coordinator that asks for one. ca: a file whose CA alone is
    trusted; UsageError if it has none. Without it the system's are.
    """

    def __init__(  # nosec B107 # no token is the default
        self,
        url: str,
        transport: httpx.BaseTransport | None = None,
        token: str = "",
        ca: Path | None = None,
    ) -> None:
        self.url = _checked(url)
        self._ca = ca
        # Without trust_env: a proxy that the environment names would be asked for 127.0.0.1.
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            transport=transport,
            verify=trust.context(ca) if urlsplit(url).scheme == "https" else True,
            trust_env=False,
            headers={"Authorization": f"Bearer {token}"} if token else None,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> dict[str, Any]:
        """Return product and version; CoordinatorAway unless a fedbed coordinator answers."""
        answer = self._call("GET", "health")
        if not isinstance(answer, dict) or answer.get("product") != "fedbed":
            raise self._stranger()
        return answer

    def live(self, after: int = 0, wait_s: float = 0.0) -> dict[str, Any]:
        """Wait until the picture is newer than version `after`, `wait_s` at most; return it."""
        timeout = httpx.Timeout(wait_s + 10, connect=CONNECT_S)
        params = {"after": after, "wait": wait_s}
        return self._object("GET", "live", params=params, timeout=timeout)

    def submit(self, **spec: Any) -> str:
        """Queue a run, described by the keys of `RunSpec` (see the API's page); return its id."""
        return str(self._object("POST", "runs", json=spec)["id"])

    def submit_app(self, bundle: bytes, **spec: Any) -> str:
        """Hand in a Flower app's bundle and queue a run of it; return the run's id."""
        address = f"blobs/{_reference(bundle)['sha256']}"
        ref = self._object("PUT", address, content=bundle)
        return self.submit(bundle=ref, **spec)

    def eligible(self, **spec: Any) -> list[str]:
        """Return the names of nodes that a run of this `RunSpec` may choose; it isn't submitted.

        NodesMissing if there is none.
        """
        return [str(name) for name in self._object("POST", "runs/eligible", json=spec)["nodes"]]

    def eligible_for_app(self, bundle: bytes, **spec: Any) -> list[str]:
        """Return the same for a run of a Flower app, which isn't handed in."""
        return self.eligible(bundle=_reference(bundle), **spec)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return one run; NotFound if there is none."""
        return self._object("GET", f"runs/{_part(run_id)}")

    def runs(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest runs, newest first."""
        return self._list("GET", "runs", params={"limit": limit})

    def stop(self, run_id: str) -> None:
        """Stop a run for good; RunFailed if it has ended already."""
        self._object("POST", f"runs/{_part(run_id)}/stop")

    def nodes(self) -> list[dict[str, Any]]:
        """Return all nodes with their state."""
        return self._list("GET", "nodes")

    def node(self, name: str) -> dict[str, Any]:
        """Return one node with its record of refusals and runs; NotFound if there is none."""
        return self._object("GET", f"nodes/{_part(name, 'node')}")

    def drain(self, name: str, drained: bool = True) -> None:
        """Give a node no new work, or with `drained=False` work again."""
        self._object("POST", f"nodes/{_part(name, 'node')}/drain", params={"drained": drained})

    def remove(self, name: str) -> None:
        """Strike a node off the books."""
        self._object("POST", f"nodes/{_part(name, 'node')}/remove")

    def order_checkup(self, name: str, **needs: Any) -> str:
        """Have a node examine itself (see `CheckupOrder`); returns the check-up's id.

        NodesMissing if the node is offline, Refused if its agent is too old.
        """
        path = f"nodes/{_part(name, 'node')}/checkup"
        return str(self._object("POST", path, json=needs)["checkup"])

    def node_health(self, name: str) -> dict[str, Any]:
        """Return what a node's latest check-up has found."""
        return self._object("GET", f"nodes/{_part(name, 'node')}/health")

    def enrol(self, **wanted: Any) -> dict[str, Any]:
        """Make an enrolment token (see `EnrolmentRequest`); only this answer holds it."""
        return self._object("POST", "enrolments", json=wanted)

    def enrolments(self) -> list[dict[str, Any]]:
        """Return all enrolment tokens with their state."""
        return self._list("GET", "enrolments")

    def revoke(self, enrolment_id: str) -> None:
        """Let nobody else in with an enrolment token."""
        self._object("DELETE", f"enrolments/{_part(enrolment_id, 'enrolment token')}")

    def give_access(self, **wanted: Any) -> dict[str, Any]:
        """Give access (see `AccessRequest`); only this answer holds the token."""
        return self._object("POST", "access", json=wanted)

    def people(self) -> list[dict[str, Any]]:
        """Return all who have access."""
        return self._list("GET", "access")

    def take_access(self, name: str) -> None:
        """Take access away, at once."""
        self._object("DELETE", f"access/{_part(name, 'name')}")

    def files(self, run_id: str) -> list[dict[str, Any]]:
        """Return names and sizes of a run's result files."""
        return self._list("GET", f"runs/{_part(run_id)}/files")

    def download(self, run_id: str, folder: Path) -> list[Path]:
        """Fetch all result files of a run into `folder`; return their paths.

        A file takes its name when it is complete. UsageError if the folder can't be written.
        """
        names = [str(file["name"]) for file in self.files(run_id)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return [self._fetch(run_id, name, folder) for name in names if _is_plain(name)]
        except OSError as error:
            raise unwritable(folder, error) from error

    def _fetch(self, run_id: str, name: str, folder: Path) -> Path:
        path = folder / name
        part = folder / f".{name}.part"
        try:
            address = f"/api/v1/runs/{_part(run_id)}/files/{_part(name)}"
            with self._http.stream("GET", address) as response:
                if not response.is_success:
                    response.read()
                    raise self._error(response)
                with part.open("wb") as out:
                    for block in response.iter_bytes():
                        out.write(block)
            part.replace(path)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        finally:
            part.unlink(missing_ok=True)
        return path

    def _object(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = self._call(method, path, **more)
        if not isinstance(answer, dict):
            raise self._stranger()
        return answer

    def _list(self, method: str, path: str, **more: Any) -> list[dict[str, Any]]:
        answer = self._call(method, path, **more)
        if not isinstance(answer, list):
            raise self._stranger()
        return cast("list[dict[str, Any]]", answer)

    def _call(self, method: str, path: str, **more: Any) -> Any:
        try:
            response = self._http.request(method, f"/api/v1/{path}", **more)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if not response.is_success:
            raise self._error(response)
        try:
            return response.json()
        except ValueError as error:
            raise self._stranger() from error

    def _error(self, response: httpx.Response) -> FedbedError:
        try:
            body = response.json()
            known = by_code().get(body["code"], FedbedError)
            return known(str(body["detail"]))
        except (ValueError, KeyError, TypeError):
            # The coordinator names a code with every refusal, so these are another's words,
            # or its own crash.
            if response.status_code >= 500:
                return FedbedError(
                    f"the coordinator at {self.url} failed to answer (HTTP "
                    f"{response.status_code}): its log says why"
                )
            return self._stranger()

    def _away(self, error: httpx.HTTPError) -> FedbedError:
        if isinstance(error, httpx.ReadTimeout):
            return CoordinatorAway(f"the coordinator at {self.url} takes too long to answer")
        if isinstance(error, httpx.RemoteProtocolError):
            return CoordinatorAway(
                f"the coordinator at {self.url} broke off, or what listens there speaks no HTTP"
            )
        distrust = trust.refusal(error, self.url, self._ca)
        if distrust is not None:
            return distrust
        return CoordinatorAway(
            f"no coordinator answers at {self.url}: start one with `fedbed coordinator`, "
            "or name another with --coordinator"
        )

    def _stranger(self) -> CoordinatorAway:
        return CoordinatorAway(
            f"what answers at {self.url} is no fedbed coordinator: "
            "name the right address with --coordinator"
        )


def _reference(bundle: bytes) -> dict[str, Any]:
    """Name a blob as the coordinator does."""
    return {"sha256": hashlib.sha256(bundle).hexdigest(), "size": len(bundle)}


def unwritable(folder: Path, error: OSError) -> UsageError:
    """Return what to say of a folder that can't take results."""
    return UsageError(
        f"can't write results to '{folder}' ({error.strerror or error}): "
        "choose another place with --output"
    )


def _checked(url: str) -> str:
    parts = urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise UsageError(
            f"--coordinator: '{url}' is no http:// or https:// address "
            "(for example http://127.0.0.1:8470)"
        )
    return url.rstrip("/")


def _part(name: str, kind: str = "run") -> str:
    """Return a name as one part of a path; NotFound for one that nothing can have.

    Servers read a quoted slash as a plain one, so that such a name would lead elsewhere.
    """
    if not _is_plain(name):
        raise NotFound(f"there is no {kind} '{name}'")
    return quote(name, safe="")


def _is_plain(name: str) -> bool:
    """Whether a name stays in the folder, or below the address, that it is put into."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
