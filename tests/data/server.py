"""A small HTTP server of one file, which misbehaves as it is told, one way a request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What is answered. `plan` holds one behaviour a request; after the last one, requests are answered well."""

    content: bytes
    etag: str | None = '"one"'
    plan: list[str] = field(default_factory=list)
    """`drop`: end after half of what was to come. `ignore`: no ranges. `chunked`: no length. `chunked-drop`: no length,
    and it ends early. `shifted`: a part that starts elsewhere. `swap`: a part of another version. A number: that
    answer."""
    requests: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request."""
    address: str = ""
    before: Callable[[int], None] | None = None
    """Called with the number of each request before it is answered."""


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """The server at `served.address` for the time of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    served.address = f"http://127.0.0.1:{server.server_address[1]}/files/archive.bin"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing: the tests read `requests`."""

        def do_GET(self) -> None:
            number = len(served.requests)
            served.requests.append(dict(self.headers))
            if served.before is not None:
                served.before(number)
            how = served.plan[number] if number < len(served.plan) else "well"
            self.close_connection = True
            if how.isdecimal():
                self.send_error(int(how))
                return
            body, start = served.content, 0
            expected = self.headers.get("Range")
            same = self.headers.get("If-Range") in (None, served.etag)
            if expected and how not in ("ignore", "chunked") and (same or how == "swap"):
                start = int(expected.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                start += 1 if how == "shifted" else 0
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            if served.etag is not None:
                self.send_header("ETag", served.etag)
            body = body[start:]
            if how.startswith("chunked"):
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(f"{len(body):x}\r\n".encode() + body[: len(body) // (2 if "drop" in how else 1)])
                if "drop" not in how:
                    self.wfile.write(b"\r\n0\r\n\r\n")
                return
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if how == "drop" else body)

    return Handler
