"""A STAC API on the loopback, over a folder of items: landing page, search by GET and POST in pages, and the files."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlencode, urlparse

CORE = "https://api.stacspec.org/v1.0.0/core"
SEARCH = "https://api.stacspec.org/v1.0.0/item-search"
PAGE = 2


class StacServer:
    """Serves ``items`` (dicts) and the files below ``folder``; ``lacking`` is the answer for a file that is not there,
    ``closed`` are those that it gives to nobody, with the status that it answers. ``requests`` are what was asked, by
    method and path."""

    def __init__(self, folder: Path, items: list[dict], post: bool) -> None:
        self.folder, self.items, self.post = folder, items, post
        self.requests: list[str] = []
        self.lacking = 404
        self.closed: dict[str, int] = {}
        self.url = ""

    def landing(self) -> dict:
        methods = ["GET", "POST"] if self.post else ["GET"]
        links = [{"rel": "search", "href": f"{self.url}/search", "method": m, "type": "application/geo+json"}
                 for m in methods]  # fmt: skip
        return {"type": "Catalog", "stac_version": "1.0.0", "id": "loopback", "description": "-",
                "conformsTo": [CORE, SEARCH], "links": [{"rel": "self", "href": self.url}, *links]}  # fmt: skip

    def search(self, asked: dict, method: str) -> dict:
        """The page that ``asked`` wants, with a link to the next one where there is more."""
        found = [item for item in self.items if _meets(item, asked)]
        start = int(asked.get("token", 0))
        links = []
        if start + PAGE < len(found):
            following = asked | {"token": start + PAGE}
            links = [
                {"rel": "next", "method": "POST", "href": f"{self.url}/search", "body": following}
                if method == "POST"
                else {"rel": "next", "method": "GET", "href": f"{self.url}/search?{urlencode(following)}"}
            ]
        return {"type": "FeatureCollection", "features": found[start : start + PAGE], "links": links}


def _meets(item: dict, asked: dict) -> bool:
    collections, bbox, span = (asked.get(key) for key in ("collections", "bbox", "datetime"))
    collections = collections.split(",") if isinstance(collections, str) else collections
    west, south, east, north = map(float, bbox.split(",") if isinstance(bbox, str) else bbox)
    first, last = span.split("/")
    left, bottom, right, top = item["bbox"]
    return (
        item["collection"] in collections
        and first[:10] <= item["properties"]["datetime"][:10] <= last[:10]
        and left <= east and right >= west and bottom <= north and top >= south
    )  # fmt: skip


@contextmanager
def serving(folder: Path, items: list[dict], post: bool = True) -> Iterator[StacServer]:
    """A server on a free port until the block ends."""
    stac = StacServer(folder, items, post)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlparse(self.path)
            stac.requests.append(f"GET {asked.path}")
            file = stac.folder / unquote(asked.path.removeprefix("/files/"))
            if asked.path == "/search":
                self._json(stac.search({key: value[0] for key, value in parse_qs(asked.query).items()}, "GET"))
            elif file.name in stac.closed:
                self._send(stac.closed[file.name], b"{}", "application/json")
            elif asked.path.startswith("/files/") and file.is_file():
                self._send(200, file.read_bytes(), "application/octet-stream")
            elif asked.path == "/":
                self._json(stac.landing())
            else:
                self._send(stac.lacking, b"{}", "application/json")

        def do_POST(self) -> None:
            stac.requests.append(f"POST {self.path}")
            self._json(stac.search(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), "POST"))

        def _json(self, content: dict) -> None:
            self._send(200, json.dumps(content).encode(), "application/geo+json")

        def _send(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stac.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stac
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
