"""The scan against a brute-force oracle, its evidence, and the faults of other tools it must not have."""

import random

import numpy as np
import pyarrow as pa
import pytest
from decontaminate_fixtures import batch, hit_set, index_of, record, scan_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from word_reference import ALPHABETS, EVERY, overlap, words

from tulu_data.decontaminate import HITS, RULES, evidence
from tulu_data.decontaminate.index import measure_of
from tulu_data.decontaminate.scan import scan
from tulu_data.kernels.buffers import messages_of
from tulu_data.kernels.coverage import BLOCK, candidates, find_pairs, new_scratch
from tulu_data.kernels.folding import folding
from tulu_data.kernels.ngrams import (
    WHOLE,
    assign_slots,
    fill_filter,
    fill_parts,
    find_equal,
    post_units,
    sift,
    tell,
)
from tulu_data.kernels.sharing import read_pairs
from tulu_data.kernels.spelling import number_known, number_new, number_texts
from tulu_data.kernels.words import count_beyond, hash_texts, next_word
from tulu_data.sources.turns import listed
from tulu_data.specs.rules import GramRule

QUESTION = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
PASSAGE = "The river rose for nine days before the old mill gave way and took the bridge along with it."

VOCABULARIES = {
    "latin": ["one", "Two", "tHree", "caf\u00e9", "cafe\u0301", "x\u00b2", "\u00bd", "48", "stra\u00dfe"],
    "cyrillic": ["\u043e\u0434\u0438\u043d", "\u0414\u0432\u0430", "\u0442\u0440\u0438", "\u0439"],
    "arabic": ["\u0648\u0627\u062d\u062f", "\u0627\u062b\u0646\u064e\u0627\u0646", "\u0663"],
    "devanagari": ["\u090f\u0915", "\u0926\u094b", "\u0924\u0940\u0928"],
    "cjk": ["\u5929", "\u6c17", "\u4eca\u65e5", "\u304b\u3099", "\u304c", "\uff21\uff22"],
}
GLUE = [" ", ", ", "\u200b ", ".\n", " \u00ad", "\u00a0", "-"]


@st.composite
def pairs(draw):
    """Draw an instance and the user turns of a record out of few words, so that they overlap often."""
    vocabulary = draw(st.sampled_from(list(VOCABULARIES.values())))
    phrase = st.lists(st.tuples(st.sampled_from(vocabulary[:3]), st.sampled_from(GLUE)), max_size=20)
    written = phrase.map(lambda parts: "".join(word + glue for word, glue in parts))
    instance = draw(written)
    turns = draw(st.lists(written, max_size=3))
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(instance)))
        turns.append(
            draw(written)
            + draw(st.sampled_from(GLUE))
            + instance[cut // 2 : cut // 2 + len(instance) // 2 + 9]
        )
    return instance, turns


noise = st.one_of(*(st.text(alphabet=letters, max_size=30) for letters in (*ALPHABETS.values(), EVERY)))


@settings(max_examples=300)
@given(
    st.one_of(pairs(), st.tuples(noise, st.lists(noise, max_size=2))),
    st.sampled_from(["tulu3", "coverage", "any-8", "longest"]),
)
def test_a_hit_is_what_brute_force_says(pair, rule):
    instance, turns = pair
    shares = overlap(instance, turns)
    expected = {
        "tulu3": shares["words"] if shares["words"] > 0.5 else None,
        "coverage": shares["grams"] if shares["grams"] >= 0.7 else None,
        "any-8": shares["grams"] if shares["grams"] > 0 else None,
        "longest": shares["run"] if shares["run"] > 0.5 else None,
    }[rule]
    found = scan_texts([instance], [turns], rule).table
    assert found["overlap"].to_pylist() == ([] if expected is None else [pytest.approx(expected)])


@settings(max_examples=300)
@given(pairs(), st.integers(1, 13))
def test_grams_of_any_size_are_found_wherever_they_stand(pair, n):
    instance, turns = pair
    expected = overlap(instance, turns, n)["grams"]
    found = scan_texts([instance], [turns], GramRule(name="any", n=n, measure="grams", threshold=0.0)).table
    assert found["overlap"].to_pylist() == ([pytest.approx(expected)] if expected else [])


@settings(max_examples=200)
@given(pairs(), st.sampled_from(["words", "grams", "run"]))
def test_turns_that_are_one_text_match_over_their_borders(pair, measure):
    instance, turns = pair
    expected = overlap(instance, turns, joined=True)[measure]
    index = index_of([instance], GramRule(name="some", n=8, measure=measure, threshold=0.0))
    read = listed(messages_of(batch([turns]).column("messages")), users=True)._replace(joined=True)
    pairs = candidates(
        read, index.grams[0], measure_of(index.rules.grams[0]), new_scratch(index.grams[0]), folding()
    )
    found = evidence.explain(read, pairs, index.units, index.grams[0], measure_of(index.rules.grams[0]))
    assert [covered / whole for _, _, covered, whole, *_ in found.hits.tolist()] == (
        [pytest.approx(expected)] if expected else []
    )
    spans = [turns[turn - 1][start:end] for turn, start, end in found.theirs.tolist()]
    assert all(words(span) for span in spans)
    covered = overlap(instance, turns, joined=True)["words"]
    assert overlap(instance, spans, joined=True)["words"] >= covered


@settings(max_examples=200)
@given(pairs())
def test_spans_point_at_the_shared_words_in_both_originals(pair):
    instance, turns = pair
    for hit in scan_texts([instance], [turns]).table.to_pylist():
        ours = [words(instance[s["start"] : s["end"]]) for s in hit["instance_spans"]]
        theirs = [words(turns[s["turn"] - 1][s["start"] : s["end"]]) for s in hit["record_spans"]]
        assert all(ours)
        assert all(theirs)
        together = [w for span in ours for w in span]
        assert len(together) >= hit["overlap"] * len(words(instance)) - 1e-9
        width = min(8, len(words(instance)))
        grams = {tuple(w[k : k + width]) for w in theirs for k in range(len(w) - width + 1)}
        for span in ours:
            shared = [k for k in range(len(span) - width + 1) if tuple(span[k : k + width]) in grams]
            assert {k + j for k in shared for j in range(width)} == set(range(len(span)))


@settings(max_examples=60)
@given(st.lists(pairs(), min_size=1, max_size=5), st.data(), st.sampled_from(["tulu3", "tulu3,idf,lexical"]))
def test_every_instance_of_a_text_is_hit_as_if_it_were_the_only_one(drawn, data, rule):
    texts = list(dict.fromkeys(instance for instance, _ in drawn))
    times = data.draw(st.lists(st.integers(1, 3), min_size=len(texts), max_size=len(texts)))
    copied = [text for text, count in zip(texts, times, strict=True) for _ in range(count)] + texts
    records = [[*turns, instance] for instance, turns in drawn]
    once = scan_texts(texts, records, rule).table.to_pylist()
    expected = [
        {**hit, "instance": str(k + 1)}
        for k, text in enumerate(copied)
        for hit in once
        if texts[int(hit["instance"]) - 1] == text
    ]
    # Sorting is stable, so the rules of a record and an instance stay in their order.
    expected.sort(key=lambda hit: (hit["record"], int(hit["instance"])))
    assert scan_texts(copied, records, rule).table.to_pylist() == expected


@settings(max_examples=60)
@given(st.lists(pairs(), min_size=1, max_size=6), st.integers(1, 5), st.integers(1, 8))
def test_collisions_of_hashes_never_become_hits(drawn, bits, batch_size):
    instances, records = [i for i, _ in drawn], [t for _, t in drawn]
    exact = scan_texts(instances, records)
    narrow = scan_texts(instances, records, key_bits=bits, batch_size=batch_size)
    assert narrow.table.equals(exact.table)


@settings(max_examples=30)
@given(st.lists(pairs(), min_size=1, max_size=12), st.integers(1, 13), st.integers(1, 3))
def test_hits_do_not_depend_on_workers_or_batches(drawn, batch_size, workers):
    instances, records = [i for i, _ in drawn], [t for _, t in drawn]
    straight = scan_texts(instances, records)
    assert scan_texts(instances, records, workers=workers, batch_size=batch_size).table.equals(straight.table)


def test_a_short_question_matches_as_a_phrase_inside_a_turn():
    found = scan_texts(
        ["What is the capital of France?"],
        [["Tell me: what is the capital of france, please"], ["capital of France"]],
    )
    assert found.table["record"].to_pylist() == [0]
    assert found.table["overlap"].to_pylist() == [1.0]


def test_a_tiny_question_must_be_the_whole_turn():
    records = [["So, what is it?"], ["what is it"], ["Hi", "What is it"], ["what", "is it"]]
    assert scan_texts(["What is it?"], records).table["record"].to_pylist() == [1, 2]
    assert WHOLE == 4


def test_a_question_without_words_is_counted_as_unmatchable():
    index = index_of(["?!", "What is it?"])
    assert index.unmatchable(0) == 1
    assert scan([batch([["?!"]])], "sft", index).table.num_rows == 0


def test_a_passage_of_a_few_words_is_a_part_of_its_instance_and_no_item():
    index = index_of([{"question": QUESTION, "passage": "Seven Bridges"}, {"question": "Seven Bridges"}])
    found = scan([batch([["Seven Bridges"]])], "sft", index).table
    assert sorted(zip(found["field"].to_pylist(), found["match"].to_pylist(), strict=True)) == [
        ("passage", "partial"), ("question", "item"),
    ]  # fmt: skip


def test_a_leaked_passage_without_its_question_is_found():
    index = index_of([{"question": QUESTION, "passage": PASSAGE}])
    found = scan([batch([[f"Read: {PASSAGE}"]])], "sft", index).table
    assert found["field"].to_pylist() == ["passage"]
    assert found["overlap"].to_pylist() == [1.0]


def test_a_leaked_prompt_without_its_answer_is_found():
    index = index_of([{"question": QUESTION, "answer": "72", "choices": ["1", "72"]}])
    assert scan([batch([[QUESTION]])], "sft", index).table["overlap"].to_pylist() == [1.0]


def test_a_repeated_ngram_counts_at_every_place():
    chorus = "row row row your boat gently down the "
    found = scan_texts([chorus + "stream life is but a dream and then " + chorus], [[chorus]])
    assert found.table["overlap"].to_pylist() == [16 / 24]


def test_hits_of_one_ngram_have_no_cap():
    found = scan_texts([QUESTION] * 300, [[QUESTION]])
    assert found.table.num_rows == 300


def test_other_numbers_are_no_hit():
    table = "1 2 3 4 5 6 7 8 9 10 11 12"
    swapped = QUESTION.replace("48", "12")
    assert scan_texts([table], [["13 14 15 16 17 18 19 20 21 22 23 24"]]).table.num_rows == 0
    assert scan_texts([table], [[table]]).table.num_rows == 1
    assert scan_texts([QUESTION], [[swapped]]).table["overlap"].to_pylist() == [15 / 20]


def test_ngrams_do_not_cross_turns_and_turns_of_one_record_add_up():
    half = QUESTION.split()
    cut = [" ".join(half[:7]), " ".join(half[7:14]), " ".join(half[14:])]
    assert scan_texts([QUESTION], [cut]).table.num_rows == 0
    halves = [" ".join(half[:9]), " ".join(half[9:])]
    found = scan_texts([QUESTION], [halves, halves[:1], halves[1:]]).table
    assert found["record"].to_pylist() == [0, 2]
    assert [s["turn"] for s in found["record_spans"].to_pylist()[0]] == [1, 2]


@pytest.mark.parametrize("role", ["system", "assistant", "tool"])
def test_only_user_turns_are_scanned(role):
    messages = [{"role": role, "content": QUESTION}, {"role": "user", "content": "hello"}]
    assert scan([batch([messages])], "sft", index_of([QUESTION])).table.num_rows == 0


def test_preferences_are_scanned_in_their_prompt():
    index = index_of([QUESTION])
    leak, clean = [{"role": "user", "content": QUESTION}], [{"role": "user", "content": "hello"}]
    records = [
        {"id": "a", "prompt": clean, "chosen": leak, "rejected": leak},
        {"id": "b", "prompt": leak, "chosen": clean, "rejected": clean},
    ]
    assert scan([batch(records, "preference")], "preference", index).table["id"].to_pylist() == ["b"]


def test_rlvr_records_are_scanned_in_their_messages():
    rows = [record([QUESTION]) | {"ground_truth": "72", "verifier": "gsm8k"}]
    assert scan([batch(rows, "rlvr")], "rlvr", index_of([QUESTION])).records == 1
    assert scan([batch(rows, "rlvr")], "rlvr", index_of([QUESTION])).table.num_rows == 1


def test_null_and_empty_contents_and_slices_are_read_right():
    rows = [
        [{"role": "user", "content": None}, {"role": "user", "content": QUESTION}],
        [],
        [{"role": "user", "content": ""}, {"role": "assistant", "content": QUESTION}],
        [QUESTION],
    ]
    whole = batch(rows)
    index = index_of([QUESTION])
    assert hit_set(scan([whole], "sft", index)) == {(0, "1"), (3, "1")}
    assert hit_set(scan([whole.slice(1), whole.slice(0, 2), whole.slice(4)], "sft", index)) == {
        (2, "1"),
        (3, "1"),
    }


def test_an_empty_stream_gives_an_empty_table():
    found = scan([], "sft", index_of([QUESTION]))
    assert (found.table.schema, found.table.num_rows, found.records) == (HITS, 0, 0)


def test_every_rule_finds_a_whole_question():
    for rule in RULES:
        assert scan_texts([QUESTION], [[QUESTION]], rule).table["rule"].to_pylist() == [rule]


@pytest.mark.parametrize("measure", ["words", "grams", "run"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_many_records_against_many_instances_agree_with_brute_force(measure, threshold):
    draw = random.Random(7)  # noqa: S311
    vocabulary = [f"w{k}" for k in range(30)]
    make = lambda low, high: " ".join(draw.choices(vocabulary, k=draw.randint(low, high)))  # noqa: E731
    instances = [make(1, 14) for _ in range(60)]
    hot, warm = make(8, 8), make(20, 20)
    instances += [f"{hot} {make(0, 20)}" for _ in range(60)]
    instances += [f"{make(0, 4)} {warm} {make(0, 9)} {hot}" for _ in range(20)] + [warm] * 12
    records = [[make(0, 30), draw.choice(instances), hot if draw.random() < 0.3 else "x"] for _ in range(150)]
    shares = {
        (r, str(k + 1)): overlap(instance, turns)[measure]
        for r, turns in enumerate(records)
        for k, instance in enumerate(instances)
    }
    rule = GramRule(name="some", n=8, measure=measure, threshold=threshold)
    found = scan_texts(instances, records, rule, batch_size=40)
    assert hit_set(found) == {pair for pair, share in shares.items() if share > threshold}
    assert found.table["overlap"].to_pylist() == [
        pytest.approx(shares[pair])
        for pair in zip(found.table["record"].to_pylist(), found.table["instance"].to_pylist(), strict=True)
    ]


def test_records_of_any_length_are_found_in_one_batch():
    draw = random.Random(11)  # noqa: S311
    instances = [" ".join(f"w{draw.randrange(10**6)}" for _ in range(draw.randint(4, 40))) for _ in range(50)]
    sizes = [0, 3, 400, 2 * BLOCK, 7, BLOCK - 100, 5 * BLOCK, 0, 60]
    expected, records = set(), []
    for r, size in enumerate(sizes * 3):
        words = [f"v{draw.randrange(10**6)}" for _ in range(size // 7)]
        for k in draw.sample(range(50), 2):
            words.insert(draw.randint(0, len(words)), instances[k])
            expected.add((r, str(k + 1)))
        records.append([" ".join(words)])
    assert hit_set(scan_texts(instances, records, batch_size=1000)) == expected


def test_a_hits_table_has_its_schema():
    found = scan_texts([QUESTION], [[QUESTION]]).table
    assert found.schema == HITS
    assert isinstance(found, pa.Table)
    found.validate(full=True)


@settings(max_examples=30)
@given(st.lists(pairs(), min_size=1, max_size=6), st.integers(1, 60))
def test_evidence_does_not_depend_on_how_much_is_looked_at_together(drawn, chunk):
    instances, records = [i for i, _ in drawn], [t for _, t in drawn]
    straight = scan_texts(instances, records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "_CHUNK", chunk)
        patch.setattr(evidence, "_SPANS", chunk // 10)
        assert scan_texts(instances, records).table.equals(straight.table)


@settings(max_examples=200)
@given(st.lists(st.one_of(noise, pairs().map(lambda pair: pair[0])), min_size=1, max_size=4), st.data())
def test_words_have_equal_numbers_if_they_are_equal(texts, data):
    split = data.draw(st.integers(0, len(texts)))
    raw = [text.encode() for text in texts]
    ends = np.cumsum([len(one) for one in raw])
    begins, joined = ends - [len(one) for one in raw], np.frombuffer(b"".join(raw) + b" " * 200, np.uint8)
    spelled = [words(text) for text in texts]
    total = sum(len(each) for each in spelled[:split])
    known, ours = number_new(joined, begins[:split], ends[:split], folding(), total)
    theirs = number_known(joined, begins[split:], ends[split:], folding(), known)
    seen = {}
    expected = [seen.setdefault(word, len(seen)) for each in spelled[:split] for word in each]
    assert ours.ids.tolist() == expected
    assert theirs.ids.tolist() == [seen.get(word, -1) for each in spelled[split:] for word in each]
    for part, first in ((ours, 0), (theirs, split)):
        for k in range(len(part.at) - 1):
            spans = part.characters[part.at[k] : part.at[k + 1]].tolist()
            for word, (start, end) in zip(spelled[first + k], spans, strict=True):
                assert word in words(texts[first + k][start:end])


def test_candidates_that_do_not_fit_their_room_are_found_in_several_rounds():
    index = index_of([QUESTION + "?" * k for k in range(5)])
    rows = batch([[QUESTION], ["hello"], [QUESTION, QUESTION], [QUESTION]])
    turns = listed(messages_of(rows.column("messages")), users=True)
    scratch = new_scratch(index.grams[0])
    small = scratch._replace(pairs=scratch.pairs[:7].copy())
    found = candidates(turns, index.grams[0], measure_of(index.rules.grams[0]), small, folding())
    assert found.tolist() == [[r, u] for r in (0, 2, 3) for u in range(5)]


def test_every_kernel_is_compiled_once():
    scan_texts([QUESTION, "caf\u00e9"], [[QUESTION, "na\u00efve"], ["caf\u00e9"]], workers=2)
    kernels = (
        hash_texts, count_beyond, next_word, number_texts, read_pairs, assign_slots, post_units, fill_filter,
        fill_parts, sift, tell, find_equal, find_pairs,
    )  # fmt: skip
    assert {k.__name__: len(k.signatures) for k in kernels if len(k.signatures) > 1} == {}
