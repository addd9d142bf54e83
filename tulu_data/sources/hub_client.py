"""Asking the hub: its address, its client, and what is worth another try.

The one idea: every question goes through `asked`, which waits where the hub is busy or the connection was
lost and puts into words what it refuses. It does not know what is asked.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from tulu_data.sources.hub_errors import explained, never_was, response_of, status_of, was_lost
from tulu_data.sources.patience import Trouble, patiently

if TYPE_CHECKING:
    from huggingface_hub import HfApi

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers of a hub that is busy; worth another try."""

T = TypeVar("T")


def endpoint() -> str:
    """Return the hub's address, HF_ENDPOINT where it is set."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def is_offline() -> bool:
    """Tell whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE) or os.environ.get("HF_HUB_OFFLINE", "").upper() in (
        "1",
        "ON",
        "YES",
        "TRUE",
    )


def token() -> str | None:
    """Return the token of the environment; it is shown nowhere."""
    return os.environ.get("HF_TOKEN") or None


def api() -> "HfApi":
    """Return a client of the hub."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint(), token=token())


def asked(uri: str, revision: str, ask: Callable[[], T]) -> T:
    """Ask the hub; wait a little where it is busy, and put into words what it refuses."""
    with told(uri, revision):
        return patiently(uri, ask, trouble)


@contextmanager
def told(uri: str, revision: str) -> Iterator[None]:
    """Put into words what the hub refuses."""
    # The transport library changed its name between releases; its base error is found here in all.
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        raise explained(uri, revision, endpoint(), error) from None


def trouble(error: Exception) -> Trouble | None:
    """Say what met a request, where another try may do: a busy hub, or a connection that was lost.

    Where there was no connection at all, none is tried again: that is no passing trouble mostly.
    """
    status = status_of(error)
    if status is not None:
        return Trouble(f"HTTP {status}", _asked_to_wait(error)) if status in BUSY else None
    return Trouble("the connection was lost") if was_lost(error) else None


def lost(error: Exception) -> Trouble | None:
    """Say what met a download, in which a connection that cannot be made anew is passing trouble too."""
    return Trouble("no connection") if never_was(error) else trouble(error)


def _asked_to_wait(error: Exception) -> float | None:
    """Return the seconds that an answer asks to wait."""
    said = getattr(response_of(error), "headers", {}).get("Retry-After", "")
    return float(said) if said.isdecimal() else None
