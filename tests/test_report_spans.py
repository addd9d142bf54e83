"""Marked texts: what is shown is the text, cut around its spans, and steers no terminal."""

from hypothesis import given
from hypothesis import strategies as st

from tulu_data.report.spans import marked_text, pieces, safe_text

CASES = st.text(max_size=400).flatmap(
    lambda text: st.tuples(
        st.just(text),
        st.lists(
            st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted).map(tuple), max_size=4
        ),
    )
)


@given(CASES, st.integers(0, 60))
def test_the_pieces_are_the_text_and_the_marked_ones_its_spans(case, context):
    text, spans = case
    found = list(pieces(text, spans, context))
    assert "".join(piece.text for piece in found) == text
    assert all(piece.text for piece in found)
    inside = [any(start <= at < end for start, end in spans) for at in range(len(text))]
    kinds = [piece.kind for piece in found for _ in piece.text]
    assert [kind == "marked" for kind in kinds] == inside
    near = [
        any(start - context <= at < end + context for start, end in spans if start < end)
        for at in range(len(text))
    ]
    assert all(kind != "gap" for kind, close in zip(kinds, near, strict=True) if close)


@given(CASES, st.integers(0, 60))
def test_spans_that_need_not_be_whole_have_gaps_in_their_middle_alone(case, context):
    text, spans = case
    found = list(pieces(text, spans, context, whole=False))
    assert "".join(piece.text for piece in found) == text
    kinds = [piece.kind for piece in found for _ in piece.text]
    before = [piece.kind for piece in pieces(text, spans, context) for _ in piece.text]
    assert all(new in {old, "gap"} for new, old in zip(kinds, before, strict=True))
    edges = {at for start, end in spans if start < end for at in (start, end - 1)}
    assert all(kinds[at] == "marked" for at in edges) or not context
    assert all(len(piece.text) >= 80 for piece in found if piece.kind == "gap")


def test_a_long_text_is_cut_around_its_spans():
    text = "a" * 1000 + "LEAK" + "b" * 1234 + "MORE" + "c" * 10
    shown = marked_text(text, [(1000, 1004), (2238, 2242)], colour=False, context=5).plain
    assert shown == (" … 995 characters … aaaaa[[LEAK]]bbbbb … 1,224 characters … bbbbb[[MORE]]cccccccccc")


def test_a_text_without_spans_shows_its_beginning():
    assert marked_text("x" * 500, [], colour=False, context=20).plain == "x" * 40 + " … 460 characters … "
    assert marked_text("short", [], colour=False).plain == "short"


def test_colour_marks_without_brackets():
    shown = marked_text("one two", [(4, 7)], colour=True)
    assert (shown.plain, shown.spans[0].start, shown.spans[0].end) == ("one two", 4, 7)


@given(st.text(max_size=50))
def test_no_text_steers_a_terminal(text):
    safe = safe_text(f"\x1b[2J\u202e{text}\x9b")
    assert len(safe) == len(text) + 6
    assert all(c in "\n\t" or c.isprintable() or ord(c) > 0x9F for c in safe)
    assert not {"\x1b", "\u202e", "\x9b", "\r", "\x08"} & {*safe}
