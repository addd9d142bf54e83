"""Write the demo's tiny model folder: a byte-level BPE trained on text of our own, and a small Llama config.

The one idea: the folder is reproducible from this file alone. It has no weights; the demo recipe says
`init: random`. Run: python bench/make_tiny_model.py tulu_data/workspace/files/models/tiny
"""

import json
import sys
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig

SPECIAL = ("<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>")
VOCABULARY = 1024

TEMPLATE = """\
{%- if tools %}{{ '<|system|>\\nTools: ' + (tools | tojson) + '<|end|>\\n' }}{% endif %}
{%- for message in messages %}
{{- '<|' + message['role'] + '|>\\n' }}
{%- if message['role'] == 'assistant' %}
{%- generation %}{{ message['content'] }}
{%- if message['tool_calls'] %}{{ message['tool_calls'] | tojson }}{% endif %}
{{- eos_token }}{% endgeneration %}
{{- '\\n' }}
{%- else %}{{ message['content'] + '<|end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}
"""

SUBJECTS = (
    "the baker", "a farmer", "Maria", "Tom", "our teacher", "the class",
    "my sister", "a driver", "the shop", "each child",
)  # fmt: skip
VERBS = (
    "buys", "sells", "counts", "carries", "shares", "needs", "reads",
    "writes", "finds", "keeps", "gives away", "packs",
)  # fmt: skip
THINGS = (
    "apples", "books", "pencils", "boxes", "coins", "tickets",
    "loaves of bread", "stamps", "marbles", "flowers",
)  # fmt: skip
FRAMES = (
    "{s} {v} {n} {t} in the morning and {m} {t} in the afternoon. How many {t} is that in total?",
    "First we add {n} and {m}. {n} + {m} = {total}. So the answer is {total}.",
    "There are {n} {t} in every box. If {s} {v} {m} boxes, multiply: {n} * {m} = {product}.",
    "Explain step by step why {s} {v} more {t} than before.",
    "Write a short letter to {s} that says thank you for the {t}.",
    "Here is a list of three things that {s} {v}: {t}, water and paper.",
    "What does the word {t} mean? Please answer in one sentence.",
    "The difference between {n} and {m} is {difference}, because {n} - {m} = {difference}.",
    "Sure! Here are some {t}. Let me know if you would like anything else.",
    "Rewrite this sentence so that it is polite: {s} {v} {t}!",
    "def total({t0}):\n    return sum({t0})\n",
    "I do not know which {t} {s} {v}, but I can help you find out.",
    "Translate to French, then summarise the text about {t} in your own words.",
    "You are a helpful assistant. Answer the question and show your work.",
)


def corpus() -> list[str]:
    """Return the training text: every frame filled with every subject, in a fixed order."""
    lines = []
    for i, subject in enumerate(SUBJECTS):
        for j, frame in enumerate(FRAMES):
            n, m = 3 + (7 * i + 5 * j) % 40, 2 + (3 * i + 11 * j) % 12
            thing = THINGS[(i + j) % len(THINGS)]
            words = {"s": subject, "v": VERBS[(i * 3 + j) % len(VERBS)], "t": thing, "t0": thing.split()[0]}
            numbers = {"n": n, "m": m, "total": n + m, "product": n * m, "difference": n - m}
            lines.append(frame.format(**words, **numbers))
    return lines


def main(folder: Path) -> None:
    """Train the tokenizer and write the folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(text, special=True, normalized=False) for text in SPECIAL]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "model_max_length": 1024,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    _write(folder / "tokenizer_config.json", settings)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id("<|end|>"),
        pad_token_id=tokenizer.token_to_id("<|pad|>"),
        architectures=["LlamaForCausalLM"],
    )
    _write(folder / "config.json", json.loads(config.to_json_string(use_diff=True)))


def _write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
