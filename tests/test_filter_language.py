"""The filter `language`: its detector against the library whose model it is, and what it drops."""

import builtins
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from test_filters import answered, found, preference, said, sft

from tulu_data.errors import MissingExtraError
from tulu_data.filters import detector
from tulu_data.filters.code import without_code
from tulu_data.filters.detector import MOST, READ, detect, languages, read_part
from tulu_data.specs.languages import VARIETIES

SENTENCES = {
    "en": "The harbour was quiet in the morning, and nobody had seen the boat come back.",
    "de": "Der Hafen war am Morgen still, und niemand hatte das Boot zurückkommen sehen.",
    "fr": "Le port était calme ce matin, et personne n'avait vu le bateau revenir.",
    "es": "El puerto estaba tranquilo por la mañana y nadie había visto volver el barco.",
    "ru": "Утром в гавани было тихо, и никто не видел, как вернулась лодка.",
    "zh": "早晨的港口很安静，没有人看见那条船回来，大家都在家里睡觉。",
    "ja": "朝の港は静かで、船が戻ってくるのを見た人は誰もいませんでした。",
}  # fmt: skip


@pytest.fixture(scope="module")
def library() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def chances(library: LanguageIdentifier, text: str) -> dict[str, float]:
    """Return what the library gives each language, varieties under the language that people name."""
    sums: dict[str, float] = {}
    for code, chance in library.rank(text):
        sums[VARIETIES.get(code, code)] = sums.get(VARIETIES.get(code, code), 0.0) + chance
    return sums


def detected(*texts: str) -> list[tuple[str, float]]:
    told = detect(pa.array(texts, pa.large_string()), np.arange(len(texts)), len(texts))
    return [(languages()[at], chance) for at, chance in zip(told.language, told.confidence, strict=True)]


words = st.sampled_from([word for sentence in SENTENCES.values() for word in sentence.split()])
texts = st.one_of(
    st.lists(words, max_size=20).map(" ".join), st.text(max_size=40), st.sampled_from([*SENTENCES.values()])
)


@given(st.lists(st.one_of(texts, texts.map(str.upper)), min_size=1, max_size=4))
def test_the_detector_says_what_the_library_says(library: LanguageIdentifier, said_: list[str]) -> None:
    for text, (code, chance) in zip(said_, detected(*said_), strict=True):
        # Python and Arrow do not agree on what a few letters, such as the ordinal indicators, are.
        if "```" not in text and text.isupper() == pc.utf8_is_upper(text).as_py():
            by_library = chances(library, text)
            assert chance == pytest.approx(max(by_library.values()), abs=1e-4)
            assert by_library[code] == pytest.approx(max(by_library.values()), abs=1e-4)


def test_sentences_are_in_their_languages() -> None:
    assert [code for code, _ in detected(*SENTENCES.values())] == [*SENTENCES]


def test_code_between_fences_is_not_read_and_of_long_turns_the_beginning_is() -> None:
    said_ = pa.array(["a ```py\nx = 1\n``` b ``` c", "d" * (READ + 5), None], pa.large_string())
    assert read_part(said_).to_pylist() == ["a \n b \n", "d" * READ, ""]
    both = pa.array([SENTENCES["de"] * 99] * 5 + [SENTENCES["en"] * 99] * 9, pa.large_string())
    told = detect(both, np.zeros(14, np.int64), 1)
    assert languages()[told.language[0]] == "de"
    assert MOST < 5 * READ


def drops(*rows: Any, kind: Any = "sft", keep: tuple[str, ...] = ("en",), **more: Any) -> list[Any]:
    told = found("language", *rows, kind=kind, keep=list(keep), **more)
    return [what and (what["language"], what["of"]) for what in told]


def test_a_record_is_judged_by_its_answers_by_its_prompts_or_by_each() -> None:
    rows = [answered(SENTENCES["fr"], SENTENCES["en"]), answered(SENTENCES["en"], SENTENCES["fr"])]
    assert drops(*rows) == [("fr", "answers"), None]
    assert drops(*rows, of="prompts") == [None, ("fr", "prompts")]
    assert drops(*rows, of="both") == [("fr", "answers"), ("fr", "prompts")]
    assert drops(*rows, of="both", keep=("en", "fr")) == [None, None]


def test_short_texts_and_code_are_undetermined() -> None:
    rows = [answered("Oui."), answered(f"```\n{SENTENCES['fr']}\n```"), answered("12 + 30 = 42, 7 * 8 = 56")]
    assert drops(*rows) == [None, None, None]
    assert drops(*rows, undetermined="drop") == [(None, "answers")] * 3
    assert drops(answered(SENTENCES["fr"]), min_confidence=1.0) == [None]
    assert drops(answered("Oui, c'est la vie."), min_letters=5) == [("fr", "answers")]


def test_chosen_and_rejected_are_texts_of_their_own_and_rlvr_is_judged_by_its_prompts() -> None:
    fr, en = SENTENCES["fr"], SENTENCES["en"]
    rows = [preference(fr, en, en), preference(en, en * 9, fr), preference(en, fr, en)]
    assert drops(*rows, kind="preference") == [None, ("fr", "rejected"), ("fr", "chosen")]
    row = {"messages": [said("user", fr)], "ground_truth": "1", "verifier": "v"}
    assert drops(row, kind="rlvr") == [("fr", "prompts")]


def test_all_turns_of_a_side_are_one_text() -> None:
    turns = [
        said("user", "Oui."),
        said("assistant", "Oui, bien"),
        said("user", "Non."),
        said("assistant", "s\u00fbr, c'est \u00e7a"),
    ]
    assert drops(sft(*turns), min_letters=15) == [("fr", "answers")]


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("py3langid"):
            raise ImportError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    detector._load.cache_clear()
    with pytest.raises(
        MissingExtraError, match=r"filter language: needs .* pip install 'tulu-data\[language\]'"
    ):
        detector.languages()


PROGRAMS = (
    "def total(numbers):\n    result = 0\n    for n in numbers:\n        result += n\n    return result\n"
    "\nprint(total([1, 2, 3]))",
    "<?php\nfunction quadrat($zahl) {\n  return $zahl * $zahl;\n}\necho quadrat(7);\n?>",
    "const express = require('express');\nconst app = express();\n\napp.get('/', (req, res) => {\n"
    "  res.send('Bonjour le monde');\n});\napp.listen(3000);",
    '#include <iostream>\nusing namespace std;\n\nint main() {\n  cout << "area" << endl;\n  return 0;\n}',
    "SELECT nombre, apellido\nFROM clientes\nWHERE ciudad = 'Madrid';",
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_without_fences_are_undetermined_and_prose_beside_them_is_read(program: str) -> None:
    assert drops(answered(program), keep=("vi",)) == [None]
    assert drops(answered(program), undetermined="drop") == [(None, "answers")]
    for code in ("de", "fr", "es"):
        assert drops(answered(f"{SENTENCES[code]}\n\n{program}\n\n{SENTENCES[code]}")) == [(code, "answers")]


def test_prose_with_marks_of_programs_is_prose() -> None:
    texts = [
        *SENTENCES.values(),
        "# Der Hafen\n\n- Das Boot (klein) kam nicht zurück;\n- niemand sah es.\n\n1. Für viele: nichts.",
        "-- Vous partez ? (Il hésite.)\n-- Oui ; demain, s'il fait beau : c'est promis !",
        "For eksempel (som nevnt) er x = 3 en løsning, og det er alt som trengs her.",
        "Weil a + b = c gilt, ist die Summe (wie oben) gerade {also durch 2 teilbar}, und das war zu zeigen.",
    ]
    assert without_code(pa.array(texts, pa.large_string())).to_pylist() == texts
