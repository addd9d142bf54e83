"""Drop records whose answer claims to be another assistant or to come from another maker.

A model trained on such answers introduces itself by that name. The patterns name the claim
("I am ChatGPT", "trained by OpenAI"), not the word: talking about ChatGPT is no claim.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tulu_data.filters.turns import matching_answers
from tulu_data.schema import Kind

_NAMES = (
    r"chat\s?gpt|gpt-?[345][\w.-]*|claude|bard|gemini|llama|alpaca|vicuna|qwen|deepseek|mistral|grok|copilot"
)
_MAKERS = (
    r"openai|anthropic|google|meta ai|microsoft|lmsys|large model systems organization"
    r"|alibaba|deepseek|mistral ai|xai"
)
_MADE = r"(created|trained|developed|made|built)"
_TEMPLATE = r"\{\{\s*(name|author|assistant)\s*\}\}"
IDENTITY = (
    rf"\b(i am|i'm|my name is|you can call me|call me)\s+(called\s+)?({_NAMES})\b"
    rf"|\b(i was|i am|i'm)\s+(an? [\w\s,-]{{0,60}})?{_MADE}\s+by\s+({_MAKERS})\b"
    rf"|as an? (large )?(ai )?language model"
    rf"|{_TEMPLATE}"
)


def identity(batch: pa.RecordBatch, kind: Kind) -> npt.NDArray[np.bool_]:
    """Return which records have an assistant turn that claims another identity."""
    return matching_answers(batch, kind, IDENTITY)
