"""The loss mask: exactly the assistant's turns, for templates of several makers and nasty contents.

Each template below has its own plain-Python statement of what the assistant writes, so the mask is
compared with an independent answer and not with another rendering.
"""

import json
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import processors
from trainer_fixtures import TINY
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from trainers.chat import RenderError, render, token_mask

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CHATML_MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}"
    "{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TULU = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ '<|system|>\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'assistant' %}{% if not loop.last %}"
    "{{ '<|assistant|>\n' + message['content'] + eos_token + '\n' }}{% else %}"
    "{{ '<|assistant|>\n' + message['content'] + eos_token }}{% endif %}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"
)
LLAMA3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
INST = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'system' %}{{ '<<SYS>>' + m['content'] + '<</SYS>>' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
SPECIAL = [
    "<|im_start|>", "<|im_end|>", "<|begin_of_text|>",
    "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
]  # fmt: skip

Says = Callable[[str], str]
TEMPLATES: dict[str, tuple[str | None, Says]] = {
    "tiny, marked": (None, lambda c: c + "<|end|>"),
    "chatml": (CHATML, lambda c: c + "<|im_end|>"),
    "chatml, marked": (CHATML_MARKED, lambda c: c + "<|im_end|>"),
    "tulu": (TULU, lambda c: c + "<|end|>"),
    "llama 3, trims": (LLAMA3, lambda c: c.strip() + "<|eot_id|>"),
    "inst": (INST, lambda c: " " + c + "<|end|>"),
}
NASTY = [
    "", " ", "\n", "  leading", "trailing \n", "\n\nboth\n\n",
    "<|assistant|>\nfake<|end|>", "<|im_end|>", "<|eot_id|>",
    "<|im_start|>assistant\nno", "\u4f60\u597d\uff0c\u4e16\u754c",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467", "{{ 7 * 7 }}", "{% generation %}",
    "a\r\nb", "e\u0301", "\ufeffbom", "[/INST]", "\u00a0nbsp\u00a0", "tab\there",
]  # fmt: skip
CONTENT = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))


@cache
def tokenizer_for(name: str, *, trim_offsets: bool = False) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    if trim_offsets:
        tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.chat_template = TEMPLATES[name][0] or tokenizer.chat_template
    return tokenizer


def masked(tokenizer: PreTrainedTokenizerBase, messages, tools=None) -> tuple[str, str, int]:
    """Return the text of the supervised tokens, the whole text, and the number of straddling tokens."""
    text, spans = render(tokenizer, messages, tools)
    out = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    edges = np.array(out["offset_mapping"], dtype=np.int64).reshape(-1, 2)
    mask, straddling = token_mask(edges[:, 0], edges[:, 1], spans)
    kept = [i for i, m in zip(out["input_ids"], mask, strict=True) if m]
    return tokenizer.decode(kept, skip_special_tokens=False), text, straddling


def chat(*contents: str, system: str | None = None):
    roles = ["user", "assistant"] * len(contents)
    messages = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]
    return [{"role": "system", "content": system}, *messages] if system is not None else messages


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("trim_offsets", [False, True])
@given(st.lists(CONTENT, min_size=2, max_size=6), st.one_of(st.none(), CONTENT))
def test_the_supervised_tokens_are_exactly_what_the_assistant_says(name, trim_offsets, contents, system):
    contents = contents[: len(contents) // 2 * 2]
    tokenizer, says = tokenizer_for(name, trim_offsets=trim_offsets), TEMPLATES[name][1]
    found, _, straddling = masked(tokenizer, chat(*contents, system=system))
    if not straddling and not trim_offsets:
        assert found == "".join(says(c) for c in contents[1::2])
    assert len(found) <= sum(len(says(c)) for c in contents[1::2]) + 8 * straddling


@pytest.mark.parametrize("name", TEMPLATES)
def test_plain_chats_have_no_straddling_token(name):
    tokenizer, says = tokenizer_for(name), TEMPLATES[name][1]
    messages = chat("How many?", "Seven.", "Sure?", "Yes, seven.", system="Be brief.")
    found, _, straddling = masked(tokenizer, messages)
    assert found == says("Seven.") + says("Yes, seven.")
    assert straddling == 0


def test_a_token_that_begins_in_the_prompt_is_not_a_target():
    mask, straddling = token_mask(np.array([0, 3, 6]), np.array([3, 6, 9]), [(4, 9)])
    assert mask.tolist() == [False, False, True]
    assert straddling == 1


def test_tool_calls_and_tools_are_rendered_and_only_the_call_is_learned():
    call = [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]
    messages = [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": "", "tool_calls": call},
        {"role": "tool", "content": '{"sum": 2}'},
        {"role": "assistant", "content": "It is 2."},
    ]
    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    found, text, _ = masked(tokenizer_for("tiny, marked"), messages, tools)
    assert found == json.dumps(call) + "<|end|>" + "It is 2.<|end|>"
    assert text.startswith("<|system|>\nTools: ")


LOOP, STOP = "{% for m in messages %}", "{% endfor %}"
SAY, MARKED_SAY = "{{ m['content'] }}", "{% generation %}{{ m['content'] }}{% endgeneration %}"
UNSOUND = {
    "marks 2 spans for 1": LOOP + MARKED_SAY + STOP,
    "changes or leaves out an assistant content": (
        LOOP + "{% if m['role'] == 'user' %}" + MARKED_SAY + "{% else %}" + SAY + "{% endif %}" + STOP
    ),
    "changes or leaves out a user content": (
        LOOP + "{% if m['role'] == 'assistant' %}" + MARKED_SAY + "{% endif %}" + STOP
    ),
    "refuses it: roles must alternate": "{{ raise_exception('roles must alternate') }}",
}


@pytest.mark.parametrize(("reason", "template"), UNSOUND.items())
def test_an_unsound_template_is_refused_with_its_reason(template, reason):
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    tokenizer.chat_template = template
    with pytest.raises(RenderError, match=reason):
        render(tokenizer, chat("hello", "good day"))


def test_a_template_that_rewrites_earlier_turns_is_refused():
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' }}"
        "{% if m['role'] == 'assistant' and not loop.last %}"
        "{{ m['content'].split('</think>')[-1] }}{% else %}{{ m['content'] }}{% endif %}{{ '<|end|>' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    render(tokenizer, chat("q", "<think>x</think>a"))
    with pytest.raises(RenderError, match="an assistant"):
        render(tokenizer, chat("q", "<think>x</think>a", "q", "b"))


def test_a_chat_without_an_assistant_is_refused():
    with pytest.raises(RenderError, match="no assistant turn"):
        render(tokenizer_for("tulu"), [{"role": "user", "content": "Hello?"}])


@given(st.lists(CONTENT, min_size=2, max_size=2))
def test_marked_and_unmarked_templates_agree(contents):
    assume(contents[1].strip())
    marked = render(tokenizer_for("chatml, marked"), chat(*contents))
    assert render(tokenizer_for("chatml"), chat(*contents)) == marked
