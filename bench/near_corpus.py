"""Real training text with near-duplicates planted in it, and the labels: the dedup benchmark's input.

Usage: python bench/near_corpus.py DATA OUT [--seed N] [--megabytes M], DATA with `train/`.

    OUT/train/*.jsonl     prompt and completion, or messages: what tulu-data reads
    OUT/peer/*.jsonl      the same documents in the same order, id and text: what the peers read
    OUT/labels.jsonl      a row per planted copy: copy and original, the `file:row` of each, edits and words
    OUT/about.json        seed and counts

The documents are those of the planted benchmark without its leaks: hosts, each text once, and `bulk`
documents that join texts of hosts. One in ten has a copy, of which 5 to 20% of the words are edited, at any
place of the corpus: before the original as often as after it. Of a prompt with a completion the prompt is
edited (every completion is the same), of a chat all turns. Hosts also hold natural near-duplicates, which
have no label.
"""

import argparse
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from near_edits import Words, edited, is_word, lettered
from planted_corpus import Document, bulk, host_id, prepare, unplanted, write_documents, write_rows

COPIED = 0.1
"""Share of the documents that have a copy."""
SHARES = (0.05, 0.2)
"""Of the words of a document, so many are edited in its copy."""
WORDS = 8
"""A copied document has at least so many words with a letter in them."""


def documents(data: Path, seed: int, megabytes: float) -> list[Document]:
    """Return the whole corpus, shuffled; a copy's label names its original."""
    rng = random.Random(seed)  # noqa: S311 - a draw that anyone can repeat is the point
    soil, talks, own = prepare(data, rng)
    made = list({host_id(one.text): one for one in unplanted(talks, own)}.values())
    made = [replace(one, id=host_id(one.text)) for one in made]
    size = sum(len(one.text.encode()) for one in made)
    made += bulk(soil, int(megabytes * 1e6 / (1 + COPIED)) - size)
    words = Words(spaced=list(filter(is_word, soil.words)), characters=list(filter(is_word, soil.characters)))
    chosen = rng.sample([one for one in made if lettered(changed(one)) >= WORDS], round(COPIED * len(made)))
    made += [copy(one, number, words, rng) for number, one in enumerate(chosen)]
    rng.shuffle(made)
    return made


def changed(one: Document) -> str:
    """Return what of a document may be edited."""
    return one.text if one.is_chat else one.turns[0][1]


def copy(one: Document, number: int, words: Words, rng: random.Random) -> Document:
    """Make the near-duplicate of a document."""
    share = rng.uniform(*SHARES)
    count = len(one.turns) if one.is_chat else 1
    done = edited([text for _, text in one.turns[:count]], share, words, rng)
    turns = [(role, text) for (role, _), text in zip(one.turns[:count], done.texts, strict=True)]
    label = {"original": one.id, "share": round(share, 4), "edits": done.edits, "words": done.words}
    return Document(id=f"copy-{number:06d}", turns=[*turns, *one.turns[count:]], label=label)


def labels(files: dict[str, list[Document]]) -> list[dict]:
    """List the copies with the places of both texts."""
    places = {
        one.id: f"train/{name}.jsonl:{row}" for name, part in files.items() for row, one in enumerate(part, 1)
    }
    copies = sorted((one for part in files.values() for one in part if one.label), key=lambda one: one.id)
    return [
        {
            "id": one.id, **one.label, "origin": places[one.id],
            "original_origin": places[one.label["original"]],
        }
        for one in copies
        if one.label
    ]  # fmt: skip


def make(data: Path, out: Path, seed: int, megabytes: float) -> dict[str, float]:
    """Write corpus and labels to a folder; return counts."""
    if not (data / "train").is_dir():
        raise SystemExit(f"{data}: no folder 'train'; give the folder that holds train/")
    corpus = documents(data, seed, megabytes)
    place = {one.id: row for row, one in enumerate(corpus)}
    files = write_documents(corpus, out)
    rows = labels(files)
    write_rows(out / "labels.jsonl", rows)
    size = sum(len(one.text.encode()) for one in corpus) / 1e6
    about = {
        "seed": seed, "documents": len(corpus), **Counter(one.id.split("-")[0] for one in corpus),
        "chats": len(files["chat"]), "copy first": sum(place[r["id"]] < place[r["original"]] for r in rows),
        "megabytes": round(size, 1),
    }  # fmt: skip
    (out / "about.json").write_text(json.dumps(about) + "\n", "utf-8")
    return about


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--megabytes", type=float, default=205, help="size; at least that of the hosts")
    given = parser.parse_args()
    print(json.dumps(make(given.data, given.out, given.seed, given.megabytes)))


if __name__ == "__main__":
    main()
