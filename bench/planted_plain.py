r"""The plain peer of the planted benchmark: a set of the suites' 8-grams of lower-cased `\w+`; flags only.

Usage: python bench/planted_plain.py CORPUS OUT, a corpus of planted_corpus.py. Needs nothing but Python.
Writes the id of every document that shares any 8-gram with any question or passage.
"""

import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

N = 8
WORD = re.compile(r"\w+")


def grams(text: str) -> Iterator[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return zip(*(words[k:] for k in range(N)), strict=False)


def rows(path: Path) -> Iterator[dict]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def main() -> None:
    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    texts = {
        row.get(name) for path in sorted((corpus / "evals").glob("*.jsonl*")) for row in rows(path)
        for name in ("question", "passage")
    }  # fmt: skip
    known = {gram for text in texts if text for gram in grams(text)}
    with out.open("w", encoding="utf-8") as file:
        for path in sorted((corpus / "peer").iterdir()):
            file.writelines(
                f"{row['id']}\n" for row in rows(path) if not known.isdisjoint(grams(row["text"]))
            )


if __name__ == "__main__":
    main()
