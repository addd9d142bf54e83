"""Messages that name their parents, as trees: which way leads to a message, and which ways are the best.

The one idea: everything follows from identifiers alone, so the order of a file does not matter. It sees no
columns and no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tulu_data.sources.adapters.roles import role_of
from tulu_data.sources.rows import Reason

MOST_TURNS = 1000
"""Turns of a thread; a chain of n messages would otherwise be written out n times over, n long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a tree."""

    ident: str | None
    parent: str | None
    """Identifier of what it replies to; None begins a tree."""
    role: str | None
    silent: bool = False
    """It says nothing: its text is null."""
    rank: float | None = None
    """Place among the replies to its parent, lowest best."""
    quality: float = 0.0
    """What people gave it; decides where ranks do not."""
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a message belongs to no thread."""

    reason: Reason
    detail: str


class Forest:
    """The trees of some messages, which are known by their positions."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.troubles: dict[int, Trouble] = {}
        self.parents: list[int] = []
        """Position of each message's parent; -1 for a root, and where it has none that is there."""
        self.replies: dict[int, list[int]] = {}
        """Positions of the messages that reply to one."""
        self._hang()
        order = self._downwards()
        self._answers = [role_of(message.role) == "assistant" for message in messages]
        self.answered = self._lead_to_answers(order)
        """Of each message, whether an answer stands below it."""
        self.leaves = frozenset(
            i for i in order if self._answers[i] and not self.answered[i] and i not in self.troubles
        )
        """Answers below which there is no other."""
        self.best = self._best_ways(order)
        """Messages to which the best reply led at every turn."""

    def is_thread(self, message: int) -> bool:
        """Tell whether a message ends a thread: answers do, and so do questions that nobody answered."""
        return message not in self.troubles and (self._answers[message] or not self.answered[message])

    def way(self, message: int) -> tuple[int, ...]:
        """Return the messages from the root to this one."""
        found = [message]
        while self.parents[found[-1]] >= 0:
            found.append(self.parents[found[-1]])
        return tuple(reversed(found))

    def _hang(self) -> None:
        """Find every message's parent, noting those that have none."""
        places: dict[str, int] = {}
        for i, message in enumerate(self.messages):
            if message.ident is None or not message.ident:
                self._trouble(i, "missing value", "message_id is null")
            elif message.ident in places:
                self._trouble(i, "repeated message", f"message_id {message.ident!r} stands in the file twice")
            else:
                places[message.ident] = i
        for i, message in enumerate(self.messages):
            parent = places.get(message.parent, -1) if message.parent else -1
            if message.parent and parent < 0:
                self._trouble(
                    i, "orphan message", f"no message {message.parent!r}, its parent, is in the file"
                )
            if message.silent:
                self._trouble(i, "missing value", "text is null")
            if message.deleted:
                self._trouble(i, "deleted message", "it was deleted by its authors")
            self.parents.append(parent)
            self.replies.setdefault(parent, []).append(i)

    def _trouble(self, message: int, reason: Reason, detail: str) -> None:
        self.troubles.setdefault(message, Trouble(reason=reason, detail=detail))

    def _downwards(self) -> list[int]:
        """Return the messages that hang on a root, parents first; what hangs on trouble is in trouble."""
        order = list(self.replies.get(-1, ()))
        depths = dict.fromkeys(order, 1)
        for i in order:  # it grows while it is walked
            for reply in self.replies.get(i, ()):
                depths[reply] = depths[i] + 1
                if i in self.troubles:
                    told = f"message {self.messages[i].ident!r}, which it replies to, belongs to no thread"
                    self._trouble(reply, "orphan message", told)
                if depths[reply] > MOST_TURNS:
                    self._trouble(reply, "too deep", f"more than {MOST_TURNS} turns from its root")
                order.append(reply)
        for i in set(range(len(self.messages))).difference(depths):
            self._trouble(i, "orphan message", "its parents lead in a circle")
        return order

    def _lead_to_answers(self, order: Sequence[int]) -> list[bool]:
        """Tell of each message whether an answer stands below it."""
        found = [False] * len(self.messages)
        for i in reversed(order):
            parent = self.parents[i]
            if parent >= 0 and i not in self.troubles and (found[i] or self._answers[i]):
                found[parent] = True
        return found

    def _best_ways(self, order: Sequence[int]) -> frozenset[int]:
        """Return the roots, and of the replies to what is best the best one, down to the leaves."""
        best = {i for i in self.replies.get(-1, ()) if i not in self.troubles}
        for i in order:
            fit = [r for r in self.replies.get(i, ()) if r not in self.troubles]
            if i in best and fit:
                best.add(min(fit, key=self._standing))
        return frozenset(best)

    def _standing(self, message: int) -> tuple[bool, bool, float, float, str]:
        """Return what replies are ordered by: what leads to an answer, rank, quality, identifier."""
        one = self.messages[message]
        leads = self._answers[message] or self.answered[message]
        return not leads, one.rank is None, one.rank or 0.0, -one.quality, one.ident or ""
