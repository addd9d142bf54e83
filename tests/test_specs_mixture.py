"""Mistakes in a mixture: each at its line and column, with what would do, word for word."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tulu_data.cli.main import group
from tulu_data.errors import SpecError
from tulu_data.specs.mixture import read_mixture

ROOT = Path(__file__).parents[1]
HEAD = "version: 1\nname: m\nkind: sft\n"
NONE = "decontaminate: none\n"
ONE = "sources: {a: {uri: a.jsonl}}\n"
TWO = "sources: {a: {uri: a.jsonl}, bee: {uri: b.jsonl}}\n"


def source(more: str) -> str:
    return f"{HEAD}{NONE}sources:\n  a: {{uri: a.jsonl}}\n  bee: {{uri: b.jsonl, {more}}}\n"


def steps(*said: str, rest: str = NONE) -> str:
    return HEAD + rest + TWO + "steps:\n" + "".join(f"  - {{{step}}}\n" for step in said)


MISTAKES = [
    (
        "an unknown key of the mixture",
        HEAD + NONE + ONE + "sede: 1\n",
        "6:1 sede: unknown key 'sede'; did you mean 'seed'? (known: assert, card, decontaminate, "
        "description, "
        "extends, groups, kind, licences, max_repetition, name, seed, size, sources, splits, steps, "
        "temperature, tokenizer, version)",
    ),
    (
        "an unknown key of a source",
        source("lisence: mit"),
        "7:23 sources.bee.lisence: unknown key 'lisence'; did you mean 'licence'? (known: adapter, "
        "attach, columns, config, group, licence, max_repetition, quality, revision, split, tags, take, "
        "uri, verifier, "
        "where)",
    ),
    (
        "an unknown key of a take",
        source("take: {row: 5}"),
        "7:30 sources.bee.take.row: unknown key 'row'; did you mean 'rows'? (known: all, epochs, "
        "fraction, rows, tokens, weight)",
    ),
    (
        "an unknown key of a step",
        steps("step: filter, dorp: [refusal]"),
        "7:20 steps[0].dorp: unknown key 'dorp'; did you mean 'drop'? (known: drop, "
        "max_answer_characters, max_answer_tokens, max_characters, max_prompt_characters, max_prompt_tokens, "
        "max_tokens, max_turns, min_answer_characters, min_answer_tokens, min_characters, "
        "min_prompt_characters, min_prompt_tokens, min_tokens, min_turns, step)",
    ),
    (
        "no name",
        "version: 1\nkind: sft\n" + NONE + ONE,
        "1:1 key 'name' is missing; add `name:` (Name of the dataset in the store: at most 100 small "
        "letters, digits, `_`, `.` and `-`)",
    ),
    (
        "no kind",
        "version: 1\nname: m\n" + NONE + ONE,
        "1:1 key 'kind' is missing; add `kind:` (Kind of the records)",
    ),
    (
        "no version",
        "name: m\nkind: sft\n" + NONE + ONE,
        "1:1 key 'version' is missing; add `version:` (Version of this format)",
    ),
    (
        "no sources",
        HEAD + NONE,
        "1:1 key 'sources' is missing; add `sources:` (Named inputs; the name enters ranks and the content "
        "id)",
    ),
    (
        "a source without a uri",
        HEAD + NONE + "sources:\n  a: {take: {all: true}}\n",
        "6:6 sources.a: key 'uri' is missing; add `uri:` (`hf://owner/name`, `s3://` or `gs://bucket/key`, "
        "a path or glob of the workspace, or `name@version`)",
    ),
    (
        "rows that are no whole number",
        source("take: {rows: 1.5}"),
        "7:36 sources.bee.take.rows: expected a whole number, found 1.5",
    ),
    (
        "rows in quotes",
        source("take: {rows: '100'}"),
        "7:36 sources.bee.take.rows: expected a whole number, found '100'",
    ),
    (
        "a negative number of rows",
        source("take: {rows: -1}"),
        "7:36 sources.bee.take.rows: must be at least 0, found -1",
    ),
    (
        "a seed that is a word",
        HEAD + NONE + ONE + "seed: yes\n",
        "6:7 seed: expected a whole number, found 'yes'",
    ),
    (
        "a take that is a number",
        source("take: 100"),
        "7:29 sources.bee.take: expected a key with a number, found 100; write {rows: 100} or "
        "{fraction: 0.5}",
    ),
    (
        "a take that is empty",
        source("take: "),
        "7:28 sources.bee.take: is empty; write {all: true}, or remove the key, which means the same",
    ),
    (
        "all that is a number",
        source("take: {all: 1}"),
        "7:35 sources.bee.take.all: expected true, found 1; for a number of rows write {rows: 100}",
    ),
    (
        "tags that are no list",
        source("tags: math"),
        "7:29 sources.bee.tags: expected a list, found 'math'; write [math]",
    ),
    (
        "two takes",
        source("take: {rows: 5, fraction: 0.5}"),
        "7:29 sources.bee.take: give exactly one of all, epochs, fraction, rows, tokens, weight "
        "(found fraction, rows)",
    ),
    (
        "no take",
        source("take: {}"),
        "7:29 sources.bee.take: give exactly one of all, epochs, fraction, rows, tokens, weight (found none)",
    ),
    (
        "no fraction",
        source("take: {fraction: 0}"),
        "7:40 sources.bee.take.fraction: must be above 0, found 0; to take nothing write {rows: 0}",
    ),
    (
        "a fraction above 1",
        source("take: {fraction: 1.5}"),
        "7:40 sources.bee.take.fraction: must be at most 1, found 1.5; to repeat records write {epochs: 1.5}",
    ),
    (
        "no epochs",
        source("take: {epochs: 0}"),
        "7:38 sources.bee.take.epochs: must be above 0, found 0; to take nothing write {rows: 0}",
    ),
    (
        "too many epochs",
        source("take: {epochs: 101}"),
        "7:38 sources.bee.take.epochs: must be at most 100, found 101",
    ),
    (
        "a weight without size",
        source("take: {weight: 1}"),
        "7:29 sources.bee.take: a weight needs `size` (rows to share out among bee)",
    ),
    (
        "a size without weights",
        HEAD + NONE + ONE + "size: 10\n",
        "6:1 size: no source takes a weight, so there is nothing to share out; remove size",
    ),
    (
        "a size that is a word",
        source("take: {weight: 1}") + "size: many\n",
        "8:7 size: expected a whole number of rows, or {tokens: N}, found 'many'",
    ),
    ("a size of nothing", source("take: {weight: 1}") + "size: 0\n", "8:7 size: must be at least 1, found 0"),
    (
        "a size in two units",
        source("take: {weight: 1}") + "size: {rows: 1, tokens: 1}\n",
        "8:7 size: give exactly one of rows, tokens (found rows, tokens)",
    ),
    (
        "a size in tokens without a tokenizer",
        source("take: {weight: 1}") + "size: {tokens: 10}\n",
        "8:7 size: a token budget needs `tokenizer` (a folder or hub id)",
    ),
    (
        "a temperature without weights",
        HEAD + NONE + ONE + "temperature: 0.5\n",
        "6:1 temperature: no source takes a weight, so there is nothing to share out; remove temperature",
    ),
    (
        "a temperature out of bounds",
        source("take: {weight: 1}") + "size: 5\ntemperature: 1.5\n",
        "9:14 temperature: must be at most 1, found 1.5",
    ),
    (
        "a group that is misspelt",
        source("take: {weight: 1}, group: mat") + "size: 5\ngroups: {math: {weight: 2}}\n",
        "7:49 sources.bee.group: no group 'mat'; did you mean 'math'? (groups: math)\n"
        "m.yaml:9:10 groups.math: no source is of this group; give one `group: math`, or remove it",
    ),
    (
        "a group of a source that takes no weight",
        source("group: math") + "groups: {math: {}}\n",
        "7:8 sources.bee.take: a source of a group takes a weight, its share of 'math'; write {weight: 1}",
    ),
    (
        "a group without weight",
        source("take: {weight: 1}, group: g") + "size: 5\ngroups: {g: {weight: 0}}\n",
        "9:22 groups.g.weight: must be above 0, found 0",
    ),
    (
        "epochs beyond the bound of the mixture",
        source("take: {epochs: 2.5}") + "max_repetition: 2\n",
        "7:38 sources.bee.take.epochs: epochs 2.5 repeat more often than max_repetition, 2; {epochs: 2} fits",
    ),
    (
        "a bound where nothing repeats",
        source("take: {rows: 5}, max_repetition: 2"),
        "7:40 sources.bee.max_repetition: only a weight and epochs repeat records, this take does not; "
        "remove it",
    ),
    (
        "a bound that is no whole number",
        source("take: {epochs: 2}, max_repetition: 2.5"),
        "7:58 sources.bee.max_repetition: expected a whole number, found 2.5",
    ),
    (
        "tokens without a tokenizer",
        source("take: {tokens: 10}"),
        "7:29 sources.bee.take: a token budget needs `tokenizer` (a folder or hub id)",
    ),
    (
        "an unknown step",
        steps("step: dedpu"),
        "7:12 steps[0].step: expected one of decontaminate, dedup, filter, found 'dedpu'; did you "
        "mean 'dedup'?",
    ),
    (
        "a step without a name",
        steps("drop: [refusal]"),
        "7:5 steps[0]: key 'step' is missing (found drop); give one of filter, dedup, decontaminate",
    ),
    (
        "an unknown filter",
        steps("step: filter, drop: [refusals]"),
        "7:27 steps[0].drop[0]: expected one of date, empty_turn, identity, keyword, language, "
        "refusal, repetition, found 'refusals'; did you mean 'refusal'?",
    ),
    (
        "a filter that drops nothing",
        steps("step: filter, drop: []"),
        "7:5 steps[0]: drops nothing; give drop (of date, empty_turn, identity, keyword, language, refusal, "
        "repetition), or a bound such as max_tokens",
    ),
    (
        "bounds that leave nothing",
        steps("step: filter, min_tokens: 5, max_tokens: 4"),
        "7:32 steps[0].min_tokens: 5 is above max_tokens, 4, so nothing would be left",
    ),
    (
        "a bound without a tokenizer",
        steps("step: filter, max_tokens: 4"),
        "7:5 steps[0]: a bound in tokens needs `tokenizer` (a folder or hub id)",
    ),
    (
        "an unknown source preferred",
        steps("step: dedup, prefer: [be]"),
        "7:28 steps[0].prefer[0]: no source 'be'; did you mean 'bee'? (sources: a, bee)",
    ),
    (
        "an unknown key to compare by",
        steps("step: dedup, key: prompts"),
        "7:24 steps[0].key: expected one of answer, conversation, prompt, record, found 'prompts'; "
        "did you mean 'prompt'?",
    ),
    (
        "one source preferred",
        steps("step: dedup, prefer: bee"),
        "7:27 steps[0].prefer: expected a list, found 'bee'; write [bee]",
    ),
    (
        "one stored version to compare with",
        steps("step: dedup, against: old@latest"),
        "7:28 steps[0].against: expected a list, found 'old@latest'; write [old@latest]",
    ),
    (
        "a file to compare with",
        steps("step: dedup, against: [old@0a1b, data/a.jsonl]"),
        "7:39 steps[0].against[1]: expected name@version of the store (a name has small letters, digits, "
        "'_', '.' and '-'), found 'data/a.jsonl'",
    ),
    (
        "a mixture compared with its own newest version",
        steps("step: dedup, against: [m@0a1b, m@latest]"),
        "7:37 steps[0].against[1]: 'm@latest' is what this mixture builds, so a build would drop what the "
        "one "
        "before kept; name one version, m@ID",
    ),
    (
        "a mixture of its own newest version",
        HEAD + NONE + "sources:\n  a: {uri: m@latest}\n",
        "6:12 sources.a.uri: 'm@latest' is what this mixture builds, so every build would change the next; "
        "name one version, m@ID",
    ),
    (
        "a mixture compared with itself",
        steps("step: dedup, against: [m]"),
        "7:29 steps[0].against[0]: 'm' is what this mixture builds, so a build would drop what the one "
        "before kept; name one version, m@ID",
    ),
    (
        "an unknown key of a search for near-duplicates",
        steps("step: dedup, near: {threshold: 0.5}"),
        "7:26 steps[0].near.threshold: unknown key 'threshold' (known: containment_threshold, frames, "
        "jaccard_threshold, n, num_perm, recall, scheme, seed, shingles, swapped_numbers, words_threshold)",
    ),
    (
        "a threshold out of bounds",
        steps("step: dedup, near: {jaccard_threshold: 1.5}"),
        "7:45 steps[0].near.jaccard_threshold: must be at most 1, found 1.5",
    ),
    (
        "shingles misspelt",
        steps("step: dedup, near: {shingles: word}"),
        "7:36 steps[0].near.shingles: expected one of characters, words, found 'word'; did you mean 'words'?",
    ),
    (
        "no near-duplicates",
        steps("step: dedup, near: false"),
        "7:25 steps[0].near: expected true or keys and values, found false; remove the key to drop none of "
        "them",
    ),
    (
        "a threshold for a search",
        steps("step: dedup, near: 0.7"),
        "7:25 steps[0].near: expected true or keys and values, found 0.7; write {jaccard_threshold: 0.7}",
    ),
    (
        "a word that YAML 1.2 takes as text",
        steps("step: dedup, near: yes"),
        "7:25 steps[0].near: expected true or keys and values, found 'yes'; write true",
    ),
    (
        "near-duplicates of whole records",
        steps("step: dedup, key: record, near: true"),
        "7:32 steps[0].near: key: record compares no texts; choose conversation, prompt or answer, or "
        "remove near",
    ),
    (
        "a recall that signatures cannot give",
        steps("step: dedup, near: {jaccard_threshold: 0.01, recall: 0.99, num_perm: 16}"),
        "7:25 steps[0].near: recall: found 0.99 at a Jaccard similarity of 0.01, expected at most 0.1485 "
        "with 16 lanes",
    ),
    (
        "decontaminate without suites",
        steps("step: decontaminate", rest=""),
        "6:5 steps[0]: key 'against' is missing; add `against:` (Eval suite files or folders, relative to "
        "the workspace)",
    ),
    (
        "decontaminate with no suites",
        steps("step: decontaminate, against: []", rest=""),
        "6:36 steps[0].against: must not be empty; name suite files or folders, such as [evals/]",
    ),
    (
        "decontaminate with one suite",
        steps("step: decontaminate, against: evals/", rest=""),
        "6:36 steps[0].against: expected a list, found 'evals/'; write [evals/]",
    ),
    (
        "decontaminate with an empty path",
        steps("step: decontaminate, against: ['']", rest=""),
        "6:37 steps[0].against[0]: must not be empty",
    ),
    (
        "an unknown rule",
        steps("step: decontaminate, against: [e/], rule: tulu", rest=""),
        "6:48 steps[0].rule: no rule 'tulu'; did you mean 'tulu3'? (rules: any-10, any-13, any-8, auto, "
        "coverage, embedding, idf, lexical, longest, minhash, tulu3)",
    ),
    (
        "an unknown action",
        steps("step: decontaminate, against: [e/], action: dorp", rest=""),
        "6:50 steps[0].action: expected one of drop, drop_source, flag, found 'dorp'; did you mean 'drop'?",
    ),
    (
        "decontaminate twice",
        steps("step: decontaminate, against: [e/]", "step: decontaminate, against: [f/]", rest=""),
        "7:5 steps[1]: a second decontaminate step; name all suites in `against` of the first",
    ),
    (
        "no decontamination",
        HEAD + ONE,
        "1:1 no decontamination step; add {step: decontaminate, against: [evals/]} to steps, or say"
        " `decontaminate: none`",
    ),
    (
        "decontamination and none",
        steps("step: decontaminate, against: [e/]"),
        "4:16 decontaminate: says none, but steps has a decontaminate step; keep one of the two",
    ),
    (
        "a name of two words",
        HEAD.replace(" m", " my mix") + NONE + ONE,
        "2:7 name: must be small letters, digits, '_', '.' and '-', beginning with a letter or "
        "digit, found 'my mix'; 'my_mix' would do",
    ),
    (
        "a name with capitals",
        HEAD.replace(" m", " SFT_v3") + NONE + ONE,
        "2:7 name: must be small letters, digits, '_', '.' and '-', beginning with a letter or "
        "digit, found 'SFT_v3'; 'sft_v3' would do",
    ),
    (
        "the name refs",
        HEAD.replace(" m", " refs") + NONE + ONE,
        "2:7 name: 'refs' is a folder of the store itself; choose another",
    ),
    (
        "the name cache",
        HEAD.replace(" m", " cache") + NONE + ONE,
        "2:7 name: 'cache' is a folder of the store itself; choose another",
    ),
    (
        "a kind misspelt",
        HEAD.replace("sft", "preferences") + NONE + ONE,
        "3:7 kind: expected one of preference, rlvr, sft, found 'preferences'; did you mean 'preference'?",
    ),
    (
        "an adapter misspelt",
        source("adapter: alpacca"),
        "7:32 sources.bee.adapter: expected one of alpaca, auto, hh, messages, preference, "
        "prompt_completion, rlvr, sharegpt, threads, found 'alpacca'; did you mean 'alpaca'?",
    ),
    (
        "an adapter of another kind",
        source("adapter: preference"),
        "7:32 sources.bee.adapter: delivers preference records, the mixture is of kind 'sft'; "
        "choose another adapter, or kind: preference",
    ),
    (
        "a verifier at sft records",
        source("verifier: gsm8k"),
        "7:23 sources.bee.verifier: only rlvr records have a verifier, the mixture is of kind "
        "'sft'; remove it",
    ),
    (
        "a revision of a path",
        source("revision: main"),
        "7:23 sources.bee.revision: only an hf:// source has a revision; remove it",
    ),
    (
        "another scheme",
        HEAD + NONE + "sources:\n  a: {uri: ftp://b/x.jsonl}\n",
        "6:12 sources.a.uri: scheme 'ftp://' is not supported; use hf://owner/name, s3://bucket/key, "
        "gs://bucket/key, "
        "sql:SELECT ..., a path, or name@version",
    ),
    (
        "a bucket without a name",
        HEAD + NONE + "sources:\n  a: {uri: 's3://*/x.jsonl'}\n",
        "6:12 sources.a.uri: expected s3://bucket/key, found 's3://*/x.jsonl'",
    ),
    (
        "a hub uri without an owner",
        HEAD + NONE + "sources:\n  a: {uri: hf://gsm8k}\n",
        "6:12 sources.a.uri: expected hf://owner/name, hf://owner/name@revision or "
        "hf://owner/name/path, found 'hf://gsm8k'",
    ),
    (
        "two revisions",
        HEAD + NONE + "sources:\n  a: {uri: hf://o/n@v1, revision: v2}\n",
        "6:35 sources.a.revision: the uri says revision 'v1', this says 'v2'; keep one",
    ),
    (
        "a source that is only a uri",
        HEAD + NONE + "sources:\n  a: a.jsonl\n",
        "6:6 sources.a: expected keys and values, found 'a.jsonl'; write {uri: a.jsonl}",
    ),
    (
        "a source name that breaks tables",
        HEAD + NONE + "sources:\n  a|b: {uri: a.jsonl}\n",
        "6:3 sources['a|b']: a source's name must be letters, digits, '_', '.' and '-', beginning "
        "with a letter or digit, found 'a|b'",
    ),
    (
        "a repeated key",
        HEAD + NONE + ONE + "seed: 1\nseed: 2\n",
        "7:1 seed: key 'seed' is given twice (first on line 6); keep one",
    ),
    (
        "a tab",
        HEAD + NONE + "sources:\n\ta: {uri: a.jsonl}\n",
        "6:1 not YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs",
    ),
    (
        "a function that there is not",
        source("where: lenght(x) > 1"),
        "7:30 sources.bee.where: 'lenght(x) > 1': no function 'lenght'; did you mean 'length'?",
    ),
    (
        "a broken condition",
        source("where: 'length(x) >'"),
        "7:30 sources.bee.where: 'length(x) >': syntax error at or near \">\"",
    ),
    (
        "a condition with a subquery",
        source("where: 'x in (select 1)'"),
        "7:30 sources.bee.where: 'x in (select 1)': a subquery is not allowed; a condition sees one row",
    ),
    (
        "a condition and more",
        source("where: 'x = 1; drop table source'"),
        "7:30 sources.bee.where: 'x = 1; drop table source': give one condition, such as "
        "length(messages) <= 20",
    ),
    (
        "a quality that nothing asks for",
        source("quality: score"),
        "7:23 sources.bee.quality: says which of duplicates stays, and no step looks for them; "
        "add {step: dedup} to steps, or remove it",
    ),
    (
        "a quality that is no expression",
        source("quality: score >") + "steps: [{step: dedup}]\n",
        "7:32 sources.bee.quality: 'score >': syntax error at or near \">\"",
    ),
    (
        "no source",
        HEAD + NONE + "sources: {}\n",
        "5:10 sources: must not be empty; name a source: {web: {uri: data/web.jsonl}}",
    ),
    (
        "sources as a list",
        HEAD + NONE + "sources: [{uri: a.jsonl}]\n",
        "5:10 sources: expected a mapping of names to sources, found a list; give each a name: "
        "{web: {uri: ...}}",
    ),
    (
        "another version of the format",
        HEAD.replace("1", "2") + NONE + ONE,
        "1:10 version: expected 1, found 2",
    ),
    (
        "a language by its name",
        HEAD + NONE + ONE + "card: {language: [en, German]}\n",
        "6:23 card.language[1]: expected the code of a language, such as en or zh-Hant, found 'German'",
    ),
    (
        "one language",
        HEAD + NONE + ONE + "card: {language: en}\n",
        "6:18 card.language: expected a list, found 'en'; write [en]",
    ),
    (
        "a page without an address",
        HEAD + NONE + ONE + "card: {homepage: here}\n",
        "6:18 card.homepage: expected an address that begins with https://, found 'here'",
    ),
    (
        "an unknown key of a card",
        HEAD + NONE + ONE + "card: {title: x}\n",
        "6:8 card.title: unknown key 'title' (known: citation, homepage, language, pretty_name, tags)",
    ),
    (
        "an unknown assertion",
        HEAD + NONE + ONE + "assert: [{min_row: 5}]\n",
        "6:11 assert[0].min_row: unknown key 'min_row'; did you mean 'min_rows'? (known: max_repetition, "
        "max_rows, "
        "max_share, max_tokens, min_rows, min_share, min_tokens)",
    ),
    (
        "two bounds in an assertion",
        HEAD + NONE + ONE + "assert: [{min_rows: 5, max_rows: 6}]\n",
        "6:10 assert[0]: give exactly one of min_rows, max_rows, min_tokens, max_tokens, min_share, "
        "max_share, "
        "max_repetition (found min_rows, max_rows)",
    ),
    (
        "assertions that are no list",
        HEAD + NONE + ONE + "assert: {min_rows: 5}\n",
        "6:9 assert: expected a list, found a mapping; write it as in assert: [{min_rows: 1000}, "
        "{max_repetition: 2}]",
    ),
    (
        "a bound that is a word",
        HEAD + NONE + ONE + "assert: [{min_rows: many}]\n",
        "6:21 assert[0].min_rows: expected a number of rows, or {source: NAME, rows: N}, found 'many'",
    ),
    (
        "a share of nothing",
        HEAD + NONE + ONE + "assert: [{max_share: {fraction: 0.5}}]\n",
        "6:22 assert[0].max_share: give one of source, tag, group: a share is of something (found none)",
    ),
    (
        "a share of two things",
        HEAD + NONE + TWO + "assert: [{max_share: {source: a, tag: x, fraction: 0.5}}]\n",
        "6:22 assert[0].max_share: give at most one of source, tag, group (found source, tag)",
    ),
    (
        "a share above all",
        HEAD + NONE + TWO + "assert: [{max_share: {source: a, fraction: 60}}]\n",
        "6:44 assert[0].max_share.fraction: must be at most 1, found 60",
    ),
    (
        "an assertion about a source that is not there",
        HEAD + NONE + TWO + "assert: [{min_rows: {source: be, rows: 5}}]\n",
        "6:30 assert[0].min_rows.source: no source 'be'; did you mean 'bee'? (sources: a, bee)",
    ),
    (
        "an assertion about a tag that is not there",
        source("tags: [math]") + "assert: [{max_share: {tag: maths, fraction: 0.5}}]\n",
        "8:28 assert[0].max_share.tag: no tag 'maths'; did you mean 'math'? (tags: math)",
    ),
    (
        "an assertion about a group where there is none",
        HEAD + NONE + TWO + "assert: [{max_share: {group: g, fraction: 0.5}}]\n",
        "6:30 assert[0].max_share.group: no group 'g' (groups: none)",
    ),
    (
        "an assertion about tokens without a tokenizer",
        HEAD
        + NONE
        + TWO
        + "assert: [{max_tokens: 5}, {max_share: {source: a, fraction: 0.5, of: tokens}}]\n",
        "6:23 assert[0].max_tokens: a bound in tokens needs `tokenizer` (a folder or hub id)\n"
        "m.yaml:6:39 assert[1].max_share: a bound in tokens needs `tokenizer` (a folder or hub id)",
    ),
    ("an empty file", "", "1:1 expected keys and values, found nothing"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jsonl", "b.jsonl"):
        Path(name).touch()
    return tmp_path


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, ["check", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(("about", "text", "expected"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_at_its_place_with_what_would_do(about: str, text: str, expected: str) -> None:
    Path("m.yaml").write_text(text, "utf-8")
    assert check("m.yaml") == (1, f"m.yaml:{expected}\n")


def test_the_table_holds_no_mistake_twice() -> None:
    assert len({text for _, text, _ in MISTAKES}) == len(MISTAKES) >= 30


def test_several_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    Path("m.yaml").write_text(
        "version: 1\nname: My Mix\nkind: stf\nsede: 1\nsources:\n"
        "  a: {uri: a.jsonl, take: {rows: 1.5}}\n  b: {url: b.jsonl, take: {fraction: 2}}\n"
        "steps:\n  - {step: filter, drop: [refusals]}\n  - {step: dedpu}\n"
    )
    code, output = check("m.yaml")
    places = [tuple(map(int, line.split(" ")[0].split(":")[1:])) for line in output.splitlines()]
    assert code == 1
    assert [line for line, _ in places] == [2, 3, 4, 6, 7, 7, 7, 9, 10]
    assert places == sorted(places)


def test_mistakes_between_parts_are_told_at_once_too() -> None:
    Path("m.yaml").write_text(
        HEAD
        + "sources:\n  a: {uri: ftp://x, take: {weight: 1}}\n  b: {uri: b, revision: v1, adapter: rlvr}\n"
        "steps:\n  - {step: dedup, prefer: [c]}\n"
    )
    with pytest.raises(SpecError) as caught:
        read_mixture(Path("m.yaml"))
    paths = [problem.split(" ")[1] for problem in caught.value.problems]
    assert paths == [
        "no", "sources.a.uri:", "sources.a.take:", "sources.b.revision:", "sources.b.adapter:",
        "steps[0].prefer[0]:",
    ]  # fmt: skip


def test_all_broken_conditions_are_told_at_once() -> None:
    Path("m.yaml").write_text(
        HEAD
        + NONE
        + "sources:\n  a: {uri: a.jsonl, where: 'x >'}\n  b: {uri: b.jsonl, where: 'random() > 1'}\n"
    )
    code, output = check("m.yaml")
    assert (code, len(output.splitlines())) == (1, 2)


def test_good_specs_are_ok_and_nothing_is_read_or_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    before = sorted((ROOT / "mixtures").iterdir())
    code, output = check(str(ROOT / "mixtures"))
    shipped = [path for path in before if path.suffix == ".yaml" and not path.name.endswith(".lock.yaml")]
    assert (code, output) == (0, "".join(f"{path}: ok\n" for path in shipped))
    assert sorted((ROOT / "mixtures").iterdir()) == before
    assert {path.name for path in Path().iterdir()} == {"a.jsonl", "b.jsonl"}


def test_to_check_all_shipped_specs_loads_no_library_that_reads_records() -> None:
    code = (
        "import sys; from tulu_data.cli.check import command; command(sys.argv[1:], standalone_mode=False)\n"
    )
    code += "print(*(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    folders = [ROOT / "mixtures", ROOT / "evals", ROOT / "tulu_data" / "workspace" / "files" / "mixtures"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, folders)], capture_output=True, text=True, check=True
    )
    assert {line.rsplit(": ")[1] for line in done.stdout.splitlines()} == {"ok"}
    loaded = set(done.stderr.split())
    # DuckDB parses conditions; nothing else of weight is wanted, or a check takes a second and more.
    assert "duckdb" in loaded
    heavy = {"pyarrow", "numpy", "numba", "polars", "pandas", "datasets", "rich", "jinja2", "huggingface_hub"}
    assert loaded & heavy == set()


def test_check_reads_mixtures_of_the_current_folder_and_leaves_locks_aside() -> None:
    Path("mixtures/deep").mkdir(parents=True)
    Path("mixtures/a.yaml").write_text(HEAD + NONE + ONE)
    Path("mixtures/a.lock.yaml").write_text("version: 1\nsources: {}\n")
    Path("mixtures/deep/b.yaml").write_text(HEAD + NONE)
    code, output = check()
    assert code == 1
    assert (
        output
        == "mixtures/a.yaml: ok\nmixtures/deep/b.yaml:1:1 key 'sources' is missing; add `sources:` (Named "
        "inputs; the name enters ranks and the content id)\n"
    )
    code, output = check("--json")
    assert json.loads(output) == {
        "mixtures/a.yaml": [],
        "mixtures/deep/b.yaml": [
            "mixtures/deep/b.yaml:1:1 key 'sources' is missing; add `sources:` (Named inputs; the name "
            "enters ranks and the content id)"
        ],
    }


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("none.yaml", "none.yaml:1:1 no such file"),
        ("void", "void: no .yaml file in this folder; give a spec file or a folder of them"),
    ],
)
def test_a_spec_that_is_not_there(argument: str, expected: str) -> None:
    Path("void").mkdir()
    result = CliRunner().invoke(group, ["check", argument])
    assert result.exit_code == 1
    assert expected in result.output + str(result.exception)
