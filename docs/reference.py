"""Write the pages and files that follow from the code: of commands, of keys of a spec, and its JSON Schema.

docs/commands.md has every verb with its help as click prints it, docs/spec.md every key with its docstring.
None is edited by hand; tests compare them with the commands and models, and `make docs` renews them.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from tulu_data.cli.main import VERBS, group
from tulu_data.specs.editor_schema import SCHEMA_FILE, schema_text
from tulu_data.specs.key_page import spec_page

PAGE = Path(__file__).with_name("commands.md")
SPEC_PAGE = Path(__file__).with_name("spec.md")
ROOT = PAGE.parents[1]
SCHEMAS = [ROOT / folder / SCHEMA_FILE for folder in ("mixtures", "tulu_data/workspace/files/mixtures")]
"""Beside the specs that ship, since they name it by a relative path."""
WIDTH = 100

_OPENING = """\
# Commands

Written by `make docs` from the commands' own help.

Exit codes: 0 done, 1 an error of yours in one line (or a check that found something), 2 wrong usage.
Results go to stdout, progress and warnings to stderr.
"""


def page() -> str:
    """Return the page for the commands as they are now."""
    top = click.Context(group, info_name="tulu-data")
    return "\n".join([_OPENING, *(section for verb in VERBS for section in _sections(top, group, verb))])


def _sections(above: click.Context, verbs: click.Group, verb: str) -> Iterator[str]:
    """Yield a verb's heading and help, and those of the verbs below it."""
    command = verbs.get_command(above, verb)
    assert command is not None
    context = click.Context(
        command, info_name=verb, parent=above, terminal_width=WIDTH, max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )  # fmt: skip
    name = context.command_path.removeprefix("tulu-data ")
    yield f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _sections(context, command, below)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    SPEC_PAGE.write_text(spec_page(), "utf-8")
    for schema in SCHEMAS:
        schema.write_text(schema_text(), "utf-8")
