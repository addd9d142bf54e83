"""Buckets: the objects of s3:// and gs://, listed, looked at, read and written.

The one idea: pyarrow brings a client of S3, and Google's store answers it too (its XML API, with HMAC keys),
so an object is a path of one kind of file system; what this module adds is what an object is at one moment
(size and ETag), reading from an offset on, and plain words for what a store refuses. Keys and addresses come
from the environment. It knows nothing of datasets, and no message holds a key.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tulu_data.errors import SourceError
from tulu_data.sources.patience import Trouble, patiently

SCHEMES = ("s3", "gs")
_READ = 8 << 20
"""Bytes of one request."""
_PART = 10 << 20
"""Bytes of the parts in which the client sends a large object."""
_URI = re.compile(r"(?P<scheme>s3|gs)://(?P<bucket>[^/]+)/?(?P<key>.*)")
_CODE = re.compile(r"AWS Error ([A-Z0-9_]+)")
_BUSY = frozenset({"SLOW_DOWN", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE", "THROTTLING", "REQUEST_TIMEOUT"})
_REFUSED = frozenset(
    {
        "ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE",
        "MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT", "INVALID_CLIENT_TOKEN_ID",
    }
)  # fmt: skip

T = TypeVar("T")


class _Store(NamedTuple):
    """Where a store is, and where its keys stand."""

    name: str
    address: tuple[str, ...]
    """Variables that name another address than the public one."""
    public: str | None
    """The public address, where it is not the client's own."""
    unsigned: str
    """Variable that says that a bucket is public."""
    keys: tuple[str, str] | None
    """Variables of the keys, where the client does not look for them itself."""
    wanted: str
    """What would do where access is refused."""


_STORES = {
    "s3": _Store(
        "Amazon S3", ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), None, "AWS_NO_SIGN_REQUEST", None,
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE) to keys that may",
    ),
    "gs": _Store(
        "Google Cloud Storage", ("GS_ENDPOINT_URL",), "https://storage.googleapis.com", "GS_NO_SIGN_REQUEST",
        ("GS_ACCESS_KEY_ID", "GS_SECRET_ACCESS_KEY"),
        "set GS_ACCESS_KEY_ID and GS_SECRET_ACCESS_KEY to HMAC keys that may",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An object, or all whose keys begin alike."""

    scheme: str
    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Place":
        """Read `s3://bucket/key`; raise SourceError when it is not of this form."""
        found = _URI.fullmatch(uri)
        if found is None:
            raise SourceError(f"{uri!r}: expected s3://bucket/key or gs://bucket/key")
        return cls(scheme=found["scheme"], bucket=found["bucket"], key=found["key"])

    @property
    def path(self) -> str:
        """Path in the store's file system."""
        return f"{self.bucket}/{self.key}".rstrip("/")

    @property
    def uri(self) -> str:
        """The place in one word."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def at(self, key: str) -> "Place":
        """Return another object of the same bucket."""
        return Place(scheme=self.scheme, bucket=self.bucket, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an object is at one moment."""

    size: int
    etag: str


class OtherObjectError(Exception):
    """An object is not in the state any more in which it was looked at."""


def keys_below(place: Place) -> dict[str, int]:
    """Return the size of every object at or below a key, by key, sorted; empty where there is none."""
    from pyarrow.fs import FileSelector, FileType

    def ask() -> list[Any]:
        one = _filesystem(place).get_file_info(place.path) if place.key else None
        if one is not None and one.type == FileType.File:
            return [one]
        below = FileSelector(place.path, recursive=True, allow_not_found=bool(place.key))
        return [info for info in _filesystem(place).get_file_info(below) if info.type == FileType.File]

    found = asked(place, ask)
    return {info.path.partition("/")[2]: info.size for info in sorted(found, key=lambda info: info.path)}


def look_at(place: Place) -> Facts | None:
    """Return what an object is now, or None where there is none."""

    def ask() -> Facts | None:
        try:
            with _filesystem(place).open_input_file(place.path) as file:
                return _facts(file)
        except FileNotFoundError:
            return None

    return asked(place, ask)


def read_from(place: Place, facts: Facts, start: int) -> Iterator[bytes]:
    """Yield the bytes of an object from an offset on; raise OtherObjectError where it is another by now."""
    with _filesystem(place).open_input_file(place.path) as file:
        if _facts(file) != facts:
            raise OtherObjectError(place.uri)
        for at in range(start, facts.size, _READ):
            yield file.read_at(min(_READ, facts.size - at), at)


def write_object(place: Place, path: Path) -> None:
    """Put the bytes of a file into an object."""

    def ask() -> None:
        with path.open("rb") as file, _filesystem(place).open_output_stream(place.path) as sink:
            while chunk := file.read(_READ):
                sink.write(chunk)

    asked(place, ask)


def is_same(place: Place, path: Path) -> bool:
    """Tell whether an object holds the bytes of a file, as its ETag tells."""
    facts = look_at(place)
    if facts is None or facts.size != path.stat().st_size:
        return False
    whole, parts = hashlib.md5(usedforsecurity=False), list[bytes]()
    with path.open("rb") as file:
        while chunk := file.read(_PART):
            whole.update(chunk)
            parts.append(hashlib.md5(chunk, usedforsecurity=False).digest())
    in_parts = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return facts.etag in (whole.hexdigest(), f"{in_parts}-{len(parts)}")


def asked(place: Place, ask: Callable[[], T]) -> T:
    """Ask the store; wait a little where it is busy, and put into words what it refuses."""
    try:
        return patiently(place.uri, ask, trouble)
    except OSError as error:
        raise explained(place, error) from None


def trouble(error: Exception) -> Trouble | None:
    """Say what met a request, where another try may do."""
    code = _code(error)
    return Trouble(code.lower().replace("_", " ")) if code in _BUSY else None


def lost(error: Exception) -> Trouble | None:
    """Say what met a download, in which a lost connection is passing trouble too."""
    return Trouble("the connection was lost") if _code(error) == "NETWORK_CONNECTION" else trouble(error)


def explained(place: Place, error: Exception) -> SourceError:
    """Put a failure into words."""
    store, code = _STORES[place.scheme], _code(error)
    at = address_of(place.scheme) or store.name
    if isinstance(error, FileNotFoundError) or code in {"NO_SUCH_BUCKET", "RESOURCE_NOT_FOUND"}:
        text = f"no such bucket or object at {at}; check the name"
    elif code in _REFUSED:
        text = f"is refused by {at} ({code}); {store.wanted}, or {store.unsigned}=1 for a public bucket"
    elif code == "NETWORK_CONNECTION":
        text = f"cannot be had: no connection to {at}; connect to a network and run the command again"
    elif code in _BUSY:
        text = f"cannot be had now: {at} is busy ({code}); try again later"
    else:
        text = f"cannot be had: {at} says {code or type(error).__name__}"
    return SourceError(f"{place.uri}: {text}")


def address_of(scheme: str) -> str | None:
    """Return the address of a store, where it is not the client's own."""
    store = _STORES[scheme]
    return next((found for name in store.address if (found := os.environ.get(name))), store.public)


def _code(error: Exception) -> str | None:
    """Return the word by which a store names a failure."""
    found = _CODE.search(str(error))
    return found[1] if found else None


def _facts(file: Any) -> Facts:
    """Return size and ETag of an opened object."""
    etag = file.metadata().get("ETag", b"")
    return Facts(size=file.size(), etag=etag.decode().strip('"'))


def _filesystem(place: Place) -> Any:
    # What the environment says enters the key: it may change within a process.
    said = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(("AWS_", "GS_"))))
    return _opened(place.scheme, place.bucket, said)


@cache
def _opened(scheme: str, bucket: str, _environment: tuple[tuple[str, str], ...]) -> Any:
    """Open a store's file system; its own tries are left out, since ours are told."""
    try:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region
    except ImportError:
        text = "this build of pyarrow has no client of S3; install pyarrow's own wheel"
        raise SourceError(f"{scheme}://{bucket}: {text}") from None
    store, address, where = _STORES[scheme], address_of(scheme), dict[str, Any]()
    if address:
        protocol, _, host = address.rstrip("/").partition("://")
        where = {"scheme": protocol, "endpoint_override": host}
    elif not any(os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")):
        where["region"] = resolve_s3_region(bucket)
    public = os.environ.get(store.unsigned, "").upper() in {"1", "YES", "TRUE", "ON"}
    if store.keys and not public:
        where["access_key"], where["secret_key"] = (os.environ.get(name) or "none" for name in store.keys)
    return S3FileSystem(
        anonymous=public, retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
        connect_timeout=10, request_timeout=30, allow_delayed_open=True, **where,
    )  # fmt: skip
