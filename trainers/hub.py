"""Whether the model hub can be reached, asked once and briefly before anything is loaded from it.

The one idea: the hub's client tries for long and says so in raw lines; one short question first
tells a closed network from a slow one, and without a hub only the local cache is read. Nothing here
downloads.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from huggingface_hub import constants, get_session
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

PATIENCE = 10.0
"""Seconds for each part of the question (to connect, to send, to hear)."""


def why_closed() -> str | None:
    """Return why nothing can be fetched from the hub, or None when it answers."""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return _unreachable(constants.ENDPOINT)


@cache
def _unreachable(endpoint: str) -> str | None:
    try:
        get_session().head(endpoint, timeout=PATIENCE)
    except (HTTPError, OSError) as error:
        return f"the hub at {endpoint} cannot be reached ({str(error) or type(error).__name__})"
    return None


@contextmanager
def hushed() -> Iterator[None]:
    """Keep the client's warnings (its retries) away for a while."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
