"""A model Hub of a few repositories on loopback, which answers as the real one does."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class StandInHub:
    """Serves `folder` as `owner/tiny`; other names of `owner` fail in one way each. `requests` keeps what was asked.

    `owner/gated` lists its files and refuses each, `owner/secret` refuses at once, `owner/down` answers 503,
    `owner/disabled` 403, everything else is unknown. The only revisions are `main` and the commit.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"folder": folder, "requests": self.requests})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering; the port is closed afterwards."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    folder: ClassVar[Path]
    requests: ClassVar[list[str]]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.requests.append(path)
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._api(parts[2:])
        else:
            self._file(parts)

    do_HEAD = do_GET

    def _api(self, parts: list[str]) -> None:
        repository, revision = "/".join(parts[:2]), parts[3] if len(parts) > 3 else "main"
        if repository == "owner/down":
            self._refuse(503, "")
        elif repository == "owner/disabled":
            self._refuse(403, "", "Access to this resource is disabled.")
        elif repository == "owner/secret":
            self._refuse(403, "GatedRepo")
        elif repository not in ("owner/tiny", "owner/gated"):
            self._refuse(404, "RepoNotFound")
        elif revision not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif "tree" in parts:
            self._send(json.dumps([self._entry(file) for file in sorted(self.folder.iterdir())]).encode())
        else:
            self._send(json.dumps({"id": repository, "modelId": repository, "sha": COMMIT, "siblings": []}).encode())

    def _entry(self, file: Path) -> dict[str, object]:
        data = file.read_bytes()
        return {"type": "file", "path": file.name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    def _file(self, parts: list[str]) -> None:
        file = self.folder / parts[-1]
        if parts[:2] == ["owner", "gated"]:
            self._refuse(401, "GatedRepo")
        elif parts[:3] == ["owner", "tiny", "resolve"] and file.is_file():
            self._send(file.read_bytes())
        else:
            self._refuse(404, "EntryNotFound")

    def _refuse(self, status: int, code: str, message: str = "") -> None:
        self._send(b"{}", status, {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        etag = hashlib.sha1(body).hexdigest()
        for name, value in {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""
