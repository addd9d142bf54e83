"""datatrove's n-gram filter, a peer of the planted benchmark: runs where datatrove and spacy are.

Usage: python bench/planted_datatrove.py CORPUS SLICE OUT

Its indexer insists on lighteval for suites of its own, so the hashes come from the indexer's
`compute_hashes` and go straight into the filter, each under its instance's name. n = 12 words, as it
ships; n-grams of the question alone count as well, without which no question is found. It names the first
instance that shares an n-gram and looks no further. SLICE is a folder of the same layout as CORPUS/peer.
Writes one row per flagged document, and to stdout the seconds of index and filter.
"""

import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

_INSTANCE = tuple[str, str, str]


def rows(path: Path) -> Iterator[dict]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def instances(evals: Path) -> Iterator[tuple[_INSTANCE, str, str]]:
    """Yield name, question with its passage, and answer; an instance of several rows has its first answer."""
    seen = set()
    for path in sorted(evals.glob("*.jsonl*")):
        for row in rows(path):
            suite = row.get("suite") or row["eval_key"]
            name = suite, row["split"], str(row.get("id", row.get("eval_instance_index")))
            if name not in seen:
                seen.add(name)
                text = f"{row.get('passage') or ''}\n{row['question']}".strip()
                yield name, text, str(row.get("answer") or "")


def main() -> None:
    from datatrove.data import Document
    from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer

    corpus, part, out = map(Path, sys.argv[1:])
    start = time.perf_counter()
    config = NGramsDecontConfig(find_query_ngrams=True)
    found = NGramsDecontFilter(str(out.parent), config)
    indexer = SimpleNamespace(config=config, tokenizer=found.tokenizer, hash_func=found.hash_func)
    hashes = {}
    for name, text, answer in instances(corpus / "evals"):
        hashes.update(dict.fromkeys(NGramsDecontIndexer.compute_hashes(indexer, answer, text), name))
    found._index_hashes = hashes  # noqa: SLF001 - where the filter keeps what it loads from files
    built = time.perf_counter()
    with out.open("w", encoding="utf-8") as file:
        for path in sorted(part.iterdir()):
            for row in rows(path):
                document = Document(text=row["text"], id=row["id"])
                if found.filter(document) is not True:
                    task, gram = (document.metadata[f"contaminated_{name}"] for name in ("task", "ngram"))
                    file.write(json.dumps([row["id"], task, gram]) + "\n")
    print(json.dumps({"index": built - start, "filter": time.perf_counter() - built}))


if __name__ == "__main__":
    main()
