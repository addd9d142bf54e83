"""Drawn records of every kind, and what a scope looks at in them, in plain Python."""

from decontaminate_fixtures import message
from hypothesis import strategies as st

from tulu_data.schema import KINDS

COLUMNS = {"sft": ("messages",), "rlvr": ("messages",), "preference": ("prompt", "chosen", "rejected")}
ROLES = ("system", "user", "assistant", "tool")
WORDS = st.lists(st.sampled_from(["one", "two", "three", "four", "five", "café", "天", "6"]), max_size=12)
messages = st.lists(
    st.tuples(st.sampled_from(ROLES), st.one_of(st.none(), WORDS.map(" ".join))), max_size=4
).map(lambda said: [message(role, text) for role, text in said])
records = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS[kind], messages)), max_size=5)
    )
)


def said(row, kind, scope):
    """Return (number, text) of what a scope looks at, messages counted over all columns."""
    every = [m for name in COLUMNS[kind] for m in row[name]]
    prompts = len(row[COLUMNS[kind][0]])
    return [
        (k, m["content"])
        for k, m in enumerate(every)
        if m["content"] is not None and (scope != "user" or (k < prompts and m["role"] == "user"))
    ]
