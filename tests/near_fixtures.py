"""Small corpora in which many texts are alike, as a search for near-duplicates gets them."""

from hypothesis import strategies as st
from shingle_reference import heap

from tulu_data.dedup.likeness import Search
from tulu_data.kernels.text_keys import text_keys
from tulu_data.specs.near import Near

WORDS = st.sampled_from([*"abcdefgh", "1", "2"])
EDIT = st.tuples(st.integers(0, 9), st.integers(0, 2), WORDS)


def edited(base, edits):
    """Return a text with words put in, left out or in place of others."""
    words = list(base)
    for at, cut, word in edits:
        words[at : at + cut] = [word]
    return words


@st.composite
def corpora(draw, largest=24):
    """Draw texts of few words, no two the same; many are another one with some edits."""
    bases = draw(st.lists(st.lists(WORDS, min_size=1, max_size=9), min_size=1, max_size=4))
    made = st.tuples(st.sampled_from(bases), st.lists(EDIT, max_size=3)).map(lambda pair: edited(*pair))
    return draw(st.lists(made.map(" ".join), max_size=largest, unique=True))


def texts_and_keys(texts, unit="words"):
    some = heap([[text] for text in texts], unit)
    return some, text_keys(some.text, some.begin, some.end)


def search_of(**near):
    return Search(Near(**{"n": 1, "jaccard_threshold": 0.6, "words_threshold": 0} | near))
