"""A small Hugging Face hub on this machine: listing, resolve, redirects to storage, ranges, and faults on demand."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "e" * 40
LARGE = (".safetensors", ".parquet", ".bin", ".model")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """What the server holds: repositories, who may read them, faults that wait, and the requests that came."""

    def __init__(self):
        self.files, self.gated, self.faults, self.requests, self.xet = {}, {}, [], [], False

    def add(self, name, revision, files, kind="models", granted=None):
        """Publish files; with ``granted`` (tokens) the repository is gated and only they may read."""
        self.files[f"{kind}/{name}", revision] = files
        if granted is not None:
            self.gated[f"{kind}/{name}"] = granted

    def fault(self, part, times=1, method="GET", **what):
        """The next requests with ``part`` in their path get ``status``, are ``cut`` at a byte, or get ``content``."""
        self.faults.append({"part": part, "times": times, "method": method, **what})

    def next_fault(self, method, path):
        for fault in self.faults:
            if fault["times"] and fault["method"] == method and fault["part"] in path:
                fault["times"] -= 1
                return fault
        return {}

    def asked(self, part, method="GET"):
        """Headers of the requests with ``part`` in their path."""
        return [headers for verb, path, headers in self.requests if verb == method and part in path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, dict(self.headers)))
        fault = self.hub.next_fault(self.command, path)
        if "status" in fault:
            return self.refuse(fault["status"], fault.get("code", ""), **fault.get("headers", {}))
        if path == "/xet-token":
            return self.refuse(418, "")
        if path.startswith("/api/"):
            kind, name, revision = path.removeprefix("/api/").replace("/tree/", " ").replace("/", " ", 1).split(" ")
            return self.listing(f"{kind}/{name}", revision)
        if path.startswith("/storage/"):
            content = next(c for files in self.hub.files.values() for c in files.values() if sha256(c) == path[9:73])
            return self.send(content, fault)
        return self.resolve(path, fault)

    def resolve(self, path, fault):
        name, rest = path.strip("/").split("/resolve/")
        revision, file = rest.split("/", 1)
        name = name if name.startswith("datasets/") else f"models/{name}"
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if name in self.hub.gated and token not in self.hub.gated[name]:
            return self.refuse(403 if token else 401, "GatedRepo")
        if (name, revision) not in self.hub.files:
            return self.refuse(404, "RevisionNotFound")
        content = self.hub.files[name, revision].get(file)
        if content is None:
            return self.refuse(404, "EntryNotFound")
        about = {"X-Repo-Commit": revision}
        if not file.endswith(LARGE):
            return self.send(content, fault, ETag=f'"{blob(content)}"', **about)
        about |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{sha256(content)}"', "Content-Length": "0"}
        if self.hub.xet:
            # Where the client may ask for content in chunks, past the hub that it was told.
            about |= {"X-Xet-Hash": sha256(content), "X-Xet-Refresh-Route": f"{self.hub.storage}/xet-token"}
        self.send_response(302)
        for key, value in {"Location": f"{self.hub.storage}/storage/{sha256(content)}/{file}", **about}.items():
            self.send_header(key, value)
        return self.end_headers()

    def listing(self, name, revision):
        if not any(known == name for known, _ in self.hub.files):
            return self.refuse(404 if self.headers.get("Authorization") else 401, "RepoNotFound")
        if (name, revision) not in self.hub.files:
            return self.refuse(404, "RevisionNotFound")
        rows = []
        for path, content in self.hub.files[name, revision].items():
            row = {"type": "file", "path": path, "size": len(content), "oid": blob(content)}
            if path.endswith(LARGE):
                row["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 130}
            rows.append(row)
        return self.send(json.dumps(rows).encode(), {}, **{"Content-Type": "application/json"})

    def send(self, content, fault, **headers):
        content = fault.get("content", content)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        headers |= {"Content-Length": str(len(content) - start), "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            end = fault.get("cut", len(content))
            self.wfile.write(content[start:end])
            self.close_connection = end < len(content)

    def refuse(self, status, code, **headers):
        self.send_response(status)
        for key, value in {"X-Error-Code": code, "Content-Length": "0", **headers}.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    """A running hub; ``url`` is its endpoint. Large files lie in a storage of another origin, as the hub's do."""
    hub = Hub()
    handler = type("Bound", (Handler,), {"hub": hub})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    hub.url, hub.storage = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
