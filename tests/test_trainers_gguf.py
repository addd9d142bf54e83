"""A .gguf file, written here with the format's own library, loads as weights that can be saved."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from trainer_fixtures import TINY, config
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from trainers.model import load_policy, load_tokenizer

LAYERS = 1
NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def tiny_llama() -> LlamaForCausalLM:
    shape = AutoConfig.from_pretrained(TINY)
    shape.num_hidden_layers, shape.tie_word_embeddings = LAYERS, False
    shape.vocab_size += 1
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(shape, dtype=torch.float32)


def gguf_name(name: str) -> str:
    if not name.startswith("model.layers."):
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}"


def permuted(name: str, weight: np.ndarray, heads: int) -> np.ndarray:
    """Interleave the two rotary halves of each head, as the format stores q and k of Llama."""
    if "q_proj" not in name and "k_proj" not in name:
        return weight
    rows = weight.shape[0]
    halves = weight.reshape(heads, 2, rows // heads // 2, weight.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))


def write_gguf(model: LlamaForCausalLM, path: Path) -> None:
    shape, tokenizer = model.config, AutoTokenizer.from_pretrained(TINY)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_context_length(shape.max_position_embeddings)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_vocab_size(shape.vocab_size)
    writer.add_tokenizer_model("gpt2")
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    tokens = [token for token, _ in vocabulary]
    tokens.append("<|endoftext|>")  # transformers' tokenizer of this kind adds it where it is missing
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(tokens))
    merges = json.loads((TINY / "tokenizer.json").read_text("utf-8"))["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    for name, weight in model.state_dict().items():
        heads = shape.num_attention_heads if "q_proj" in name else shape.num_key_value_heads
        writer.add_tensor(gguf_name(name), permuted(name, weight.numpy(), heads))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_gguf_model_has_the_weights_of_its_file_and_can_be_saved(tmp_path):
    model = tiny_llama()
    file = tmp_path / "tiny.gguf"
    write_gguf(model, file)
    settings = config(model=str(file), init="pretrained")
    tokenizer = load_tokenizer(settings)
    policy = load_policy(settings, tokenizer)
    loaded = policy.model.state_dict()
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded[name], weight), name
    policy.model.save_pretrained(tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    assert tokenizer.chat_template
