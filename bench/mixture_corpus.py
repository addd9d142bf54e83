"""A mixture of the exact shape of Tulu 3's: 19 sources, 939,344 rows, about 2.9 GB, in six parquet files.

Usage: python bench/mixture_corpus.py FOLDER

Columns id, messages (role, content) and source, row groups of 1,000 rows and snappy, as the released
mixture has them. Sources have the published numbers of rows; each has lengths and turns of its own, and
`aya` is not ASCII. Texts are slices of a made-up corpus of frequent and rare words, so they compress about
two to one. The rows of all sources are shuffled. The same seed gives the same bytes.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 3
FILES = 6
# Rows, and about how many characters a record has (user, then assistant) in how many pairs of turns.
SOURCES = {
    "hard_coded": (240, 60, 300, 1),
    "oasst1": (7_132, 200, 900, 2),
    "no_robots": (9_500, 300, 900, 1),
    "wildchat": (100_000, 900, 2_600, 2),
    "flan_v2": (89_982, 900, 220, 1),
    "sciriff": (10_000, 5_000, 700, 1),
    "table_gpt": (5_000, 2_400, 500, 1),
    "persona_math": (149_960, 600, 2_700, 1),
    "persona_gsm": (49_980, 400, 900, 1),
    "persona_algebra": (20_000, 400, 1_900, 1),
    "open_math_instruct": (50_000, 260, 800, 1),
    "numinamath_tir": (64_312, 350, 2_300, 1),
    "persona_python": (34_999, 500, 900, 1),
    "evol_code_alpaca": (107_276, 900, 2_300, 1),
    "coconot": (10_983, 150, 900, 1),
    "wildjailbreak": (50_000, 600, 1_500, 1),
    "wildguardmix": (50_000, 500, 1_400, 1),
    "aya": (100_000, 700, 1_300, 1),
    "persona_if": (29_980, 500, 1_600, 1),
}
_MESSAGE = pa.struct([("content", pa.string()), ("role", pa.string())])
SCHEMA = pa.schema([("id", pa.string()), ("messages", pa.list_(_MESSAGE)), ("source", pa.string())])
ROWS = sum(rows for rows, *_ in SOURCES.values())


def corpus(random: np.random.Generator, letters: str, size: int) -> np.ndarray:
    """Make text of frequent and rare words, in phrases that come back, in bytes."""
    alphabet = np.frombuffer(letters.encode("utf-32-le"), np.uint32)
    words = ["".join(map(chr, random.choice(alphabet, n))) for n in random.integers(2, 10, 20_000)]
    order = np.minimum(random.zipf(1.2, 900_000), len(words)) - 1
    phrases = [
        " ".join(words[i] for i in order[at : at + 6]) + "\n. ,"[k]
        for at, k in zip(range(0, 900_000, 6), random.integers(0, 4, 150_000), strict=True)
    ]
    chosen = random.integers(0, len(phrases), size // 30)
    text = " ".join(phrases[i] for i in chosen).encode()
    return np.frombuffer(text, np.uint8)


def slices(random: np.random.Generator, base: np.ndarray, mean: int, count: int) -> pa.Array:
    """Cut `count` texts of a lognormal length out of a corpus, at the beginnings of characters."""
    lengths = np.clip(random.lognormal(np.log(mean * 1.3) - 0.32, 0.8, count), 8, 60_000).astype(np.int64)
    begins = random.integers(0, len(base) - 70_000, count)
    ends = begins + lengths
    for at in (begins, ends):
        while (inside := (base[at] & 0xC0) == 0x80).any():
            at[inside] += 1
    lengths = ends - begins
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    data = np.empty(offsets[-1], np.uint8)
    for i in range(count):
        data[offsets[i] : offsets[i + 1]] = base[begins[i] : ends[i]]
    return pa.Array.from_buffers(pa.large_string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def records(random: np.random.Generator, name: str, base: np.ndarray) -> pa.Table:
    """Make the rows of one source."""
    rows, asked, answered, pairs = SOURCES[name]
    turns = random.integers(1, pairs + 1, rows) if pairs > 1 else np.ones(rows, np.int64)
    total = int(turns.sum())
    asks, answers = (slices(random, base, mean // pairs, total) for mean in (asked, answered))
    both = pa.concat_arrays([asks, answers])
    # Question and answer by turns.
    order = np.empty(2 * total, np.int64)
    order[0::2], order[1::2] = np.arange(total), np.arange(total) + total
    messages = pa.StructArray.from_arrays(
        [both.take(pa.array(order)), pa.array(["user", "assistant"] * total, pa.large_string())],
        ["content", "role"],
    )
    lists = pa.LargeListArray.from_arrays(np.concatenate([[0], np.cumsum(2 * turns)]), messages)
    ids = pa.array([f"{name}_{i}" for i in range(rows)])
    return pa.table({"id": ids, "messages": lists, "source": pa.array([name] * rows)})


def write_corpus(folder: Path) -> None:
    """Write the six files."""
    random = np.random.default_rng(SEED)
    plain = corpus(random, "abcdefghijklmnopqrstuvwxyz", 1 << 26)
    other = corpus(random, "абвгдежзийклмнопрстуфхцчшщъыьэюя你好世界是的不了在人有我他这", 1 << 26)
    parts = [records(random, name, other if name == "aya" else plain) for name in SOURCES]
    table = pa.concat_tables(parts).combine_chunks()
    order = random.permutation(table.num_rows)
    folder.mkdir(parents=True, exist_ok=True)
    for i, part in enumerate(np.array_split(order, FILES)):
        path = folder / f"train-{i:05d}-of-{FILES:05d}.parquet"
        pieces = [table.take(pa.array(part[at : at + 1000])) for at in range(0, len(part), 1000)]
        with pq.ParquetWriter(path, SCHEMA, compression="snappy", use_dictionary=["source"]) as writer:
            for piece in pieces:
                writer.write_table(piece.cast(SCHEMA))


if __name__ == "__main__":
    write_corpus(Path(sys.argv[1]))
