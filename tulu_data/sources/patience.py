"""How often a request is tried again, and how long one waits before.

The one idea: trouble that passes (a busy server, a lost connection) is met by a few tries with growing waits,
each told; what the other side asks to wait is obeyed where it is not too long; and what arrives meanwhile
starts the count anew, so that a long download survives many drops and a dead server is given up soon. It
does not know what is asked, or whom.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

WAITS = (0.5, 2.0, 5.0, 10.0)
"""Seconds between the tries; after the last one the failure is told."""
LONGEST = 120.0
"""Seconds that one waits at most, whatever the other side asks for."""

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a try failed, where another one may succeed."""

    text: str
    """A few words, without an address that could hold a secret."""
    after: float | None = None
    """Seconds that the other side asks to wait."""


class Patience:
    """The tries of one request."""

    def __init__(self, what: str) -> None:
        """Begin; `what` names the request to people."""
        self._what, self._tries = what, 0

    def progressed(self) -> None:
        """Count from the start: something arrived."""
        self._tries = 0

    def wait(self, trouble: Trouble) -> bool:
        """Wait for the next try and tell so; return False, at once, when it has been tried enough."""
        if self._tries == len(WAITS):
            return False
        seconds = max(WAITS[self._tries], trouble.after or 0.0)
        if seconds > LONGEST:
            return False
        self._tries += 1
        _LOG.warning(
            "%s: %s; trying again in %g s (%d of %d)",
            self._what, trouble.text, seconds, self._tries, len(WAITS),
        )  # fmt: skip
        time.sleep(seconds)
        return True


def patiently(what: str, ask: Callable[[], T], trouble: Callable[[Exception], Trouble | None]) -> T:
    """Ask until there is an answer, or trouble that does not pass; then raise what was raised last."""
    patience = Patience(what)
    while True:
        try:
            return ask()
        except Exception as error:
            met = trouble(error)
            if met is None or not patience.wait(met):
                raise
