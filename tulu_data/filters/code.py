"""Lines of programs in texts: what a detector of languages should not read.

The one idea: programs stand in lines of their own, and such lines show it by how they begin or end, so prose
between them stays. It goes by lines because marks are as dense in formulas and lists as in programs.
"""

import pyarrow as pa
import pyarrow.compute as pc

_LINES = (
    r"[^\n]*(?:[=<>$+}]|\w[(\[])[^\n]*[;{}]",  # statements and openings of blocks
    r"[^\n]*\)[ \t]*\{",
    r"[ \t]*[][(){}<>;,]+",  # what closes them
    r"[ \t]*[\w.\[\]$@'\"*-]+(?:[ \t]*:[ \t]*[\w\[\]]+)?[ \t]*[-+*/|&.:]?=[^\n]*",  # assignments
    r"[ \t]*[\w.$@:>-]+\([^\n]*",  # calls
    r"[ \t]*(?:def|class|func|import|from|using|package|module|return|let|const|var) [^\n]*[\])\w({:;=>]",
    r"[ \t]*(?:if|elif|else|for|while|try|except|finally|with|switch|case|catch)\b[^\n]*:",
    r"[ \t]*</?[a-zA-Z!?][^\n]*>",  # markup
    r"[ \t]*(?:#include|<\?php|@\w|//|/\*)[^\n]*",
    r"[ \t]*(?:SELECT|FROM|WHERE|INSERT INTO|CREATE|UPDATE|DELETE)\b[^\n]*",
    r"[ \t]*[.#]?[\w-]+[ \t]*\{[^\n]*",  # rules of style sheets
    r"[ \t]*[\"'][\w -]+[\"'][ \t]*:[^\n]*",  # entries of mappings
)
_CODE = rf"(?m)^(?:{'|'.join(_LINES)})[ \t]*$"
_FENCED = "(?s)```.*?(?:```|$)"


def without_code(texts: pa.Array) -> pa.Array:
    """Return texts without what stands between fences, and without lines of programs."""
    fenced = pc.match_substring(texts, "```")
    if pc.any(fenced).as_py():
        texts = pc.if_else(fenced, pc.replace_substring_regex(texts, _FENCED, "\n"), texts)
    return pc.replace_substring_regex(texts, _CODE, "")
