"""`tulu-data review`: walk through what a command found, with both texts of each."""

from pathlib import Path

import click
from click.core import ParameterSource

from tulu_data.cli.options import decisions_option, json_option, open_store, store_option, workspace_root
from tulu_data.specs.decisions import DECISIONS_FILE

REPORT, OF_DEDUP = "reports/decontamination", "reports/dedup"
"""Folders of a workspace that are looked at when none is named; the second where clusters are asked for."""
OF_HITS = {
    "suites": "--suite", "matches": "--match", "rules": "--rule", "min_overlap": "--min-overlap",
    "undecided": "--undecided/--all", "decisions": "--decisions",
}  # fmt: skip
"""Options that choose among hits, by parameter."""
OF_CLUSTERS = {"reasons": "--reason", "min_jaccard": "--min-jaccard", "max_jaccard": "--max-jaccard"}
"""Options that choose among clusters."""


@click.command(short_help="Walk through hits and decide, or through near-duplicates.")
@click.argument("findings", metavar="[REPORT]", required=False)
@click.option(
    "--source", "sources", multiple=True, help="Only what is in this source; may repeat, * fits all."
)
@click.option(
    "--suite", "suites", multiple=True, help="Only hits on this eval suite; may repeat, * fits all."
)
@click.option(
    "--match", "matches", multiple=True, type=click.Choice(("item", "template", "partial", "common", "any")),
    default=("item",), show_default=True, help="Only hits of this match; may repeat.",
)  # fmt: skip
@click.option("--rule", "rules", multiple=True, help="Only hits found by this rule; may repeat.")
@click.option(
    "--min-overlap", type=click.FloatRange(0, 1), default=0.0, help="Only hits of at least this overlap."
)
@click.option(
    "--undecided/--all", default=True, help="Only hits that are not decided yet (default), or every one."
)
@click.option(
    "--reason", "reasons", multiple=True,
    type=click.Choice(("near_duplicate", "contained", "duplicate_text", "duplicate_record", "any")),
    default=("near_duplicate", "contained"), show_default=True,
    help="Only records of clusters that were dropped for this reason; may repeat.",
)  # fmt: skip
@click.option(
    "--min-jaccard", type=click.FloatRange(0, 1), default=0.0,
    help="Only records of clusters that are at least so alike.",
)  # fmt: skip
@click.option(
    "--max-jaccard", type=click.FloatRange(0, 1), default=1.0,
    help="Only records of clusters that are at most so alike.",
)  # fmt: skip
@click.option("--clusters", is_flag=True, help="Of a version, walk through its clusters and not its hits.")
@click.option("--list", "listing", is_flag=True, help="Print everything and ask nothing (for pipes).")
@decisions_option
@store_option
@json_option
@click.pass_context
def command(  # noqa: PLR0913, PLR0917 - one for each option
    context: click.Context, findings: str | None, sources: tuple[str, ...], suites: tuple[str, ...],
    matches: tuple[str, ...], rules: tuple[str, ...], min_overlap: float, undecided: bool,
    reasons: tuple[str, ...], min_jaccard: float, max_jaccard: float, clusters: bool, listing: bool,
    decisions: Path | None, store: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Walk through hits and decide which are contamination, or through near-duplicates.

    REPORT is the folder of a report, a table in it, or name@version; default: the workspace's report
    on contamination, with --clusters that on duplicates. Each hit is shown with both original texts
    and the overlap marked, those of one eval instance together. Every answer is written at once to
    the decisions file, which the next `decontaminate` and mixtures with `decisions:` obey; a stopped
    walk goes on where it was.

    Of a report of `dedup`, and of a version with --clusters, each record that was dropped is shown
    beside the one that it is like, with the words marked that only one of them has; those of one
    cluster together, large clusters first.
    """
    from tulu_data.sources.reports import is_of, locate

    here = Path.cwd()
    base = here if findings and (here / findings).exists() else workspace_root(here)
    root = workspace_root(base / findings) if findings else base
    opened, name = open_store(store, root), findings or (OF_DEDUP if clusters else REPORT)
    found = locate(name, base, opened)
    if clusters or (isinstance(found, Path) and is_of(found, "dedup")):
        from tulu_data.cli.review_clusters import Range, review_clusters
        from tulu_data.dedup.pairs import open_search

        _refuse(context, OF_HITS, "clusters have no such thing")
        among = Range(sources=sources, reasons=reasons, low=min_jaccard, high=max_jaccard)
        review_clusters(open_search(found, base, opened), among, listing=listing, as_json=as_json)
        return
    from tulu_data.cli.review_hits import Wanted, review_hits
    from tulu_data.decontaminate.findings import open_findings

    _refuse(context, OF_CLUSTERS, "hits have no such thing (of a version, --clusters shows those)")
    wanted = Wanted(
        suites=suites, sources=sources, matches=matches, rules=rules, min_overlap=min_overlap,
        undecided=undecided,
    )  # fmt: skip
    path = decisions or root / DECISIONS_FILE
    review_hits(open_findings(found, name, base, opened), path, wanted, listing=listing, as_json=as_json)


def _refuse(context: click.Context, options: dict[str, str], why: str) -> None:
    """Refuse options that choose among what this report does not have."""
    given = [
        option for name, option in options.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]  # fmt: skip
    if given:
        raise click.UsageError(f"{', '.join(given)}: cannot choose here; {why}")
