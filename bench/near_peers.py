r"""One peer's near-duplicates, as a whole process: read documents, find pairs, write them.

Usage: PYTHON bench/near_peers.py PEER WORDS THRESHOLD FOLDER OUT, PYTHON one that has the peers and orjson:
`python3.11 -m venv V && V/bin/pip install gaoya rensa datasketch orjson`. FOLDER holds *.jsonl of id and
text; OUT gets a line `id TAB id` per pair. Shingles are runs of WORDS lower-cased words between spaces;
128 permutations, two threads where the peer has threads.

The one idea: each peer is used as its own documentation shows, through its bulk calls. gaoya gets the bands
that datasketch computes for this threshold (its own choice takes 2.4 times as long), its smallest container,
and only documents that have a shingle at all (it calls all others equal). rensa is asked for the records that
it drops and then, for these alone, what they are duplicates of. datasketch names candidates; as in its
documentation, those are kept whose estimate reaches the threshold. `datasketch-legacy` is its scheme before
2.0.
"""

import os
import sys
from collections.abc import Callable, Iterator
from itertools import starmap
from pathlib import Path

import orjson

PERMUTATIONS = 128
BANDS = {0.7: (14, 9)}
"""Bands and rows that datasketch computes for a threshold; where it is not here, gaoya computes them."""
Pairs = Iterator[tuple[int, int]]
Find = Callable[[list[str], int, float], Pairs]


def shingles(text: str, size: int) -> list[str]:
    """Return runs of words; of a shorter text, the whole."""
    words = text.lower().split()
    if size == 1:
        return words
    return list(map(" ".join, zip(*(words[k:] for k in range(size)), strict=False))) or [" ".join(words)]


def gaoya(texts: list[str], size: int, threshold: float) -> Pairs:
    from gaoya.minhash import MinHashStringIndex

    bands, width = BANDS.get(threshold, (None, None))
    index = MinHashStringIndex(
        hash_size=32, jaccard_threshold=threshold, num_bands=bands, band_size=width,
        num_hashes=bands * width if bands and width else PERMUTATIONS, analyzer="word", lowercase=True,
        ngram_range=(size, size), id_container="smallvec",
    )  # fmt: skip
    rows = [row for row, text in enumerate(texts) if len(text.split(maxsplit=size - 1)) == size]
    texts = [texts[row] for row in rows]
    index.par_bulk_insert_docs(rows, texts)
    found = index.par_bulk_query(texts)
    return ((row, other) for row, others in zip(rows, found, strict=True) for other in others if row < other)


def rensa(texts: list[str], size: int, threshold: float) -> Pairs:
    from rensa import RMinHashDeduplicator

    index = RMinHashDeduplicator(threshold=threshold, num_perm=PERMUTATIONS, use_lsh=True)
    kept = index.add_pairs((str(row), shingles(text, size)) for row, text in enumerate(texts))
    gone = [row for row, is_kept in enumerate(kept) if not is_kept]
    found = index.get_duplicate_sets([shingles(texts[row], size) for row in gone])
    return ((int(other), row) for row, others in zip(gone, found, strict=True) for other in others)


def datasketch(texts: list[str], size: int, threshold: float, scheme: str = "affine32") -> Pairs:
    from datasketch import MinHash, MinHashLSH

    words = ([part.encode() for part in shingles(text, size)] for text in texts)
    hashes = MinHash.bulk(words, num_perm=PERMUTATIONS, scheme=scheme)
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    with index.insertion_session() as session:
        for row, one in enumerate(hashes):
            session.insert(row, one, check_duplication=False)
    for row, one in enumerate(hashes):
        for other in index.query(one):
            if row < other and one.jaccard(hashes[other]) >= threshold:
                yield row, other


def legacy(texts: list[str], size: int, threshold: float) -> Pairs:
    return datasketch(texts, size, threshold, "legacy")


PEERS: dict[str, Find] = {
    "gaoya": gaoya, "rensa": rensa, "datasketch": datasketch, "datasketch-legacy": legacy,
}  # fmt: skip


def main() -> None:
    peer, size, threshold, folder, out = sys.argv[1:]
    os.environ["RAYON_NUM_THREADS"] = "2"
    ids: list[str] = []
    texts: list[str] = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        with path.open("rb") as lines:
            for row in map(orjson.loads, lines):
                ids.append(row["id"])
                texts.append(row["text"])
    found = PEERS[peer](texts, int(size), float(threshold))
    with Path(out).open("w", encoding="utf-8") as file:
        file.writelines(starmap("{}\t{}\n".format, ((ids[a], ids[b]) for a, b in found)))


if __name__ == "__main__":
    main()
