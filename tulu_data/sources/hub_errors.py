"""What the hub's refusals mean, in one line each.

The one idea: every failure says which dataset, which address was asked, and what would do.
"""

from tulu_data.errors import HubError

NO_CONNECTION = "no connection to"
"""Words of the refusal when nothing answered at all; asking for something else will not help."""

_NONE = frozenset({"ConnectError", "ConnectTimeout"})
_LOST = frozenset({"TransportError", "ConnectionError"})


def response_of(error: BaseException) -> object | None:
    """Return the answer that an error is about, or None when nothing answered."""
    # The client wraps what met a question of its own into an error without an answer.
    return next(
        (r for e in (error, error.__cause__) if (r := getattr(e, "response", None)) is not None), None
    )


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of a refusal, or None when nothing answered."""
    status = getattr(response_of(error), "status_code", None)
    return status if isinstance(status, int) else None


def never_was(error: BaseException) -> bool:
    """Tell whether there was no connection at all."""
    return not _kinds(error).isdisjoint(_NONE)


def was_lost(error: BaseException) -> bool:
    """Tell whether a connection was lost, or no word came for too long."""
    return not _kinds(error).isdisjoint(_LOST) and not never_was(error)


def _kinds(error: BaseException) -> set[str]:
    """Return the names of the classes of an error, and of what caused it."""
    # By name: the transport library changed its own between releases.
    return {kind.__name__ for cause in (error, error.__cause__) for kind in type(cause).__mro__}


def explained(uri: str, revision: str, endpoint: str, error: Exception) -> HubError:
    """Put a failure into words."""
    from huggingface_hub import errors

    status = status_of(error)
    if isinstance(error, errors.GatedRepoError):
        text = (
            f"is gated; accept its terms at {endpoint}/datasets and set HF_TOKEN to a token that may read it"
        )
    elif isinstance(error, errors.RevisionNotFoundError):
        text = f"has no revision {revision!r}; give a branch, tag or commit that exists"
    elif status is None and isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        text = (
            f"is not in the hub's cache, and {endpoint} may not be asked or did not answer; "
            "connect once without HF_HUB_OFFLINE"
        )
    elif isinstance(error, errors.EntryNotFoundError) and status in {404, None}:
        text = "has no such file any more; move the pin with lock --update"
    elif status == 401 or isinstance(error, errors.RepositoryNotFoundError):
        text = f"is not at {endpoint}, or is private (HTTP {status}); check the name, or set HF_TOKEN"
    elif status == 403:
        text = f"is refused by {endpoint} (HTTP 403); the token in HF_TOKEN may not read it"
    elif status == 429:
        text = (
            f"is refused for now: {endpoint} limits the rate (HTTP 429); "
            "wait, or set HF_TOKEN for a higher limit"
        )
    elif status is not None and status >= 500:
        text = f"cannot be had now: {endpoint} fails (HTTP {status}); try again later"
    elif status is not None:
        text = f"is refused by {endpoint} (HTTP {status})"
    elif isinstance(error, ValueError):
        text = f"cannot be had: {endpoint} does not answer as a hub does; check HF_ENDPOINT"
    elif was_lost(error):
        text = (
            f"cannot be had: the connection to {endpoint} was lost, more than once; run the command again, "
            "it goes on where this broke off"
        )
    else:
        text = (
            f"cannot be had: {NO_CONNECTION} {endpoint}; connect to a network, or set HF_HUB_OFFLINE=1 "
            "where the lock and the hub's cache hold it"
        )
    return HubError(f"{uri}: {text}")
