"""A stand-in for the Hugging Face hub: the part of its API that huggingface_hub calls to create a
repository, to push files in one commit, and to fetch them. Large files go the way of git LFS; with
``xet``, that of hf_xet, which the hub prefers.
"""

import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_tests"
LARGE = 100_000


@dataclass
class Repository:
    private: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    def __post_init__(self):
        self.commit({".gitattributes": b"*.safetensors filter=lfs\n"})

    def commit(self, files):
        text = json.dumps([len(self.commits), {k: sha256(v).hexdigest() for k, v in files.items()}])
        self.commits.append((sha1(text.encode()).hexdigest(), files))
        return self.commits[-1][0]

    def at(self, revision):
        if revision in ("main", "HEAD"):
            return self.commits[-1]
        return next((one for one in self.commits if one[0] == revision), None)

    @property
    def files(self):
        return self.commits[-1][1]


class HubServer(ThreadingHTTPServer):
    """``faults``: the start of a method and path → a status, or ``"cut"``: the connection ends.

    ``lost``: the same, after what was asked for is done, as of a gateway. ``unsaid``: what it does
    not say about a repository. ``xet``: where large files go; None: git LFS.
    """

    daemon_threads = True

    def __init__(self, xet):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.xet = xet
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.storage = f"http://localhost:{self.server_port}"  # elsewhere, as that of the hub
        self.repositories, self.large, self.requests = {}, {}, []
        self.faults, self.lost, self.unsaid = {}, {}, set()

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""


@contextmanager
def hub(xet=None):
    server = HubServer(xet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use_hub(patch, url, cache, xet=False):
    """Let huggingface_hub, which has read its environment already, take a server for the hub."""
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
    patch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
    patch.delenv("HF_TOKEN", raising=False)
    patch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args): ...

    def do_GET(self):
        self.answered()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the server looks for these names

    def answered(self):
        path = unquote(urlsplit(self.path).path)
        self.body = self.read_body()
        self.server.requests.append((self.command, path, dict(self.headers)))
        self.lost = self.fault(self.server.lost, path)
        if fault := self.fault(self.server.faults, path):
            return self.fail(fault)
        if path.startswith("/large/"):  # storage: its addresses are signed
            return self.storage(path.removeprefix("/large/"))
        signed_in = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.headers.get("Authorization") and not signed_in:
            return self.fail(401)
        if path == "/api/validate-yaml":
            return self.validate()
        if path == "/api/repos/create":
            return self.create() if signed_in else self.fail(401)
        return self.repository(path, signed_in)

    def fault(self, faults, path):
        what = f"{self.command} {path}"
        return next((fault for start, fault in faults.items() if what.startswith(start)), None)

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def repository(self, path, signed_in):
        name, _, rest = self.split(path)
        found = self.server.repositories.get(name)
        if found is None or (found.private and not signed_in):
            return self.json(
                {"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"}
            )
        verb, _, revision = rest.partition("/")
        if verb == "resolve":
            revision, _, file = revision.partition("/")
            return self.resolve(name, found, revision, file)
        if verb.startswith("xet-"):
            return self.xet_token(signed_in or verb == "xet-read-token")
        if verb == "" or verb == "revision":
            return self.info(name, found, revision or "main")
        if verb == "tree":
            return self.json([self.entry(*one) for one in found.at(revision)[1].items()])
        if not signed_in:
            return self.fail(401)
        verbs = {"preupload": self.preupload, "commit": self.commit, "info": self.batch}
        return verbs[verb](name, found)

    @staticmethod
    def split(path):
        """The name of a repository, and what stands behind it."""
        parts = path.removeprefix("/api/models").lstrip("/").split("/")
        return f"{parts[0]}/{parts[1].removesuffix('.git')}", "", "/".join(parts[2:])

    def create(self):
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if name in self.server.repositories:
            return self.json({"error": "You already created this model repo"}, 409)
        private = asked.get("visibility") == "private" or asked.get("private", False)
        self.server.repositories[name] = Repository(private=private)
        return self.json({"url": f"{self.server.url}/{name}"})

    def validate(self):
        """As the hub: a card begins with YAML, and its licence is one that the hub knows."""
        content = json.loads(self.body)["content"]
        about = yaml.safe_load(content.split("---\n")[1])
        errors = [] if "license" in about else [{"message": '"license" is required'}]
        return self.json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def info(self, name, found, revision):
        at = found.at(revision)
        if at is None:
            return self.json(
                {"error": "no such revision"}, 404, {"X-Error-Code": "RevisionNotFound"}
            )
        files = [{"rfilename": name, "size": len(data)} for name, data in at[1].items()]
        about = {
            "id": name, "modelId": name, "sha": at[0], "private": found.private, "siblings": files,
            "tags": [], "downloads": 0, "likes": 0,
        }  # fmt: skip
        return self.json({key: about[key] for key in about.keys() - self.server.unsaid})

    def preupload(self, name, found):
        files = json.loads(self.body)["files"]
        modes = [
            {"path": f["path"], "uploadMode": "lfs" if f["size"] >= LARGE else "regular",
             "shouldIgnore": False, "oid": None}
            for f in files
        ]  # fmt: skip
        return self.json({"files": modes})

    def xet_token(self, allowed):
        if self.server.xet is None:
            return self.fail(404)
        about, headers = self.server.xet.token
        return self.json(about, headers=headers) if allowed else self.fail(401)

    def batch(self, name, found):
        asked = json.loads(self.body)
        # The versions before 2 ask here, which way the server prefers.
        if self.server.xet is not None and "xet" in asked.get("transfers", ()):
            return self.json({"transfer": "xet", "objects": asked["objects"]})
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.server.url}/large/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        return self.json({"transfer": "basic", "objects": objects})

    def storage(self, oid):
        if self.command == "PUT":
            assert sha256(self.body).hexdigest() == oid
            self.server.large[oid] = self.body
            return self.send(b"")
        return self.send(self.server.large[oid])

    def commit(self, name, found):
        files = dict(found.files)
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                if value.get("parentCommit") not in (None, found.at("main")[0]):
                    return self.json({"error": "A commit has happened since"}, 412)
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.stored(value["oid"])
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        oid = found.commit(files)
        return self.json({"commitUrl": f"{self.server.url}/{name}/commit/{oid}", "commitOid": oid})

    def stored(self, oid):
        """The content of a large file, whichever way it came."""
        xet, large = self.server.xet, self.server.large
        return large[oid] if oid in large or xet is None else xet.read(oid)

    def resolve(self, name, found, revision, file):
        at = found.at(revision)
        if at is None:
            return self.json(
                {"error": "no such revision"}, 404, {"X-Error-Code": "RevisionNotFound"}
            )
        if file not in at[1]:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": at[0]}
            return self.json({"error": "Entry not found"}, 404, headers)
        data = at[1][file]
        digest = sha256(data).hexdigest()
        self.server.large[digest] = data
        headers = {"X-Repo-Commit": at[0], "ETag": f'"{digest}"'}
        if len(data) < LARGE:
            return self.send(data, headers=headers)
        more = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data)),
                "Location": f"{self.server.storage}/large/{digest}"}  # fmt: skip
        if self.server.xet is not None and digest in (stored := self.server.xet.files()):
            more["X-Xet-Hash"] = stored[digest][0]
            route = f"{self.server.url}/api/models/{name}/xet-read-token/{at[0]}"
            more["Link"] = f'<{route}>; rel="xet-auth"'
        return self.send(b"", 302, headers | more)

    @staticmethod
    def entry(path, data):
        return {"type": "file", "path": path, "size": len(data), "oid": sha1(data).hexdigest()}

    def fail(self, fault):
        if fault == "cut":
            self.close_connection = True
            self.connection.close()
            return None
        return self.json({"error": "no"}, fault)

    def json(self, value, status=200, headers=()):
        return self.send(json.dumps(value).encode(), status, dict(headers), "application/json")

    def send(self, body, status=200, headers=(), kind="application/octet-stream"):
        fault, self.lost = self.lost, None
        if fault:
            return self.fail(fault)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        return self.wfile.write(b"" if self.command == "HEAD" else body)


if __name__ == "__main__":
    with hub() as server:
        print(server.url, flush=True)
        threading.Event().wait()
