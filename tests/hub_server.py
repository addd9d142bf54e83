"""A small hub on 127.0.0.1 that speaks enough of the protocol for the real huggingface_hub client.

`HubServer(datasets={"owner/name": {"data/train.jsonl": b"..."}})` serves repository info at a
revision, file trees and file contents with HEAD, GET, Range, ETag and X-Repo-Commit; files of
`lfs_from` bytes and more have a sha256 as large files do on the hub. Its switches let requests
fail, connections drop and files change under a commit that was given out before; `Faults` does the first
two by a seeded schedule. It takes new datasets, large files and commits from who has the token.
"""

import json
import random
import re
import threading
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

Files = Mapping[str, bytes]


def commit_of(files: Files) -> str:
    """Name the state of a repository as a commit does."""
    parts = [f"{path}\0{sha256(data).hexdigest()}\0" for path, data in sorted(files.items())]
    return sha1("".join(parts).encode()).hexdigest()


@dataclass(kw_only=True)
class Repository:
    """Branches and commits of one dataset or model."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def push(self, files: Files, branch: str = "main") -> str:
        """Make a commit of these files the head of a branch; return it."""
        commit = commit_of(files)
        self.commits[commit] = dict(files)
        self.branches[branch] = commit
        return commit

    def resolve(self, revision: str) -> str | None:
        """Return the commit of a branch, or the commit itself."""
        found = self.branches.get(revision, revision)
        return found if found in self.commits else None


class Faults:
    """Which requests fail, and how: by a seed, and never too often in a row for a patient client."""

    def __init__(self, seed: int, *, share: float = 0.5, in_a_row: int = 3) -> None:
        """Let `share` of all requests fail, each path at most `in_a_row` times one after the other."""
        self._random = random.Random(seed)  # noqa: S311 - a schedule, no secret
        self._share, self._most = share, in_a_row
        self._row: dict[str, int] = {}
        self._lock = threading.Lock()
        self.met: list[str] = []
        """What was done so far: `429`, `500`, `503`, `drop`."""

    def next(self, request: str, *, body: bool) -> str | None:
        """Return how this request fails, or None where it does not."""
        with self._lock:
            row = self._row.get(request, 0)
            fails = row < self._most and self._random.random() < self._share
            self._row[request] = row + 1 if fails else 0
            if not fails:
                return None
            self.met.append(self._random.choice(["429", "500", "503", *["drop"] * 3 * body]))
            return self.met[-1]

    def stop(self, size: int) -> int:
        """Return after how many bytes of a body the connection is lost."""
        with self._lock:
            return self._random.randrange(size)


class HubServer:
    """A hub in a thread; use it as a context manager."""

    def __init__(
        self, datasets: Mapping[str, Files], *, cards: Mapping[str, dict[str, Any]] | None = None
    ) -> None:
        """Serve each dataset's files at the head of `main`."""
        self.repositories = {name: Repository(card=dict((cards or {}).get(name, {}))) for name in datasets}
        for name, files in datasets.items():
            self.repositories[name].push(files)
        self.lfs_from = 64
        self.failures: list[int] = []
        """Statuses with which the next requests are answered, first to last."""
        self.drop_after: list[int] = []
        """Bytes of a file after which the next downloads lose their connection."""
        self.faults: Faults | None = None
        """A schedule of failures over all requests."""
        self.served: list[tuple[str, int, int]] = []
        """Of every download: path, first byte and number of bytes that were sent."""
        self.requests: list[str] = []
        self.writer = "hf_writer"
        """The token that may write."""
        self.created: list[dict[str, Any]] = []
        """What was asked of new datasets."""
        self.large: dict[str, bytes] = {}
        """Large files that were sent, by sha256; they are served below `/large/`."""
        self.large_at: str | None = None
        """Address of another server, to which one is sent for large files."""
        self.authorised: list[str] = []
        """Requests that carried a token."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def endpoint(self) -> str:
        """Address for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def repo(self, name: str) -> Repository:
        """Return a repository, to push to it or to gate it."""
        return self.repositories[name]

    def change_under_commit(self, name: str, path: str, data: bytes) -> None:
        """Change a file in every commit that has it, keeping the commits' names."""
        for files in self.repositories[name].commits.values():
            if path in files:
                files[path] = data

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_hub = hub

    return Handler


class _Handler(BaseHTTPRequestHandler):
    """One request to the hub."""

    protocol_version = "HTTP/1.1"
    server_hub: HubServer
    fault: str | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing; requests are kept in `requests`."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._take()

    def do_PUT(self) -> None:
        self._take()

    def _take(self) -> None:
        """Take what a client sends: a new dataset, large files, a commit."""
        hub, path = self.server_hub, unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = hub.failures.pop(0) if hub.failures else None
        step = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/(preupload|commit)/main", path)
        if fault:
            self._send(fault, b"busy", {})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path.startswith("/lfs/"):
            hub.large[path.removeprefix("/lfs/")] = body
            self._send(200, b"", {})
        elif self.headers.get("Authorization") != f"Bearer {hub.writer}":
            self._send(401, b"{}", {"X-Error-Message": "Invalid username or password."})
        elif path == "/api/repos/create":
            said = json.loads(body)
            name = f"{said.get('organization') or 'me'}/{said['name']}"
            if name not in hub.repositories:
                hub.repositories[name] = Repository()
                hub.repositories[name].push({})
            hub.created.append(said)
            self._json({"url": f"{hub.endpoint}/datasets/{name}", "id": name})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [self._upload(asked) for asked in json.loads(body)["objects"]]
            self._json({"transfer": "basic", "objects": objects})
        elif step and step[2] == "preupload":
            files = json.loads(body)["files"]
            self._json({"files": [self._mode(file) for file in files]})
        elif step:
            self._commit(step[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._send(404, b"", {})

    def _mode(self, file: Mapping[str, Any]) -> dict[str, Any]:
        mode = "lfs" if file["size"] >= self.server_hub.lfs_from else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}

    def _upload(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        at = {"href": f"{self.server_hub.endpoint}/lfs/{asked['oid']}"}
        return {**asked, "actions": {"upload": at}}

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        hub = self.server_hub
        repository = hub.repositories[name]
        files = dict(repository.commits[repository.branches["main"]])
        for line in lines:
            said = line["value"]
            if line["key"] == "file":
                files[said["path"]] = b64decode(said["content"])
            elif line["key"] == "lfsFile":
                files[said["path"]] = hub.large[said["oid"]]
            elif line["key"] == "deletedFile":
                del files[said["path"]]
        commit = repository.push(files)
        self._json({"commitUrl": f"{hub.endpoint}/datasets/{name}/commit/{commit}", "commitOid": commit})

    def _answer(self) -> None:
        hub = self.server_hub
        path = unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        if "Authorization" in self.headers:
            hub.authorised.append(hub.requests[-1])
        if hub.failures:
            self._send(hub.failures.pop(0), b"busy", {})
            return
        self.fault = hub.faults and hub.faults.next(
            hub.requests[-1], body="/resolve/" in path and self.command == "GET"
        )
        if self.fault and self.fault != "drop":
            self._send(int(self.fault), b"busy", {"Retry-After": "3"} if self.fault == "429" else {})
            return
        info = re.fullmatch(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/revision/(.+))?", path)
        tree = re.fullmatch(
            r"/api/(datasets|models)/([^/]+/[^/]+)/tree/((?:refs/convert/)?[^/]+)(?:/.*)?", path
        )
        file = re.fullmatch(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/((?:refs/convert/)?[^/]+)/(.+)", path)
        if tree:
            self._repo(tree[2], tree[3], self._tree)
        elif info:
            self._repo(info[2], info[3] or "main", self._info)
        elif path.startswith("/large/"):
            self._bytes(path, hub.large[path.removeprefix("/large/")], {})
        elif file:
            self._repo(file[1], file[2], lambda name, commit: self._file(name, commit, file[3]))
        else:
            self._send(404, b"", {})

    def _repo(self, name: str, revision: str, then: Any) -> None:
        """Find a repository and commit, refusing as the hub does."""
        repository = self.server_hub.repositories.get(name)
        if repository is None or repository.private:
            self._send(
                401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            )
        elif repository.gated and "Authorization" not in self.headers:
            self._send(401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})
        elif (commit := repository.resolve(revision)) is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no revision"})
        else:
            then(name, commit)

    def _info(self, name: str, commit: str) -> None:
        repository = self.server_hub.repositories[name]
        siblings = [{"rfilename": p} for p in sorted(repository.commits[commit])]
        self._json(
            {
                "id": name, "sha": commit, "private": False, "disabled": False, "downloads": 0, "likes": 0,
                "tags": [], "cardData": repository.card, "siblings": siblings,
            }
        )  # fmt: skip

    def _tree(self, name: str, commit: str) -> None:
        entries = []
        for path, data in sorted(self.server_hub.repositories[name].commits[commit].items()):
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _blob(data)}
            if len(data) >= self.server_hub.lfs_from:
                entry["lfs"] = {"oid": sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            entries.append(entry)
        self._json(entries)

    def _file(self, name: str, commit: str, path: str) -> None:
        data = self.server_hub.repositories[name].commits[commit].get(path)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return
        large = len(data) >= self.server_hub.lfs_from
        etag = sha256(data).hexdigest() if large else _blob(data)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if large and self.server_hub.large_at:
            linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
            at = {"Location": f"{self.server_hub.large_at}/large/{etag}"}
            self._send(302, b"", {**headers, **linked, **at, "ETag": '"another"'})
            return
        self._bytes(path, data, headers)

    def _bytes(self, path: str, data: bytes, headers: dict[str, str]) -> None:
        """Answer with a file, or the rest of it; break off where that is due."""
        start = 0
        if found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start = int(found[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        stop = None
        if self.command == "GET":
            hub, left = self.server_hub, len(data) - start
            if hub.drop_after:
                stop = hub.drop_after.pop(0)
            elif self.fault and hub.faults:
                stop = hub.faults.stop(left)
            hub.served.append((path, start, left if stop is None else min(stop, left)))
        self._send(206 if start else 200, data[start:], headers, stop)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], stop: int | None = None) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if stop is None else body[:stop])
        if stop is not None:
            self.wfile.flush()
            self.close_connection = True


def _blob(data: bytes) -> str:
    return sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
