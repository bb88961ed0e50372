"""A hub on loopback, as huggingface.co answers, with faults to order.

Two servers: the hub itself (metadata, small files, redirects) and the storage
it redirects to, on a port of its own, which is another origin. Both keep a log
of what they were asked. `plan` holds answers that replace the usual ones, each
used once, in order.
"""

import hashlib
import http.server
import json
import threading
import urllib.parse


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.serve()

    def do_GET(self):
        self.serve()

    def serve(self):
        server = self.server
        server.log.append((self.command, self.path, dict(self.headers)))
        for order in list(server.plan):
            if order.fits(self):
                if order.once:
                    server.plan.remove(order)
                return order.answer(self)
        server.usual(self)

    def send(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in dict(headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def send_range(self, data, headers=()):
        wanted = self.headers.get("Range")
        if not wanted:
            return self.send(200, headers, data)
        start = int(wanted[len("bytes="):].split("-")[0])
        if start >= len(data):
            return self.send(416, [("Content-Range", "bytes */%d" % len(data))])
        place = "bytes %d-%d/%d" % (start, len(data) - 1, len(data))
        self.send(206, [("Content-Range", place), *headers], data[start:])


class Order:
    """An answer to order: for requests of `method` whose path has `part`."""

    def __init__(self, answer, method=None, part="", once=True):
        self.answer, self.method, self.part = answer, method, part
        self.once = once

    def fits(self, request):
        return (self.method in (None, request.command)
                and self.part in request.path)


def status(code, *headers):
    return lambda request: request.send(code, headers)


def cut_after(count):
    """The usual answer of the storage, but the line breaks after `count`."""

    def answer(request):
        data = request.server.blob(request)
        start = 0
        if "Range" in request.headers:
            start = int(request.headers["Range"][6:].split("-")[0])
        rest = data[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(rest)))
        if start:
            request.send_header("Content-Range", "bytes %d-%d/%d" % (
                start, len(data) - 1, len(data)))
        request.end_headers()
        request.wfile.write(rest[:count])
        request.close_connection = True

    return answer


def stall_after(count, seconds, again=None):
    """The same, but the line stays open and silent, until `again` is set."""

    def answer(request):
        cut_after(count)(request)
        request.wfile.flush()
        (again or threading.Event()).wait(seconds)

    return answer


def body(data, *headers):
    return lambda request: request.send(200, headers, data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.log, self.plan = [], []
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, kwargs={
            "poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, *_):
        pass  # a client that has heard enough hangs up

    def order(self, answer, method=None, part="", once=True):
        self.plan.append(Order(answer, method, part, once))

    def asked(self, method, part=""):
        return [path for m, path, _ in self.log if m == method and part in path]

    def close(self):
        self.shutdown()
        self.server_close()


class Storage(Server):
    """Large files by their sha256."""

    def __init__(self):
        super().__init__()
        self.blobs = {}

    def blob(self, request):
        return self.blobs[request.path.split("?")[0].strip("/")]

    def usual(self, request):
        request.send_range(self.blob(request))


class Hub(Server):
    def __init__(self):
        super().__init__()
        self.storage = Storage()
        self.repos = {}  # id -> {"refs": {name: commit}, commit: {file: bytes}}

    def close(self):
        self.storage.close()
        super().close()

    def add(self, repo, commit, files, ref="main"):
        entry = self.repos.setdefault(repo, {"refs": {}})
        entry["refs"][ref] = commit
        entry[commit] = files
        for data in files.values():
            self.storage.blobs[sha256(data)] = data

    def usual(self, request):
        path = request.path.split("?")[0]
        if path.startswith("/api/resolve-cache/models/"):
            owner, name, commit, file = path.split("/")[4:]
            data = self.repos[owner + "/" + name][commit][file]
            return request.send_range(data, [("ETag", '"%s"' % git_hash(data)),
                                             ("X-Repo-Commit", commit)])
        owner, name, resolve, revision, file = path.strip("/").split("/")
        assert resolve == "resolve", path
        repo = self.repos.get(owner + "/" + name)
        if repo is None:
            return request.send(401, [("X-Error-Code", "RepoNotFound")])
        revision = urllib.parse.unquote(revision)
        commit = repo["refs"].get(revision, revision)
        if commit not in repo:
            return request.send(404, [("X-Error-Code", "RevisionNotFound")])
        if file not in repo[commit]:
            return request.send(404, [("X-Error-Code", "EntryNotFound"),
                                      ("X-Repo-Commit", commit)])
        self.redirect(request, owner + "/" + name, commit, file,
                      repo[commit][file])

    def redirect(self, request, repo, commit, file, data):
        large = file.endswith(".safetensors")
        etag = sha256(data) if large else git_hash(data)
        if large:
            place = "%s/%s?signature=x" % (self.storage.url, etag)
        else:
            place = "/api/resolve-cache/models/%s/%s/%s" % (repo, commit, file)
        request.send(302 if large else 307, [
            ("X-Repo-Commit", commit), ("X-Linked-Size", str(len(data))),
            ("X-Linked-Etag", '"%s"' % etag), ("Location", place),
            ("ETag", 'W/"11-of-this-redirect"')],
            b"Found. Redirecting")


def tiny_model(model_type, weights=b"w" * 300000, shards=0):
    """The files of a repository; the weights are bytes of no meaning."""
    files = {"config.json": json.dumps({"model_type": model_type}).encode(),
             "preprocessor_config.json": b'{"size": 224}'}
    if model_type == "clip":
        files["vocab.json"] = b'{"a": 0}'
        files["merges.txt"] = b"#version: 0.2\n"
    if not shards:
        files["model.safetensors"] = weights
        return files
    names = ["model-%05d-of-%05d.safetensors" % (i + 1, shards)
             for i in range(shards)]
    for number, name in enumerate(names):
        files[name] = weights + bytes([number])
    files["model.safetensors.index.json"] = json.dumps(
        {"weight_map": {"t%d" % i: n for i, n in enumerate(names * 2)}}
    ).encode()
    return files
