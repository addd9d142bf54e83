"""What a spec may say of where files are: the forms of a uri, and the keys that only the hub has."""

import re
from collections.abc import Collection, Iterator

from tulu_data.specs.base import Mistake

HUB = "hf://"
BUCKETS = ("s3://", "gs://")
SQL = "sql:"
DATABASES = ("sqlite", "duckdb", "postgres")
HUB_ONLY = ("revision", "config", "split")
"""Keys that only a hub source has."""

_HUB_URI = re.compile(r"hf://(?:datasets/)?[^/@\s]+/[^/@\s]+(?:@(?P<revision>[^/\s]+))?(?:/.+)?")

_STORED = re.compile(r"[\w.-]+@[\w.-]+")


def uri_mistakes(
    uri: str,
    revision: str | None,
    given: Collection[str],
    forms: str,
    only: Collection[str] = HUB_ONLY,
    schemes: Collection[str] = (HUB,),
) -> Iterator[Mistake]:
    """Yield what is wrong with a uri, and with hub keys where it is not on the hub.

    `given` are the keys that the spec has, `forms` the uris that would do, `only` the keys of the hub,
    `schemes` the ones that are read here.
    """
    if uri.startswith(SQL) and SQL in schemes:
        # A query is no address, whatever stands in it.
        uri = SQL
    scheme, separator, rest = uri.partition("://")
    if separator and scheme + separator in BUCKETS and not re.match("[^/*?]+(/|$)", rest):
        yield Mistake(text=f"expected {scheme}://bucket/key, found {uri!r}", path=("uri",))
    if separator and scheme + separator not in schemes:
        text = f"scheme {scheme + separator!r} is not supported; use {forms}"
        yield Mistake(text=text, path=("uri",))
    if uri.startswith(HUB):
        yield from _hub_uri(uri, revision)
        return
    for key in only:
        if key in given and not (key == "split" and _STORED.fullmatch(uri)):
            text = f"only an hf:// source has a {key}; remove it"
            yield Mistake(text=text, path=(key,), on_key=True)


def _hub_uri(uri: str, revision: str | None) -> Iterator[Mistake]:
    """Refuse a hub uri of the wrong form, and one that contradicts `revision`."""
    found = _HUB_URI.fullmatch(uri)
    if found is None:
        forms = "hf://owner/name, hf://owner/name@revision or hf://owner/name/path"
        yield Mistake(text=f"expected {forms}, found {uri!r}", path=("uri",))
    elif found["revision"] and revision and found["revision"] != revision:
        text = f"the uri says revision {found['revision']!r}, this says {revision!r}; keep one"
        yield Mistake(text=text, path=("revision",))


def is_pinned(uri: str) -> bool:
    """Tell whether the lock says what a source is: it is not a file of the workspace or a stored version."""
    return uri.startswith((HUB, SQL, *BUCKETS))


def without_revision(uri: str) -> str:
    """Return a hub uri without the revision that it may name."""
    found = _HUB_URI.fullmatch(uri)
    if found is None or found["revision"] is None:
        return uri
    start, end = found.span("revision")
    return uri[: start - 1] + uri[end:]
