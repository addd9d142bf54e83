"""The three kinds of record, by name; what they are made of is in `tulu_data.schema`.

It stands apart because specs name kinds and are read without loading Arrow.
"""

from typing import Literal, get_args

Kind = Literal["sft", "preference", "rlvr"]
KINDS: tuple[Kind, ...] = get_args(Kind)
