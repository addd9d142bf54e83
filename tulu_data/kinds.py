"""The three kinds of record and the roles of their messages, by name; their types are in `tulu_data.schema`.

They stand apart because specs name them and are read without loading Arrow.
"""

from typing import Literal, get_args

Kind = Literal["sft", "preference", "rlvr"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = get_args(Role)
