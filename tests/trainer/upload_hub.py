"""A Hub on loopback that takes uploads into memory, as the real one does: small files into git, large ones into LFS."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

TOKEN = "hf_of_a_test"
LARGE_SUFFIXES = (".safetensors", ".png")


class Repository:
    """Files by name, and how many commits made them."""

    def __init__(self, *, is_private: bool) -> None:
        self.is_private = is_private
        self.files: dict[str, bytes] = {".gitattributes": b"*.safetensors filter=lfs\n"}
        self.num_commits = 1

    @property
    def commit(self) -> str:
        return f"{self.num_commits:040x}"


class UploadHub:
    """Serves `repositories`; writing needs the token, and `owner/locked` may not be written even so.

    `owner/down` answers 503 and `owner/silent` hangs up. `large` keeps what LFS was sent.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering; the port is closed afterwards."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _entry(name: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": blob}
    if name.endswith(LARGE_SUFFIXES):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[UploadHub]

    def do_GET(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        repository = self._repository(parts[2:4])
        if repository is None:
            return
        if "tree" in parts:
            self._send([_entry(name, content) for name, content in sorted(repository.files.items())])
        else:
            self._send({"id": "/".join(parts[2:4]), "sha": repository.commit, "siblings": []})

    def do_POST(self) -> None:
        is_chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self._chunks() if is_chunked else self.rfile.read(int(self.headers["Content-Length"]))
        path = urlsplit(self.path).path
        parts = path.strip("/").split("/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._refuse(401)
        elif path == "/api/repos/create" and b'"locked"' in body:
            self._refuse(403)
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._send({"errors": [], "warnings": []})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._offer_uploads(json.loads(body)["objects"])
        elif (repository := self._repository(parts[2:4])) is not None and "preupload" in parts:
            self._choose_ways(json.loads(body)["files"])
        elif repository is not None:
            self._commit(repository, [json.loads(line) for line in body.splitlines() if line])

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.large[hashlib.sha256(content).hexdigest()] = content
        self._send({})

    def _repository(self, parts: list[str]) -> Repository | None:
        name = "/".join(parts)
        if name == "owner/silent":
            self.close_connection = True
            return None
        if name == "owner/down":
            self._refuse(503)
            return None
        if name not in self.hub.repositories:
            self._refuse(404, "RepoNotFound")
            return None
        return self.hub.repositories[name]

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        self.hub.repositories[name] = Repository(is_private=wanted.get("visibility") == "private")
        self._send({"url": f"{self.hub.address}/{name}", "name": name})

    def _choose_ways(self, files: list[dict[str, Any]]) -> None:
        ways = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE_SUFFIXES) else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
        self._send({"files": ways})

    def _offer_uploads(self, objects: list[dict[str, Any]]) -> None:
        offers = [
            {**item, "actions": {"upload": {"href": f"{self.hub.address}/large/{item['oid']}"}}} for item in objects
        ]
        self._send({"transfer": "basic", "objects": offers})

    def _commit(self, repository: Repository, lines: list[dict[str, Any]]) -> None:
        header, *operations = [line["value"] for line in lines]
        if header.get("parentCommit", repository.commit) != repository.commit:
            self._refuse(412)
            return
        for operation in operations:
            is_small = "content" in operation
            content = base64.b64decode(operation["content"]) if is_small else self.hub.large[operation["oid"]]
            repository.files[operation["path"]] = content
        repository.num_commits += 1
        self._send({"success": True, "commitOid": repository.commit, "commitUrl": f"{self.hub.address}/o/n/commit/1"})

    def _chunks(self) -> bytes:
        """Read a body of unknown length, which comes in chunks."""
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _refuse(self, status: int, code: str = "") -> None:
        self._send({"error": "refused"}, status, code)

    def _send(self, value: Any, status: int = 200, code: str = "") -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""
