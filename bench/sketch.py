"""Sign texts and estimate how alike they are: ours against datasketch, rensa and what theory says.

Usage: python bench/sketch.py DATA_FOLDER

Speed: the English text of GPTeacher, cut into records of some sizes; processor time of one thread, from the
bytes of a text to its signature of 128 lanes over pairs of words. Peers get the pairs from a regular
expression over the lower-cased text; their own part is given too. Error: pairs of sets of equal size, 128
lanes. rensa is shown where it can be imported.
"""

import importlib.util
import json
import re
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from datasketch import MinHash

sys.path.insert(0, str(Path(__file__).parent))

from results import markdown, write_section

from tulu_data.kernels.bands import agreement, band_keys, bands_for
from tulu_data.kernels.minhash import Permutations, new_permutations, sign_datasketch, signatures
from tulu_data.kernels.shingles import Sets, Shingling
from tulu_data.kernels.sketch import Fast, new_fast, sign, sign_sets
from tulu_data.kernels.texts import Texts
from tulu_data.kernels.units import units_of

LANES = 128
BYTES = (200, 1700, 17000)
TOTAL = 8 << 20
PEER_TOTAL = 1 << 20
SIZES = (3, 10, 30, 100, 300, 1000, 3000)
JACCARDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SHINGLES, FEWEST = 1 << 21, 2000
"""Of all sets of a size and similarity together, about; the least number of pairs."""
PEER_PAIRS = 500
WAYS = ((0.4, 0.95), (0.7, 0.95))
"""Jaccard similarity and recall for which bands are looked up."""
WORD = re.compile(r"\w+")


def records(folder: Path, size: int, total: int) -> Texts:
    """Return records of about so many bytes, cut from real text."""
    text = ""
    for path in sorted((folder / "train/gpteacher").glob("*.json")):
        text += "\n".join(" ".join(map(str, row.values())) for row in json.loads(path.read_text("utf-8")))
    data = np.frombuffer((text * (total // len(text) + 1)).encode()[:total], np.uint8)
    at = np.arange(0, total - size, size)
    return Texts(data, at, at + size, np.arange(len(at) + 1))


def rate(work: Callable[[], object], size: int) -> float:
    """Return how many MB/s of processor time some work does, the best of three."""
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return size / best / 1e6


def pieces_of(texts: Texts) -> list[str]:
    """Return records as strings."""
    data = texts.text.tobytes()
    return [data[b:e].decode(errors="ignore") for b, e in zip(texts.begin, texts.end, strict=True)]


def pairs_of_words(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    return [f"{a} {b}" for a, b in pairwise(words)]


def sign_datasketch_own(shingles: list[list[str]]) -> object:
    made = []
    for each in shingles:
        signature = MinHash(LANES)
        signature.update_batch(shingle.encode() for shingle in each)
        made.append(signature)
    return made


def sign_rensa(kind: str) -> Callable[[list[list[str]]], object] | None:
    """Return how rensa signs, where it can be imported."""
    if importlib.util.find_spec("rensa") is None:
        return None
    rensa: Any = importlib.import_module("rensa")
    return lambda shingles: getattr(rensa, kind).from_token_sets(shingles, LANES, 1)


def peers() -> dict[str, Callable[[list[list[str]]], object]]:
    """Return what else signs lists of shingles here."""
    rensa = {f"rensa {kind}": sign_rensa(kind) for kind in ("RMinHash", "CMinHash")}
    return {"datasketch": sign_datasketch_own} | {name: sign for name, sign in rensa.items() if sign}


def sign_texts(texts: Texts, shingling: Shingling, scheme: Fast | Permutations) -> object:
    """Sign texts from their bytes on."""
    if isinstance(scheme, Permutations):
        return sign_datasketch(texts, shingling, scheme)
    return sign(units_of(texts, shingling.unit), shingling.n, scheme)


def our_speeds(folder: Path) -> list[tuple[str, ...]]:
    """Measure both schemes."""
    words, five, characters = Shingling("words", 2), Shingling("words", 5), Shingling("characters", 5)
    fast, datasketch = new_fast(LANES), new_permutations(LANES)
    ways = {
        "fast, pairs of words": (words, fast), "fast, 5 words": (five, fast),
        "fast, 5 characters": (characters, fast), "datasketch's values, pairs of words": (words, datasketch),
        "datasketch's values, 5 characters": (characters, datasketch),
    }  # fmt: skip
    texts = {size: records(folder, size, TOTAL) for size in BYTES}
    rows = []
    for name, way in ways.items():
        sign_texts(texts[BYTES[0]], *way)
        rates = [rate(lambda way=way, size=size: sign_texts(texts[size], *way), TOTAL) for size in BYTES]
        rows.append((name, *(f"{each:,.0f}" for each in rates)))
    return rows


def peer_speeds(folder: Path) -> list[tuple[str, ...]]:
    """Measure peers from the text on, and from ready shingles on."""
    texts = {size: pieces_of(records(folder, size, PEER_TOTAL)) for size in BYTES}
    ready = {size: [pairs_of_words(text) for text in texts[size]] for size in BYTES}
    rows = []
    for name, work in peers().items():
        whole, own = [], []
        for size in BYTES:
            whole.append(rate(lambda s=size, w=work: w([pairs_of_words(t) for t in texts[s]]), PEER_TOTAL))
            own.append(rate(lambda s=size, w=work: w(ready[s]), PEER_TOTAL))
        rows.append((name, *(f"{a:.1f} ({b:.1f})" for a, b in zip(whole, own, strict=True))))
    return rows


def pairs_of_sets(size: int, jaccard: float, count: int) -> tuple[Sets, float]:
    """Return sets of which each two in a row share about as much as stated, and how much they do."""
    shared = round(2 * size * jaccard / (1 + jaccard))
    rng = np.random.default_rng([size, round(100 * jaccard)])
    pool = rng.integers(0, 2**64, (count, 2 * size - shared), dtype=np.uint64)
    sets = np.stack([pool[:, :size], pool[:, size - shared :]], axis=1)
    return Sets(sets.ravel(), np.arange(2 * count + 1) * size), shared / (2 * size - shared)


class Errors:
    """The errors of one scheme for sets of one size, in parts of what independent lanes have by theory."""

    def __init__(self) -> None:
        """Start with none."""
        self.squares: list[float] = []
        self.bias: list[float] = []

    def add(self, estimated: Any, true: float) -> None:
        """Add the estimates of pairs that are so alike."""
        chance = np.sqrt(true * (1 - true) / LANES)
        self.squares.append(float(np.mean((estimated - true) ** 2)) / chance**2)
        self.bias.append(float(np.mean(estimated - true)))

    def told(self) -> str:
        """Return the root of the mean square, and the mean error in thousandths."""
        return f"{np.sqrt(np.mean(self.squares)):.2f} ({1000 * np.mean(self.bias):+.1f})"


def rensa_estimates(kind: str, sets: Sets) -> Any:
    """Estimate the similarity of each two sets in a row."""
    rensa: Any = importlib.import_module("rensa")
    made = []
    for begin, end in zip(sets.at[: 2 * PEER_PAIRS], sets.at[1:], strict=False):
        signature = getattr(rensa, kind)(num_perm=LANES, seed=1)
        signature.update([str(h) for h in sets.hashes[begin:end]])
        made.append(signature)
    return np.array([a.jaccard(b) for a, b in zip(made[::2], made[1::2], strict=True)])


def errors() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Measure estimates and bands of pairs of sets."""
    kinds = [kind for kind in ("RMinHash", "CMinHash") if importlib.util.find_spec("rensa")]
    ours = {
        "fast": lambda s: sign_sets(*s, new_fast(LANES)),
        "datasketch's": lambda s: signatures(s, new_permutations(LANES)),
    }
    rows = []
    for size in SIZES:
        told = {name: Errors() for name in (*ours, *kinds)}
        for jaccard in JACCARDS:
            sets, true = pairs_of_sets(size, jaccard, max(FEWEST, SHINGLES // size // 2))
            if not 0 < true < 1:
                continue
            pairs = np.arange(len(sets.at) - 1).reshape(-1, 2)
            for name, made in ours.items():
                rows_ = made(sets)
                told[name].add(agreement(rows_, rows_, pairs), true)
            for kind in kinds:
                told[kind].add(rensa_estimates(kind, sets), true)
        rows.append((f"{size:,}", *(each.told() for each in told.values())))
    return (">shingles", *(f">{name}" for name in (*ours, *(f"rensa {kind}" for kind in kinds)))), rows


def recalls() -> list[tuple[str, ...]]:
    """Measure how often pairs share a band, beside what bands promise."""
    rows = []
    for threshold, recall in WAYS:
        bands = bands_for(threshold, recall, LANES)
        for size in SIZES[1:]:
            sets, true = pairs_of_sets(size, threshold, max(FEWEST, SHINGLES // size // 2))
            met = []
            for made in (sign_sets(*sets, new_fast(LANES)), signatures(sets, new_permutations(LANES))):
                keys = band_keys(made, bands)
                met.append((keys[::2] == keys[1::2]).any(axis=1).mean())
            rows.append(
                (
                    f"{bands.number} x {bands.rows}",
                    f"{size:,}",
                    f"{true:.3f}",
                    f"{bands.recall(true):.3f}",
                    *(f"{m:.3f}" for m in met),
                )
            )
    return rows


def main() -> None:
    """Run all and write the section."""
    folder = Path(sys.argv[1])
    sizes = tuple(f">{size:,} bytes a record" for size in BYTES)
    head, rows = errors()
    text = f"""\
MB/s of one thread's processor time, from text to signatures of {LANES} lanes; peers from the text on, and in
brackets from ready shingles on.

{markdown(("what", *sizes), [*our_speeds(folder), *peer_speeds(folder)])}

Root of the mean square error of the estimated Jaccard similarity, over similarities from {JACCARDS[0]} to
{JACCARDS[-1]}, in parts of sqrt(J (1 - J) / {LANES}), what independent lanes have; in brackets the mean error
in thousandths.

{markdown(head, rows)}

How often pairs share a band, for bands that promise 0.95 at a similarity of {WAYS[0][0]} and {WAYS[1][0]}.

{markdown(("bands", ">shingles", ">Jaccard", ">promised", ">fast", ">datasketch's"), recalls())}
"""
    print(text)
    rensa = ("rensa",) if importlib.util.find_spec("rensa") else ()
    write_section("sketch", text, ("numba", "numpy", "datasketch", *rensa))


if __name__ == "__main__":
    main()
