"""planted_flags.md: every flag on a text in which nothing was planted, and what a reader says of it.

The one idea: a verdict belongs to (host, suite, split, instance) and outlives runs: a flag is read once.
`true` means that the eval item is in the text, whatever the rule; `template` that its wording is, with other
numbers; `false` that it is not; a reason may follow. Parts of texts are cut short.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from planted_score import Flag
from results import markdown

PATH = Path(__file__).with_name("planted_flags.md")
SHOWN = 110
"""Characters of a matched part."""
HEAD = """# Flags on unplanted texts

Written by `bench/planted.py`; the column `verdict` is a reader's and is kept from run to run. `true`: a
reader finds the eval item in the text, be it asked of another programming language; `template`: the wording
is there, with other numbers; `false`: neither. Each text is listed once with each question; `own` says that
it is a document of its own, `bulk` counts the joined documents that repeat it. Systems without a name were
not part of the last run or did not flag it.
"""
COLUMNS = (
    "host",
    "suite",
    "split",
    "instance",
    "verdict",
    "systems",
    "own",
    ">bulk",
    ">overlap",
    "text",
    "instance's text",
)

Key = tuple[str, str, str, str]


def key_of(flag: Flag) -> Key:
    """Name a flag as its verdict does."""
    return flag.host, *flag.instance


def read_verdicts(path: Path = PATH) -> dict[Key, list[str]]:
    """Read the rows that a reader has judged."""
    if not path.is_file():
        return {}
    table = [line for line in path.read_text("utf-8").splitlines() if line.startswith("| host-")]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table]
    cells = [[cell.removesuffix(" |") for cell in row] for row in cells]
    return {(row[0], row[1], row[2], row[3]): row for row in cells if row[4] != "-"}


def write_flags(by_system: Mapping[str, Iterable[Flag]], path: Path = PATH) -> None:
    """Write every flag with the verdicts there are, and keep those on flags that were not raised again."""
    judged = read_verdicts(path)
    systems: dict[Key, list[str]] = {}
    seen: dict[Key, Flag] = {}
    for system, raised in by_system.items():
        for flag in raised:
            seen.setdefault(key_of(flag), flag)
            systems.setdefault(key_of(flag), []).append(system)
    rows = [_row(flag, judged.get(key), systems[key]) for key, flag in seen.items()]
    rows += [[*row[:5], "-", *row[6:]] for key, row in judged.items() if key not in seen]
    table = markdown(COLUMNS, [tuple(row) for row in sorted(rows, key=lambda row: (row[1], row[3], row[0]))])
    path.write_text(f"{HEAD}\n{table}\n", "utf-8")


def _row(flag: Flag, judged: list[str] | None, systems: list[str]) -> list[str]:
    overlap = "-" if flag.overlap is None else f"{flag.overlap:.2f}"
    own, verdict = "yes" if flag.own else "no", judged[4] if judged else "-"
    return [
        *key_of(flag),
        verdict,
        ", ".join(systems),
        own,
        str(flag.bulk),
        overlap,
        _short(flag.theirs),
        _short(flag.ours),
    ]


def _short(text: str) -> str:
    """Cut a text short and free it of what Markdown tables trip over."""
    text = " ".join(text.replace("|", "/").split())
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 30]} ... {text[-25:]}"
    return shown.replace("`", "'") or "-"


def verdicts(raised: Iterable[Flag], path: Path = PATH) -> Counter[str]:
    """Count flagged texts by the worst verdict on their flags: false, unread, template, true."""
    judged = read_verdicts(path)
    by_host: dict[str, set[str]] = {}
    for flag in raised:
        if flag.own:
            row = judged.get(key_of(flag))
            by_host.setdefault(flag.host, set()).add(row[4].split()[0].strip(":,;") if row else "unread")
    order = ("false", "unread", "template", "true")
    return Counter(next((word for word in order if word in said), "unread") for said in by_host.values())
