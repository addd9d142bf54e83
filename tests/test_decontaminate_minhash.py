"""Whole prompts that are nearly an eval instance."""

import random
from dataclasses import replace

from decontaminate_fixtures import batch, index_of, scan_texts, suite
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.decontaminate import index, open_index
from tulu_data.decontaminate.minhash import shingle
from tulu_data.decontaminate.scan import scan
from tulu_data.specs.rules import RULES

QUESTION = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
EDITED = (
    "Natalia sold clips to 48 of her friends in March, and afterwards she sold half as many clips in May."
)
OTHER = "A baker has three trays with twelve rolls each, sells nineteen of them and eats one himself."
PADDING = " ".join(f"word{k}" for k in range(60))


def pair_shares(one, other):
    """Return the Jaccard similarity of two lists of words as sets of pairs."""

    def pairs(words):
        return {tuple(words[k : k + 2]) for k in range(max(len(words) - 1, 1))} if words else set()

    either = pairs(one) | pairs(other)
    return len(pairs(one) & pairs(other)) / len(either) if either else 0.0


def hits(found):
    return [(h["record"], h["instance"], h["rule"], h["match"]) for h in found.table.to_pylist()]


def test_an_edited_prompt_is_found_and_a_long_document_with_it_is_not():
    long = f"{OTHER} {QUESTION} {PADDING}"
    found = scan_texts([OTHER, QUESTION], [["Hello."], [EDITED], [long]], "minhash")
    assert hits(found) == [(1, "2", "minhash", "item")]
    hit = found.table.to_pylist()[0]
    assert 0.4 < hit["overlap"] < 1
    words = [EDITED[s["start"] : s["end"]] for s in hit["record_spans"]]
    assert words[0] == "Natalia sold clips to 48 of her friends in"
    assert "half as many clips in May" in words[-1]


def test_all_turns_of_a_record_are_one_text():
    records = [[QUESTION[:50], QUESTION[50:]], [QUESTION, f"{OTHER} And: {PADDING}"]]
    found = scan_texts([QUESTION], records, "minhash")
    assert [h["record"] for h in found.table.to_pylist()] == [0]
    assert {s["turn"] for s in found.table.to_pylist()[0]["record_spans"]} == {1, 2}


def test_a_number_counts_by_its_value_and_case_not_at_all():
    found = scan_texts([QUESTION], [[QUESTION.upper().replace("48", "48.0")]], "minhash")
    assert found.table["overlap"].to_pylist() == [1.0]


def test_every_instance_of_one_wording_is_named():
    found = scan_texts([QUESTION, QUESTION.upper(), OTHER], [[EDITED]], "minhash")
    assert [h[1] for h in hits(found)] == ["1", "2"]


def test_rules_asked_for_together_find_what_each_finds_alone():
    records = [[EDITED], [QUESTION], [OTHER + " " + QUESTION * 2], ["Hi."]]
    alone = [scan_texts([QUESTION, OTHER], records, rule).table for rule in ("tulu3", "minhash")]
    both = scan_texts([QUESTION, OTHER], records, "tulu3,minhash").table
    expected = sorted((h["record"], h["rule"], h["overlap"]) for t in alone for h in t.to_pylist())
    assert sorted((h["record"], h["rule"], h["overlap"]) for h in both.to_pylist()) == expected
    assert {h["rule"] for h in both.to_pylist()} == {"tulu3", "minhash"}


def test_buckets_are_made_once_for_all_scans(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(index, "shingle", lambda *given: made.append(1) or shingle(*given))
    suites = [suite([QUESTION, OTHER])]
    found = [
        scan([batch([[EDITED]])], "sft", open_index(suites, "minhash", cache=tmp_path)).table
        for _ in range(2)
    ]
    assert made == [1]
    assert found[0].num_rows == 1
    assert found[0].equals(found[1])
    open_index(suites, replace(RULES["minhash"], threshold=0.6), cache=tmp_path)
    assert made == [1, 1]


words = st.lists(st.sampled_from(["clips", "river", "baker", "tray", "moon", "seven", "x1"]), max_size=14)


@settings(max_examples=60)
@given(words, st.lists(words, max_size=2))
def test_the_overlap_is_the_similarity_of_the_pairs_of_words(instance, turns):
    found = scan_texts([" ".join(instance)], [[" ".join(turn) for turn in turns]], "minhash").table
    said = [word for turn in turns for word in turn]
    for overlap in found["overlap"].to_pylist():
        assert overlap == pair_shares(instance, said)
        assert overlap > 0.4
    if instance and said == instance:
        assert found["overlap"].to_pylist() == [1.0]


def test_hits_depend_on_no_order_workers_or_batches():
    rng = random.Random(7)  # noqa: S311
    vocabulary = [f"word{k}" for k in range(80)]
    questions = [" ".join(rng.choices(vocabulary, k=rng.randint(1, 25))) for _ in range(60)]
    records = []
    for _ in range(300):
        text = rng.choice(questions).split()
        for _ in range(rng.randint(0, 6)):
            text[rng.randrange(len(text))] = rng.choice(vocabulary)
        records.append([" ".join(text)])
    base = scan_texts(questions, records, "minhash").table
    assert base.num_rows > 150
    for workers, size in ((1, 7), (2, 64), (3, 1)):
        assert scan_texts(questions, records, "minhash", workers=workers, batch_size=size).table.equals(base)
    order = list(range(len(records)))
    rng.shuffle(order)
    moved = scan([batch([records[k] for k in order])], "sft", index_of(questions, "minhash")).table

    def rows(table, place):
        names = ("record", "instance", "overlap", "match")
        columns = zip(*(table[name].to_pylist() for name in names), strict=True)
        return sorted((place(r), *rest) for r, *rest in columns)

    assert rows(moved, lambda r: order[r]) == rows(base, lambda r: r)
