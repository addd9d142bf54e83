"""What a record holds of an eval instance: cases written by hand, and what hits must not depend on."""

import random
import textwrap
from collections import defaultdict
from dataclasses import fields
from itertools import product

import numpy as np
import pytest
from decontaminate_fixtures import batch, index_of, scan_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from tulu_data.decontaminate.scan import Scanner, scan
from tulu_data.decontaminate.settling import _is_copy, _Measured, rarities, settle
from tulu_data.decontaminate.wording import GRAM
from tulu_data.kernels.tokens import tokens_of

CLIPS = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether in April and May?"
)
WALLET = (
    "Betty is saving money for a new wallet which costs $100. Betty has only half of the money she needs. "
    "Her parents decided to give her $15 for that purpose, and her grandparents twice as much as her "
    "parents. How much more money does Betty need to buy the wallet?"
)
MILL = (
    "Why did the old mill give way after the river had been rising for nine days in the spring of that year?"
)
CHINESE = (
    "小明有二十四个苹果，他把其中三分之一送给了邻居，又把"
    "剩下的一半卖给了水果店，请问小明最后还剩下多少个苹果？"
)
FRANCE = "What is the capital of France?"
TABLE = "12 15 18 21 24 27 30 33 36 39 42 45"
ACID = "How many millilitres of 0.250 M lye does it take to neutralise 50.0 millilitres of 0.150 M acid?"
ANSWERED = "Who was it that painted the ceiling?"
COINS = "Compute for the children the number of ways in which they choose from 15 of the coins just 3?"
SUITE = [CLIPS, WALLET, MILL, CHINESE, FRANCE, TABLE, ACID, ANSWERED, COINS]
SUITE += [
    f"What does the {thing} of the {place} say about {topic} when {who} look at it for {long}?"
    for thing in ("colour", "shape", "smell") for place in ("river", "tower", "garden")
    for topic in ("weather", "money") for who in ("farmers", "children") for long in ("a while", "an hour")
]  # fmt: skip
HOSTS = [
    [f"Please {verb} {thing} for {who} and keep the {tone} tone of the letter number {k}."]
    for k, (verb, thing, who, tone) in enumerate(
        product(
            ("translate", "shorten", "check", "rewrite"), ("this essay", "the report"),
            ("my teacher", "a friend", "the office", "a child"), ("formal", "warm", "plain"),
        )
    )
]  # fmt: skip


def best(records, rule="auto", questions=SUITE):
    """Return, for each record, the best match of each question by some rule."""
    order = ["item", "template", "partial", "common"]
    found = defaultdict(lambda: "nothing")
    hits = scan_texts(
        questions, [[r] if isinstance(r, str) else r for r in records] + HOSTS, rule
    ).table.to_pylist()
    for hit in hits:
        key = hit["record"], questions[int(hit["instance"]) - 1]
        found[key] = min(hit["match"], found[key], key=lambda m: order.index(m) if m in order else 9)
    return found


def without(text, *words):
    for word in words:
        assert word in text
        text = text.replace(word, "", 1)
    return text


EDITED = CLIPS.replace("friends", "classmates").replace("altogether", "in total")
RECUT = "\n".join(textwrap.wrap("".join(c for c in WALLET.lower() if c.isalnum() or c == " "), 25))
REPHRASED = (
    "In April 48 friends bought clips from Natalia, and in May she managed to sell only half of that many. "
    "What is the total of clips that Natalia sold over April and May?"
)
SWAPPED = WALLET.replace("100", "260").replace("15", "35").replace("twice", "three times")


@pytest.mark.parametrize(
    ("text", "question", "match"),
    [
        (CLIPS, CLIPS, "item"),
        (f"I have homework. {CLIPS} Thank you so much for your help with it.", CLIPS, "item"),
        (EDITED, CLIPS, "item"),
        (RECUT, WALLET, "item"),
        (CLIPS.replace("clips in May", "clipsin May").replace("to 48 of her", "to48of her"), CLIPS, "item"),
        (REPHRASED, CLIPS, "item"),
        (SWAPPED, WALLET, "template"),
        (CLIPS.replace("48", "72"), CLIPS, "template"),
        (CLIPS.replace("to 48 of her", "to some of her"), CLIPS, "item"),
        (without(CLIPS, "sold ", "friends ").replace("48", "72"), CLIPS, "item"),
        (ACID.lower().replace(".", "").replace("?", ""), ACID, "item"),
        (ACID.replace("0.250", "0.350").replace("50.0", "25.0").replace("0.150", "0.4"), ACID, "template"),
        (REPHRASED.replace("48", "65"), CLIPS, "nothing"),
        (REPHRASED[: REPHRASED.index(", and")], CLIPS, "nothing"),
        (COINS.replace("15", "25").replace("3?", "4?"), COINS, "template"),
        (f"Now: {ANSWERED} asked Tom.", ANSWERED, "item"),
        (f"{ANSWERED[:-1]} 'The Last Day'?", ANSWERED, "common"),
        (MILL[: len(MILL) // 2], MILL, "partial"),
        (WALLET[: len(WALLET) // 2], WALLET, "partial"),
        (CLIPS[: len(CLIPS) // 2], CLIPS, "partial"),
        (f"{CLIPS[: len(CLIPS) // 2]} and so on. What do you think of that?", CLIPS, "partial"),
        (CHINESE, CHINESE, "item"),
        (CHINESE.replace("邻居", "老师").replace("请问", ""), CHINESE, "item"),
        (FRANCE, FRANCE, "item"),
        (f"Here is one. {FRANCE} And please tell me more.", FRANCE, "item"),
    ],
)  # fmt: skip
def test_a_record_holds_what_a_reader_would_say(text, question, match):
    assert best([text])[0, question] == match


@pytest.mark.parametrize(
    "text",
    [
        "I wonder what is the capital of France like in winter",
        f"0 3 6 9 {TABLE} 48 51 54",
        f"The rows are {TABLE} and so on.",
    ],
)
def test_a_phrase_amid_other_text_is_no_item(text):
    assert "item" not in best([text]).values()
    assert "item" not in best([text], "tulu3").values()


OPTIONS = "A. All of the above B. None of the above C. Both A and B D. Neither A nor B"
LICENCE = (
    "Licensed under the terms below; you may not use this file except in compliance with them. Unless "
    "required by law the software is given on an as is basis, without warranties or conditions of any kind."
)


@pytest.mark.parametrize("boilerplate", [OPTIONS, LICENCE])
@pytest.mark.parametrize("rule", ["tulu3", "auto"])
def test_boilerplate_of_many_instances_and_records_makes_no_item(boilerplate, rule):
    questions = [f"{boilerplate} {question}" for question in SUITE[9:]]
    records = [[f"{boilerplate} {host}"] for (host,) in HOSTS]
    hits = scan_texts([*SUITE, *questions], [*records, *HOSTS], rule).table.to_pylist()
    assert [hit for hit in hits if hit["match"] == "item"] == []


def test_a_short_question_that_ends_with_numbers_is_an_item_on_its_own():
    ask = "What is 34 + 27 + 8?"
    records = [ask, f"Tell me: {ask} Thanks.", "I know what is 34 + 27 + 8 apples"]
    assert best(records, questions=[*SUITE, ask]) == {
        (0, ask): "item", (1, ask): "item", (2, ask): "common",
    }  # fmt: skip


@pytest.mark.parametrize("question", [CLIPS, WALLET, MILL, CHINESE])
def test_an_instance_that_stands_in_most_records_is_still_an_item(question):
    records = [f"{question}" for _ in range(3 * len(HOSTS))]
    found = best(records)
    assert {found[k, question] for k in range(len(records))} == {"item"}


@pytest.mark.parametrize("rule", ["tulu3", "idf", "lexical", "auto"])
def test_hits_are_the_same_in_any_order_of_records_and_batches_by_any_number_of_workers(rule):
    draw = random.Random(3)  # noqa: S311
    texts = [
        *SUITE[:12],
        EDITED,
        RECUT,
        REPHRASED,
        SWAPPED,
        MILL[:60],
        f"{CLIPS} {WALLET}",
        *(h[0] for h in HOSTS),
    ]
    texts = [f"{text} {k}" for k, text in enumerate(texts)]

    def hits(order, **options):
        found = scan_texts(SUITE, [[texts[k]] for k in order], rule, **options).table.to_pylist()
        return sorted(
            (order[hit["record"]], hit["instance"], hit["rule"], hit["match"], hit["overlap"],
             hit["information"], str(hit["record_spans"]), str(hit["instance_spans"]))
            for hit in found
        )  # fmt: skip

    straight = hits(range(len(texts)))
    assert {row[3] for row in straight} >= {"item"}
    for size, workers in ((1, 2), (7, 1), (50, 3)):
        assert hits(draw.sample(range(len(texts)), len(texts)), batch_size=size, workers=workers) == straight


@pytest.mark.parametrize(("alone", "others", "held"), [(True, 0, True), (True, 1, False), (False, 0, False)])
def test_a_sentence_of_its_own_may_lack_a_heavy_word_where_no_other_stands_in_it(alone, others, held):
    given = dict.fromkeys((each.name for each in fields(_Measured)), 0.0)
    given |= {"matched": 26.0, "whole": 40.0, "in_order": 0.88, "grams": 0.6, "other_words": others}
    measured = _Measured(**{name: np.array([value]) for name, value in given.items()})
    assert _is_copy(measured, np.array([8]), np.array([alone])).tolist() == [held]


def test_one_scan_of_two_streams_weighs_as_one_of_both_together():
    texts = [EDITED, SWAPPED, *(h[0] for h in HOSTS)]
    together = scan_texts(SUITE, [[t] for t in texts], "auto").table
    scanner = Scanner(index_of(SUITE, "auto"))
    for part in (texts[:1], texts[1:]):
        scanner.read([batch([[t] for t in part])], "sft")
    one, two = (hits.table for hits in scanner.settle())
    assert [*one["information"].to_pylist(), *two["information"].to_pylist()] == together[
        "information"
    ].to_pylist()
    assert [*one["record"].to_pylist(), *(k + 1 for k in two["record"].to_pylist())] == together[
        "record"
    ].to_pylist()


def test_words_that_share_nothing_but_letters_are_shown_whole():
    index = index_of(["The unbelievable thunderstorm frightened everybody everywhere yesterday"], "auto")
    found = scan(
        [batch([["Theunbe lievablethun derstormfrigh tenedeve rybodyeve rywhereyes terday"]])], "sft", index
    )
    for hit in found.table.to_pylist():
        assert hit["instance_spans"] == []
        assert hit["match"] == "item"


@pytest.mark.parametrize("word", ["river", "mill", "bridge", "spring", "meadow", "wagon", "9", "31"])
def test_a_number_that_no_instance_holds_stands_for_no_word(word):
    words = [w for w in ("river", "mill", "bridge", "spring", "meadow", "wagon", "9", "31") if w != word]
    # The last word to be met, as the last of anything is what an id below nought would stand for.
    around = [(words[k:] + words[:k])[:4] for k in range(len(words))]
    asked = [" ".join(words), *(f"{a} {b} {word} {c} {d}" for a, b, c, d in around)]
    scanner = Scanner(index_of(asked, "auto"), workers=1)
    scanner.read([batch([[text.replace(word, "64")] for text in asked[1:]])], "sft")
    (piece,) = scanner._streams[0]
    wording = scanner._index.wording
    weighed = settle(piece.sightings.apart(), wording, rarities(scanner._watches, wording, 1))
    others = piece.sightings.wording != wording.group[0]
    assert others.sum() > 1
    assert not weighed.grams[others].any()


VOCABULARY = ["river", "mill", "bridge", "spring", "the", "of", "7", "31", "nine"]
said = st.lists(st.sampled_from([*VOCABULARY, "8", "64", "unheard"]), max_size=20).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from(VOCABULARY), min_size=3, max_size=9), min_size=1, max_size=3), said)
def test_shares_of_grams_are_those_of_the_window(units, record):
    questions = [" ".join(unit) for unit in units]
    scanner = Scanner(index_of(questions, "auto"), workers=1)
    scanner.read([batch([[record]])], "sft")
    (piece,) = scanner._streams[0]
    wording, seen = scanner._index.wording, piece.sightings.apart()
    bits = rarities(scanner._watches, wording, 1)
    weighed = settle(seen, wording, bits)

    def grams(words):
        return [tuple(words[k : k + GRAM]) for k in range(len(words) - GRAM + 1)]

    data = np.frombuffer(record.encode(), np.uint8)
    exact = tokens_of(data, np.array([0]), np.array([len(data)]))
    spoken = [record[a:b] for a, b in exact.places.tolist()]
    ends = {end: k for k, end in enumerate(exact.places[:, 1].tolist())}
    for k, unit in enumerate(seen.wording.tolist()):
        characters = seen.characters[seen.at[k] : seen.at[k + 1]].tolist()
        window = spoken[ends[characters[0][1]] : ends[characters[-1][1]] + 1] if characters else []
        question = questions[int(np.flatnonzero(scanner._index.wording.group == unit)[0])].split()
        of = {}
        ids = wording.of_grams[wording.at[unit] : wording.at[unit + 1]].tolist()
        for gram, number in zip(grams(question), ids, strict=False):
            of[gram] = float(bits[2][number])
        whole = sum(of[g] for g in grams(question))
        shared = sum(of[g] for g in grams(question) if g in grams(window))
        assert weighed.grams[k] == pytest.approx(shared / max(whole, 1e-9))
