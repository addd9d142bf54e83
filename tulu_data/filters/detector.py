"""What language texts are in, by the model of py3langid (the extra `language`).

The one idea: its model is naive Bayes over an automaton, so a kernel that reads Arrow's buffers gives what
the library would (a test holds them equal), without the interpreter's lock and much faster. Texts are given
to it as the library gives them: composed (NFC), those all in capitals in small letters. It judges nothing.
"""

from functools import cache
from threading import Lock
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tulu_data.errors import MissingExtraError
from tulu_data.filters.code import without_code
from tulu_data.filters.turns import Ints
from tulu_data.kernels.buffers import text_of
from tulu_data.kernels.naive_bayes import Model, fixed_model, scores_of
from tulu_data.kernels.texts import Texts
from tulu_data.specs.languages import VARIETIES

PACKAGE = "py3langid"
NO_LANGUAGE = "zxx"
"""The model's word for numbers, markup and names of variables."""
READ = 1000
"""Characters of a turn that are read."""
MOST = 1200
"""Bytes of a text that are read."""
_LOOKED_AT = 8 * READ
"""Characters of a turn in which text is looked for between code."""
_LOADING = Lock()


class Detected(NamedTuple):
    """The language of each of some texts."""

    language: NDArray[np.int64]
    """Place in `languages()`."""
    confidence: NDArray[np.float64]
    letters: Ints


def detect(turns: pa.Array, owner: Ints, count: int) -> Detected:
    """Tell the language of texts, each of the turns whose owner it is; owners ascend."""
    content = read_part(turns)
    text = text_of(content)
    first = np.searchsorted(owner, np.arange(count + 1))
    texts = Texts(text.bytes, text.offsets[:-1], text.offsets[1:], first)
    scores, sizes, letters = scores_of(texts, MOST, _loaded()[0])
    # The library's own calibration, by the size of the text.
    scaled = (scores / np.sqrt(np.maximum(sizes, 1))[:, None]).astype(np.float64)
    chances = np.exp(scaled - scaled.max(axis=1, initial=-np.inf, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    of_class = _loaded()[1]
    folded = np.zeros((count, len(languages())))
    for column, chance in zip(of_class.tolist(), chances.T, strict=True):
        folded[:, column] += chance
    best = folded.argmax(axis=1)
    return Detected(best, folded[np.arange(count), best], letters)


def read_part(turns: pa.Array) -> pa.Array:
    """Return what is read of turns: the beginning, without code."""
    content = without_code(pc.utf8_slice_codeunits(turns.fill_null(""), 0, _LOOKED_AT))
    content = pc.utf8_slice_codeunits(content, 0, READ)
    content = pc.if_else(pc.utf8_is_upper(content), pc.utf8_lower(content), content)
    return pc.utf8_normalize(content, form="NFC")


def languages() -> tuple[str, ...]:
    """Return the codes that the model tells apart, varieties under the language that people name."""
    return _loaded()[2]


def _loaded() -> tuple[Model, Ints, tuple[str, ...]]:
    """Return the model, the language of each of its classes, and the languages."""
    # Threads wait for the first of them; each would load its own.
    with _LOADING:
        return _load()


@cache
def _load() -> tuple[Model, Ints, tuple[str, ...]]:
    """Load the model; raise MissingExtraError where it is not installed."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise MissingExtraError("filter language", "language", PACKAGE) from None
    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    model = Model(
        np.asarray(found.tk_nextmove).astype(np.int32), np.asarray(found.tk_row).astype(np.int32),
        np.asarray(found.tk_output, np.int32), found.nb_ptc.astype(np.float32),
        found.nb_pc.astype(np.float32),
    )  # fmt: skip
    codes = [VARIETIES.get(code, code) for code in found.nb_classes]
    every = tuple(dict.fromkeys(codes))
    return fixed_model(model), np.array([every.index(code) for code in codes]), every
