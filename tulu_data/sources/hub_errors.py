"""What the hub's refusals mean, in one line each.

The one idea: every failure says which dataset, which address was asked, and what would do.
"""

from tulu_data.errors import HubError

WAITED_FOR = frozenset({408, 429, 500, 502, 503, 504})
"""Answers of a hub that is busy; worth another try."""

NO_CONNECTION = "no connection to"
"""Words of the refusal when nothing answered at all; asking for something else will not help."""


def status_of(error: Exception) -> int | None:
    """Return the HTTP status of a refusal, or None when nothing answered."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


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
    elif isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        text = (
            f"is not in the hub's cache, and {endpoint} may not be asked or did not answer; "
            "connect once without HF_HUB_OFFLINE"
        )
    elif isinstance(error, errors.EntryNotFoundError):
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
    else:
        text = (
            f"cannot be had: {NO_CONNECTION} {endpoint}; connect to a network, or set HF_HUB_OFFLINE=1 "
            "where the lock and the hub's cache hold it"
        )
    return HubError(f"{uri}: {text}")
