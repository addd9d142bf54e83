"""Words and overlap in plain Python: the slow, obvious oracle that the kernels are held against."""

import unicodedata
from functools import cache

from tulu_data.kernels.folding import _IGNORED

UNSPACED = (
    "CJK",
    "IDEOGRAPHIC",
    "HIRAGANA",
    "HENTAIGANA",
    "KATAKANA",
    "BOPOMOFO",
    "THAI",
    "LAO",
    "MYANMAR",
    "KHMER",
)
Word = tuple[str, ...]

ALPHABETS = {
    "latin": "abAB eéE\u0301\u0323\u0302 ßſﬁ İıK½² ,.'_- 0019①Ⅷ$",
    "cyrillic": "абвАБВ йи\u0306ё ,.!",
    "arabic": "ابتث ة\u064b\u0651\u0640 ،٣٤ﷺ",
    "devanagari": "कखग\u093c\u094d\u093f\u0902क़ ।१२",
    "cjk": "天気今日あがカ\u3099ー、。 ab１Ａｶﾞ〇々",
    "thai": "กขค\u0e34\u0e48\u0e33 น้ำ ๑๒ab",
    "hangul": "한글가각 ㄱ\u1100\u1161\u11a8",
    "greek": "αΑςσΣᾳ\u0345\u0301 ώ",
    "marks": "a\u200b\u00ad\ufe0f\u20e3\ufeff\u0301\u0345😀\U000e0101 b\u00a0c\t\n",
}
EVERY = "".join(ALPHABETS.values())


def unspaced(character: str) -> bool:
    """Tell whether a letter belongs to a script without spaces between words."""
    name, category = unicodedata.name(character, ""), unicodedata.category(character)
    return later_ideograph(character) or (
        category != "Nd" and name.startswith(UNSPACED) and "TALLY" not in name
    )


def later_ideograph(character: str) -> bool:
    """Tell whether a character stands where Unicode adds ideographs, newer than this Python."""
    return "\U00020000" <= character <= "\U0003ffff" and unicodedata.category(character) == "Cn"


@cache
def ignored(character: str) -> bool:
    """Tell whether a character is dropped without ending a word."""
    return unicodedata.category(character) == "Me" or any(a <= ord(character) <= b for a, b in _IGNORED)


def words(text: str) -> list[Word]:
    """Return the words of a text as tuples of folded characters."""
    found: list[list[str]] = [[]]
    single = False
    for c in normal(text):
        category = unicodedata.category(c)
        if ignored(c):
            continue
        if category[0] == "M":
            if found[-1]:
                found[-1].append(c)
        elif category[0] not in "LN" and not later_ideograph(c):
            found.append([])
        elif unspaced(c) or single:
            found.append([c])
        else:
            found[-1].append(c)
        single = bool(found[-1]) and unspaced(found[-1][0])
    return [sorted_marks(word) for word in found if word]


def normal(text: str) -> str:
    """Return NFKD, case folded, but for the one accent that case folding would make a letter."""
    for _ in range(3):
        decomposed = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize(
            "NFKD", "".join(c if c == "\u0345" else c.casefold() for c in decomposed)
        )
    return text


def sorted_marks(word: list[str]) -> Word:
    """Sort runs of accents, whose order does not matter."""
    done: list[str] = []
    for c in word:
        at = len(done)
        if unicodedata.combining(c):
            while at and unicodedata.combining(done[at - 1]) and done[at - 1] > c:
                at -= 1
        done.insert(at, c)
    return tuple(done)


def overlap(instance: str, turns: list[str], n: int = 8, *, joined: bool = False) -> dict[str, float]:
    """Return the shares of an instance that are in one record's turns, by what is counted.

    `joined` reads the turns as one text.
    """
    item, spoken = words(instance), [words(turn) for turn in turns]
    if joined:
        spoken = [[word for turn in spoken for word in turn]]
    width = min(n, len(item))
    if not width:
        return {"words": 0.0, "grams": 0.0, "run": 0.0}
    if width < min(4, n):
        return dict.fromkeys(("words", "grams", "run"), float(item in spoken))
    theirs = {tuple(turn[k : k + width]) for turn in spoken for k in range(len(turn) - width + 1)}
    shared = [tuple(item[q : q + width]) in theirs for q in range(len(item) - width + 1)]
    covered = {q + k for q, hit in enumerate(shared) if hit for k in range(width)}
    runs = "".join(" *"[q in covered] for q in range(len(item))).split()
    return {
        "words": len(covered) / len(item),
        "grams": sum(shared) / len(shared),
        "run": max(map(len, runs), default=0) / len(item),
    }
