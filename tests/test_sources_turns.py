"""The turns of a record: every scope names the messages that plain Python names."""

from decontaminate_fixtures import batch
from hypothesis import given
from hypothesis import strategies as st
from turn_fixtures import records, said

from tulu_data.sources.turns import turns_of
from tulu_data.specs.rules import SCOPES


@given(records, st.sampled_from(SCOPES), st.integers(0, 2))
def test_a_scope_names_these_messages(drawn, scope, cut):
    kind, rows = drawn
    found = turns_of(batch(rows, kind).slice(cut), kind, scope)
    texts = [
        bytes(found.text[b:e]).decode() for b, e in zip(found.begin.tolist(), found.end.tolist(), strict=True)
    ]
    each = [
        list(zip(found.number[a:b].tolist(), texts[a:b], strict=True))
        for a, b in zip(found.first[:-1].tolist(), found.first[1:].tolist(), strict=True)
    ]
    assert each == [said(row, kind, scope) for row in rows[cut:]]
    assert found.joined == (scope == "conversation")
