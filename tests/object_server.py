"""A small object store on 127.0.0.1 that speaks enough of S3 for pyarrow's client.

`ObjectServer({"bucket": {"key": b"..."}})` serves HEAD and GET with ranges, ETags, listings by prefix, PUT
and multipart uploads. It checks no signature, only the access key, which a bucket named `public` does not
need. Its switches let requests fail and connections drop.
"""

import re
import threading
from collections.abc import Mapping
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY = "AKIAEXAMPLE"
"""The access key that the server knows."""


class ObjectServer:
    """A store in a thread; use it as a context manager."""

    def __init__(self, buckets: Mapping[str, Mapping[str, bytes]]) -> None:
        """Serve buckets of objects."""
        self.buckets = {name: dict(objects) for name, objects in buckets.items()}
        self.failures: list[int] = []
        """Statuses with which the next requests for bytes are answered."""
        self.drop_after: list[int] = []
        """Bytes after which the next answers to requests for bytes break off."""
        self.served: list[tuple[str, int, int]] = []
        """Of every request for bytes: key, first byte and number of bytes that were sent."""
        self.requests: list[str] = []
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def endpoint(self) -> str:
        """Address for AWS_ENDPOINT_URL and GS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    store: ObjectServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing; requests are kept in `requests`."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.store.requests.append(f"{self.command} {unquote(self.path)}")
        self.body = self._read_body()
        bucket, _, key = unquote(parts.path).strip("/").partition("/")
        signed = self.headers.get("Authorization", "")
        if f"Credential={KEY}/" not in signed and (bucket != "public" or signed):
            self._refuse(403, "InvalidAccessKeyId" if signed else "AccessDenied")
        elif bucket not in self.store.buckets:
            self._refuse(404, "NoSuchBucket")
        elif key:
            self._s3_object(self.store.buckets[bucket], key)
        else:
            self._s3_list(self.store.buckets[bucket])

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        whole = b""
        while body:
            head, _, body = body.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            whole, body = whole + body[:size], body[size + 2 :]
            if not size:
                break
        return whole

    def _s3_object(self, objects: dict[str, bytes], key: str) -> None:
        if self.command == "POST" and "uploads" in self.query:
            number = f"upload-{len(self.store.uploads)}"
            self.store.uploads[number] = {}
            self._xml(
                f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
            )
        elif self.command == "PUT" and "uploadId" in self.query:
            self.store.uploads[self.query["uploadId"]][int(self.query["partNumber"])] = self.body
            self._send(200, b"", {"ETag": f'"{md5(self.body).hexdigest()}"'})
        elif self.command == "POST":
            pieces = self.store.uploads.pop(self.query["uploadId"])
            objects[key] = b"".join(pieces[n] for n in sorted(pieces))
            self._xml(
                f"<CompleteMultipartUploadResult><Key>{escape(key)}</Key><ETag>&quot;{_etag(objects[key])}&quot;"
                "</ETag></CompleteMultipartUploadResult>"
            )
        elif self.command == "PUT":
            objects[key] = self.body
            self._send(200, b"", {"ETag": f'"{_etag(self.body)}"'})
        elif key not in objects:
            self._refuse(404, "NoSuchKey")
        else:
            self._bytes(key, objects[key])

    def _bytes(self, key: str, data: bytes) -> None:
        """Answer with an object, or a range of it."""
        headers = {"ETag": f'"{_etag(data)}"', "Accept-Ranges": "bytes"}
        headers |= {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        start, end = 0, len(data) - 1
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(found[1]), min(int(found[2] or end), end)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        part, stop = data[start : end + 1], None
        if self.command == "GET":
            if self.store.failures:
                self._refuse(self.store.failures.pop(0), "SlowDown")
                return
            stop = self.store.drop_after.pop(0) if self.store.drop_after else None
            self.store.served.append((key, start, len(part[:stop])))
        self._send(206 if found else 200, part, headers, stop)

    def _s3_list(self, objects: dict[str, bytes]) -> None:
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter")
        keys = [key for key in sorted(objects) if key.startswith(prefix)]
        folders = sorted(
            {f"{prefix}{k[len(prefix) :].split('/')[0]}/" for k in keys if "/" in k[len(prefix) :]}
        )
        if delimiter:
            keys = [key for key in keys if "/" not in key[len(prefix) :]]
        found = "".join(
            f"<Contents><Key>{escape(k)}</Key><Size>{len(objects[k])}</Size><ETag>{_etag(objects[k])}</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for k in keys
        )
        found += "".join(
            f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders if delimiter
        )
        self._xml(
            f"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>{len(keys)}</KeyCount>{found}"
            "</ListBucketResult>"
        )

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode(), {})

    def _xml(self, text: str) -> None:
        body = f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
        self._send(200, body, {"Content-Type": "application/xml"})

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


def _etag(data: bytes) -> str:
    return md5(data).hexdigest()
