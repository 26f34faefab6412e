"""A Hub of a few data sets on loopback, which answers as the real one does."""

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Files = Mapping[str, bytes]

OLD_COMMIT, NEW_COMMIT = "1" * 40, "2" * 40
TAG = "v1"  # the old commit
REFUSALS = {
    "owner/secret": (403, "GatedRepo"),
    "owner/down": (503, ""),
    "owner/disabled": (403, ""),
}


class StandInDataHub:
    """Serves each repository's files by commit; other names of `owner` fail in one way each.

    `owner/gated` lists its files and refuses each. `cuts` names files whose connection breaks once in the middle.
    `requests` keeps what was asked, `ranges` the parts that were asked for.
    """

    def __init__(self, repositories: Mapping[str, Mapping[str, Files]]) -> None:
        self.repositories = repositories
        self.cuts: set[str] = set()
        self.requests: list[str] = []
        self.ranges: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def downloads(self, suffix: str) -> list[str]:
        """Return the files with this ending that were asked for whole, in order."""
        return [path for path in self.requests if path.startswith("GET ") and path.endswith(suffix)]

    def close(self) -> None:
        """Stop answering; the port is closed afterwards."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: StandInDataHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            self._api("/".join(parts[2:4]), parts[4:])
        elif parts[:1] == ["datasets"] and parts[3:4] == ["resolve"]:
            self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        else:
            self._refuse(404, "RepoNotFound")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._wanted = json.loads(body)["paths"] if self.path.find("/paths-info/") > 0 else []
        self.do_GET()

    def _files_at(self, repository: str, revision: str) -> tuple[str, Files] | None:
        """Return the commit and its files, or None after a refusal."""
        if repository in REFUSALS:
            self._refuse(*REFUSALS[repository])
            return None
        commits = self.hub.repositories.get(repository)
        if commits is None:
            self._refuse(404, "RepoNotFound")
            return None
        commit = {"main": NEW_COMMIT, TAG: OLD_COMMIT}.get(revision, revision)
        if commit not in commits:
            self._refuse(404, "RevisionNotFound")
            return None
        return commit, commits[commit]

    def _api(self, repository: str, parts: list[str]) -> None:
        """Answer `/api/datasets/owner/name[/revision|tree|paths-info/<revision>[/<folder>]]`."""
        found = self._files_at(repository, parts[1] if len(parts) > 1 else "main")
        if found is None:
            return
        commit, files = found
        match parts[:1]:
            case ["tree"]:
                folder = "/".join(parts[2:])
                self._json([_entry(name, data) for name, data in files.items() if not folder or name == folder])
            case ["paths-info"]:
                self._json([_entry(name, files[name]) for name in self._wanted if name in files])
            case _:
                licence = {"license": "cc0-1.0"} if repository == "owner/prompts" else {}
                self._json({"id": repository, "sha": commit, "cardData": licence, "siblings": []})

    def _file(self, repository: str, revision: str, name: str) -> None:
        found = self._files_at(repository, revision)
        if found is None:
            return
        commit, files = found
        if name not in files:
            self._refuse(404, "EntryNotFound")
        elif repository == "owner/gated":
            self._refuse(401, "GatedRepo")
        else:
            self._send_file(commit, name, files[name])

    def _send_file(self, commit: str, name: str, data: bytes) -> None:
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if asked:
            self.hub.ranges.append(asked)
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        is_cut = self.command == "GET" and name in self.hub.cuts
        self.hub.cuts -= {name} if is_cut else set()
        self._send(data[start:], 206 if asked else 200, headers, num_sent=len(data) // 2 if is_cut else None)

    def _json(self, value: object) -> None:
        self._send(json.dumps(value).encode(), 200, {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str) -> None:
        self._send(b"{}", status, {"X-Error-Code": code} if code else {})

    def _send(self, body: bytes, status: int, headers: dict[str, str], *, num_sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:num_sent])
        self.close_connection = num_sent is not None

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def _entry(name: str, data: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
