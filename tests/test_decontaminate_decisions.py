"""Decisions put on hits: which one holds, what it counts for, and which met nothing."""

import pyarrow as pa
from decontaminate_fixtures import batch, suite
from hypothesis import given
from hypothesis import strategies as st

from tulu_data.decontaminate import build_index, make_report
from tulu_data.decontaminate.decisions import decide, summed, text_digest
from tulu_data.decontaminate.report import counted_as, to_drop
from tulu_data.decontaminate.scan import scan
from tulu_data.schema import TEXT
from tulu_data.specs.decisions import SCOPES, Decision, Decisions

QUESTIONS = [" ".join(f"w{k}x{j}" for j in range(12)) for k in range(10)]
KEYS = {"suite": "ab", "split": "tu", "instance": "12", "source": "xy", "id": "pq"}


def of(*entries):
    return Decisions(version=1, decisions=entries)


def rid(letter):
    return {"p": "0" * 32, "q": "1" * 32}[letter]


def hits_of(rows):
    columns = {k: pa.array([row[k] for row in rows], TEXT) for k in KEYS}
    return pa.table({**columns, "id": pa.array([rid(row["id"]) for row in rows], TEXT)})


ROWS = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in KEYS.items()})


@st.composite
def entries(draw):
    scope = draw(st.sampled_from(SCOPES))
    chosen = {k: draw(st.sampled_from(KEYS["id" if k == "record" else k])) for k in scope}
    if "record" in chosen:
        chosen["record"] = rid(chosen["record"])
    return Decision(decision=draw(st.sampled_from(["keep", "drop"])), **chosen)


@given(st.lists(ROWS, max_size=8), st.lists(entries(), unique_by=lambda d: (d.scope, d.about), max_size=8))
def test_the_narrowest_decision_that_fits_a_hit_holds(rows, decisions):
    def fits(decision, row):
        have = {**row, "record": rid(row["id"])}
        return all(getattr(decision, key) == have[key] for key in decision.scope)

    suites = [suite(["Who?"], name) for name in KEYS["suite"]]
    found = decide(hits_of(rows), of(*decisions), suites)
    expected = []
    for row in rows:
        fitting = [d for d in decisions if fits(d, row)]
        best = max(fitting, key=lambda d: SCOPES.index(d.scope), default=None)
        expected.append(best and best.decision)
    assert found.hits["decision"].to_pylist() == expected
    lonely = [d for d in decisions if not any(fits(d, row) for row in rows)]
    assert list(found.unmet) == [f"{'/'.join(d.about)}: no such hit here" for d in lonely]


def scanned(*decisions, match="item"):
    index = build_index([suite(QUESTIONS, "town")])
    found = scan([batch([[q] for q in QUESTIONS[:4]])], "sft", index).table
    found = found.set_column(
        found.schema.get_field_index("match"), "match", pa.repeat(pa.scalar(match, TEXT), 4)
    )
    found = found.append_column("source", pa.repeat(pa.scalar("a", TEXT), 4))
    decided = decide(found, of(*decisions), index.suites)
    return index, decided, make_report(index, decided.hits, {"a": 4})


def one(decision, number, **more):
    about = {"suite": "town", "split": "test", "instance": str(number + 1), "record": f"{number:032x}"}
    return Decision(decision=decision, **about, **more)


def test_a_kept_hit_counts_for_nothing_and_stays_in_the_table():
    _, decided, report = scanned(one("keep", 0), one("keep", 2))
    (row,) = report.rows
    assert (decided.hits.num_rows, report.hits, row.instances_hit, row.records_hit, row.kept) == (
        4,
        2,
        2,
        2,
        2,
    )
    assert report.records_hit == {"a": 2}
    assert decided.to_dict() == {"keep": 2, "drop": 0, "unmet": []}
    assert to_drop(decided.hits, "drop").to_pylist() == [False, True, False, True]
    assert to_drop(decided.hits, "flag").to_pylist() == [False] * 4


def test_what_a_person_drops_is_a_hit_whatever_it_matches_and_whatever_the_action():
    _, decided, report = scanned(one("drop", 1), match="template")
    (row,) = report.rows
    assert counted_as(decided.hits).to_pylist() == ["template", "item", "template", "template"]
    assert (report.hits, row.instances_hit, row.templates) == (1, 1, 3)
    for action in ("drop", "drop_source", "flag"):
        assert to_drop(decided.hits, action).to_pylist() == [False, True, False, False]


def test_enough_decisions_to_keep_acquit_a_source():
    assert scanned()[2].contaminated
    wide = Decision(decision="keep", suite="town", source="a", note="its own train split")
    assert not scanned(wide)[2].contaminated
    assert scanned(wide, one("drop", 3))[2].hits == 1


def test_a_decision_about_another_text_under_the_same_id_is_not_obeyed_but_said():
    here, gone = text_digest(QUESTIONS[0], None), text_digest("Something else?", None)
    _, decided, report = scanned(one("keep", 0, text=here), one("keep", 1, text=gone))
    assert decided.hits["decision"].to_pylist() == ["keep", None, None, None]
    assert decided.unmet == (f"town/test/2/{1:032x}: instance has another text now",)
    assert report.hits == 3


def test_decisions_that_met_nothing_are_summed_by_reason():
    other = Decision(decision="keep", suite="city", source="a")
    decided = scanned(one("keep", 7), one("keep", 8), other)[1]
    assert summed(decided.unmet) == "2 no such hit here, 1 suite not read"
