r"""Real training text with eval instances planted in it, and the labels: the planted benchmark's input.

Usage: python bench/planted_corpus.py DATA OUT [--seed N] [--megabytes M], DATA with `train/` and `evals/`.

    OUT/train/*.jsonl     prompt and completion, or messages: what tulu-data reads; leaks lie in user turns
    OUT/peer/*.jsonl      the same documents in the same order, id and text: what the peers read
    OUT/evals/            the suites, in our layout and in the eval_key layout
    OUT/labels.jsonl      a row per planted document: form, variant, match to expect, the instance's names
    OUT/bulk.jsonl        which hosts each bulk document joins
    OUT/about.json        seed and counts

The seed draws instances, edits and hosts. Document ids begin with `host` (each text once; the id is a hash
of the text, so it is the same under every seed), `bulk` (texts of hosts joined until the size is reached;
repeated text, there for speed and memory) or `leak`.
"""

import argparse
import hashlib
import itertools
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import planted_forms as forms
from planted_forms import LOOKS, PREFIXES, Instance, Vocabulary, halves, no_case, spoken, wrapped
from planted_hosts import Turns, chats, dialogues, hosts, many_hosts
from planted_suites import equal_questions, write_all

EACH = 200
"""Leaks of each form; of each Chinese form, half of mgsm_zh."""
HOSTS = 104_000
"""Unplanted documents with a text of their own."""
BULK = 12_000
"""Characters of a bulk document, about."""
FILES = 4
WEIGHTS = {
    "gsm8k": 25, "math": 25, "mmlu_csv": 40, "mbpp": 15, "humaneval": 10, "bbh": 25, "truthfulqa": 15,
    "drop": 25, "ifeval": 20,
}  # fmt: skip
"""Instances of each suite among the leaks of one form."""
WORDS = 8
"""A leaked question has at least so many words with a letter in them."""
JOINT = "\n\n"
"""What stands between texts that are joined."""
REPLY = "Thank you."
"""Completion of every document: what is planted lies in the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document: its turns, and what is planted in it."""

    id: str
    turns: Turns
    label: dict[str, object] | None = None
    parts: list[str] = field(default_factory=list)
    """Texts that a bulk document joins."""

    @property
    def text(self) -> str:
        """All turns, a line each."""
        return "\n".join(text for _, text in self.turns)

    @property
    def is_chat(self) -> bool:
        """Whether it is more than a prompt and a completion."""
        return len(self.turns) != 2


@dataclass(slots=True, kw_only=True)
class Soil:
    """What leaks are made from."""

    rng: random.Random
    hosts: list[str]
    chinese: list[str]
    words: Vocabulary = ()
    characters: str = ""
    pool: dict[str, list[Instance]] = field(default_factory=dict)
    """Unused instances by suite, shuffled."""


Planted = tuple[list[str], str]
"""Texts of the user turns, and the variant of the form."""
Plant = Callable[[Instance, Soil], Planted]


def question_answer(one: Instance, _soil: Soil) -> Planted:
    return [f"{one.asked}\n{one.answer}"], ""


def inside_long(one: Instance, soil: Soil) -> Planted:
    return [surround(f"{one.asked}\n{one.answer}", 12, soil.hosts, soil.rng)], ""


def question(one: Instance, _soil: Soil) -> Planted:
    return [one.question], ""


def no_punctuation(one: Instance, _soil: Soil) -> Planted:
    return [no_case(one.asked)], ""


def edits(share: float) -> Plant:
    return lambda one, soil: ([forms.edited(one.asked, share, soil.words, soil.rng)], f"{share:.0%}")


def edits_inside(one: Instance, soil: Soil) -> Planted:
    return [surround(forms.edited(one.asked, 0.1, soil.words, soil.rng), 12, soil.hosts, soil.rng)], "10%"


def rewrapped(one: Instance, soil: Soil) -> Planted:
    name = soil.rng.choice(list(PREFIXES))
    return [wrapped(one.asked, PREFIXES[name], soil.rng.randrange(20, 50))], name


def chat_split(one: Instance, soil: Soil) -> Planted:
    return list(halves(one.asked, soil.rng)), ""


def looks(one: Instance, soil: Soil) -> Planted:
    name = soil.rng.choice(list(LOOKS))
    return [LOOKS[name](one.asked, soil.rng)], name


def first_half(one: Instance, soil: Soil) -> Planted:
    return [halves(one.question, soil.rng)[0]], ""


def numbers(one: Instance, soil: Soil) -> Planted:
    return [forms.other_numbers(one.question, soil.rng)], ""


def chinese(one: Instance, soil: Soil) -> Planted:
    return [surround(one.asked, 6, soil.chinese, soil.rng)], "verbatim"


def chinese_edited(one: Instance, soil: Soil) -> Planted:
    text = forms.edited_characters(one.asked, 0.1, soil.characters, soil.rng)
    return [surround(text, 6, soil.chinese, soil.rng)], "10%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form of leak."""

    plant: Plant
    suits: Callable[[Instance], bool] = lambda _: True
    expected: str = "item"
    """What a report should call it."""
    weights: dict[str, int] = field(default_factory=lambda: WEIGHTS)


FORMS: dict[str, Form] = {
    "question and answer": Form(plant=question_answer, suits=lambda one: bool(one.answer)),
    "inside a 12x longer document": Form(plant=inside_long, suits=lambda one: bool(one.answer)),
    "question only": Form(plant=question),
    "lower-cased, no punctuation": Form(plant=no_punctuation),
    "5% of words edited": Form(plant=edits(0.05)),
    "10% of words edited": Form(plant=edits(0.1)),
    "20% of words edited": Form(plant=edits(0.2)),
    "re-wrapped": Form(plant=rewrapped),
    "split over two turns": Form(plant=chat_split),
    "other Unicode": Form(plant=looks),
    "extra: 10% edited, 12x longer document": Form(plant=edits_inside),
    "extra: first half": Form(
        plant=first_half, expected="partial", suits=lambda one: spoken(one.question) >= 2 * WORDS
    ),
    "extra: other numbers": Form(
        plant=numbers, expected="template", weights={"gsm8k": 140, "math": 60},
        suits=lambda one: sum(c.isdigit() for c in one.question) >= 2,
    ),
    "extra: Chinese": Form(plant=chinese, weights={"mgsm": 125}),
    "extra: Chinese, 10% of characters edited": Form(plant=chinese_edited, weights={"mgsm": 125}),
}  # fmt: skip
"""The ten forms that are counted, then those that inform."""


def surround(text: str, times: int, hosts: list[str], rng: random.Random) -> str:
    """Put a text at a random place among hosts, so that the whole is `times` as long."""
    parts: list[str] = []
    size = 0
    while size < (times - 1) * len(text):
        parts.append(rng.choice(hosts))
        size += len(parts[-1])
    parts.insert(rng.randint(0, len(parts)), text)
    return JOINT.join(parts)


def choose(
    instances: list[Instance], rng: random.Random
) -> tuple[dict[str, list[Instance]], dict[str, list]]:
    """Return the instances that may be leaked, by suite, and every instance's names."""
    groups = equal_questions(instances)
    names = {}
    pool: dict[str, list[Instance]] = {name: [] for name in (*WEIGHTS, "mgsm")}
    for group in groups.values():
        once = max(Counter((one.suite, one.split) for one in group).values()) == 1
        for one in group:
            names[one.suite, one.split, one.id] = [other.label for other in group]
        for one in group:
            if once and one.suite in pool and _leakable(one):
                pool[one.suite].append(one)
                break
    for name in sorted(pool):
        rng.shuffle(pool[name])
    return pool, names


def _leakable(one: Instance) -> bool:
    return one.split == "zh" if one.suite == "mgsm" else spoken(one.question) >= WORDS


def take(form: Form, soil: Soil, count: int) -> list[Instance]:
    """Take unused instances that suit a form, by its weights; where a suite has no more, of MMLU."""
    taken = []
    for suite, weight in form.weights.items():
        mine = [one for one in soil.pool[suite] if form.suits(one)][:weight]
        taken += mine
        _use(soil, suite, mine)
    if len(taken) < count and "mmlu_csv" in form.weights:
        mine = [one for one in soil.pool["mmlu_csv"] if form.suits(one)][: count - len(taken)]
        taken += mine
        _use(soil, "mmlu_csv", mine)
    return taken[:count]


def _use(soil: Soil, suite: str, used: list[Instance]) -> None:
    gone = {(one.split, one.id) for one in used}
    soil.pool[suite] = [one for one in soil.pool[suite] if (one.split, one.id) not in gone]


def leaks(soil: Soil, names: dict[str, list]) -> Iterator[Document]:
    """Plant every form."""
    for number, (name, form) in enumerate(FORMS.items()):
        for k, one in enumerate(take(form, soil, EACH)):
            texts, variant = form.plant(one, soil)
            turns: Turns = []
            for text in texts:
                turns += [("user", text), ("assistant", "Go on." if text is not texts[-1] else REPLY)]
            label = {
                "form": name, "variant": variant, "expected": form.expected, **one.label,
                "equivalents": names[one.suite, one.split, one.id],
            }  # fmt: skip
            yield Document(id=f"leak-{number:02d}-{k:03d}", turns=turns, label=label)


def prepare(data: Path, rng: random.Random) -> tuple[Soil, list[Turns], list[str]]:
    """Read the hosts: what leaks are made from, chats, and the texts that are documents of their own."""
    some = [text for text in dict.fromkeys(hosts(data / "train")) if text.strip()]
    many = [text for text in dict.fromkeys(many_hosts(data / "train")) if text]
    zh = list(dict.fromkeys(dialogues(data / "train")))
    talks = [list(turns) for turns in dict.fromkeys(map(tuple, chats(data / "train")))]
    rest = HOSTS - len(some) - len(zh) - len(talks)
    own = some + zh + rng.sample(many, rest)
    words = [word for text in rng.sample(some, 5000) for word in text.split() if word.isascii()]
    soil = Soil(
        rng=rng, hosts=some + many, chinese=zh, words=words, characters="".join(zh[:100]).replace("\n", "")
    )
    return soil, talks, own


def unplanted(talks: list[Turns], own: list[str]) -> list[Document]:
    """Make a document of every host."""
    return [
        Document(id=host_id("\n".join(text for _, text in turns[:-1])), turns=turns)
        for turns in (*([("user", text), ("assistant", REPLY)] for text in own), *talks)
    ]


def host_id(text: str) -> str:
    """Name a host by its text."""
    return f"host-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def bulk(soil: Soil, size: int) -> Iterator[Document]:
    """Join hosts into documents until they have `size` bytes."""
    for k in itertools.count():
        if size <= 0:
            return
        parts: list[str] = []
        length = BULK * soil.rng.uniform(0.5, 1.5)
        while sum(map(len, parts)) < length:
            parts.append(soil.rng.choice(soil.hosts))
        turns: Turns = [("user", JOINT.join(parts)), ("assistant", REPLY)]
        made = Document(id=f"bulk-{k:06d}", turns=turns, parts=parts)
        size -= len(made.text.encode())
        yield made


def documents(data: Path, instances: list[Instance], seed: int, megabytes: float) -> list[Document]:
    """Return the whole corpus, shuffled."""
    rng = random.Random(seed)  # noqa: S311 - a draw that anyone can repeat is the point
    soil, talks, own = prepare(data, rng)
    soil.pool, names = choose(instances, rng)
    made = list(leaks(soil, names))
    made += unplanted(talks, own)
    size = sum(len(one.text.encode()) for one in made)
    made += bulk(soil, int(megabytes * 1e6) - size)
    rng.shuffle(made)
    return made


def write_documents(corpus: list[Document], out: Path) -> dict[str, list[Document]]:
    """Write documents as we read them and as the peers do; return them by file, in order."""
    for name in ("train", "peer"):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).mkdir(parents=True)
    plain = [one for one in corpus if not one.is_chat]
    parts = {f"part-{k}": plain[k::FILES] for k in range(FILES)}
    parts["chat"] = [one for one in corpus if one.is_chat]
    for name, part in parts.items():
        write_rows(out / f"peer/{name}.jsonl", ({"id": one.id, "text": one.text} for one in part))
        write_rows(out / f"train/{name}.jsonl", map(_row, part))
    return parts


def write(corpus: list[Document], out: Path) -> dict[str, float]:
    """Write documents and labels; return counts."""
    talks = write_documents(corpus, out)["chat"]
    labels = sorted(({"id": one.id, **one.label} for one in corpus if one.label), key=lambda row: row["id"])
    write_rows(out / "labels.jsonl", labels)
    joined = (
        {"id": one.id, "parts": [[host_id(p), len(p)] for p in one.parts]} for one in corpus if one.parts
    )
    write_rows(out / "bulk.jsonl", joined)
    kinds = Counter(one.id.split("-")[0] for one in corpus)
    size = sum(len(one.text.encode()) for one in corpus) / 1e6
    return {"documents": len(corpus), **kinds, "chats": len(talks), "megabytes": round(size, 1)}


def _row(one: Document) -> dict[str, object]:
    if one.is_chat:
        return {"id": one.id, "messages": [{"role": role, "content": text} for role, text in one.turns]}
    return {"id": one.id, "prompt": one.turns[0][1], "completion": one.turns[1][1]}


def write_rows(path: Path, rows: Iterator[dict] | list[dict]) -> None:
    """Write json lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def make(data: Path, out: Path, seed: int, megabytes: float) -> dict[str, float]:
    """Write corpus, suites and labels to a folder; return counts."""
    if not (data / "train").is_dir():
        raise SystemExit(f"{data}: no folder 'train'; give the folder that holds train/ and evals/")
    shutil.rmtree(out / "evals", ignore_errors=True)
    instances = write_all(data, out / "evals")
    about = write(documents(data, instances, seed, megabytes), out)
    about = {"seed": seed, **about, "instances": len(instances)}
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
