"""The `tulu-data` command: a group whose verbs load lazily.

Each verb lives in `tulu_data.cli.<module>` and exposes `command`. The one-line help of every verb
stands here, so that `tulu-data --help` imports none of them; a test holds the two texts equal.
"""

import gc
import os
import sys
from importlib import import_module

import click

from tulu_data import __version__
from tulu_data.errors import TuluDataError, nearest

VERBS: dict[str, tuple[str, str]] = {
    "init": ("init", "Write a workspace with small data, eval suites, specs and a tiny model."),
    "check": ("check", "Check spec files offline and report every mistake with its place."),
    "evals": ("evals", "Name eval suites in a spec, list them, look at them, fetch them."),
    "decontaminate": ("decontaminate", "Find eval instances inside training data, with evidence."),
    "dedup": ("dedup", "Find records that are there more than once, word for word or nearly."),
    "review": ("review", "Walk through hits and decide, or through near-duplicates."),
    "import": ("import_", "Write a mixture spec from another tool's list of datasets."),
    "lock": ("lock", "Pin what a spec reads from elsewhere, or move pins with --update."),
    "status": ("status", "Say which specs are built, and why others are stale."),
    "plan": ("plan", "Say what a build would take of each source, and write no version."),
    "mix": ("mix", "Build a dataset version from a mixture spec."),
    "list": ("list_", "List the dataset versions in the store."),
    "show": ("show", "Show one version: sources, counts, drops by reason, contamination."),
    "view": ("view", "Read records of a version, or those that were left out of it."),
    "sql": ("sql", "Query hits, drops and records with SQL."),
    "stats": ("stats", "Count one version: rows, lengths, turns, tokens, per source and tag."),
    "card": ("card", "Print the card of a version, or write it anew with --write."),
    "tag": ("tag", "Name a version, as in sft_v3@best, or list and delete such names."),
    "gc": ("gc", "Remove versions and caches that nothing needs; without --yes only list them."),
    "export": ("export", "Write a version as jsonl, parquet, a datasets folder, or for TRL."),
    "diff": ("diff", "Compare two versions: specs, inputs, rows added and removed with reasons."),
    "explain": ("explain", "Say why a record is in a version, or not."),
    "lineage": ("lineage", "Show where a version comes from, and what was made of it."),
    "verify": ("verify", "Check a version, and build it again to compare."),
    "push": ("push", "Send a version to the hub, a bucket or a folder, after asking."),
    "pull": ("pull", "Bring a version into the store from the hub, a bucket or a folder."),
    "train": ("train", "Train a model on a dataset version."),
}
"""Verb -> (module, one-line help), in the order of the work."""

LEAN = ("decontaminate", "dedup", "diff", "explain", "mix", "plan", "status", "verify")
"""Verbs that need neither pandas nor scipy nor coverage, and start in half the time without them."""


class LazyGroup(click.Group):
    """A group that imports a verb's module only when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return its command."""
        if cmd_name not in VERBS:
            return None
        command = import_module(f"tulu_data.cli.{VERBS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when one is misspelt."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}{nearest(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tulu-data")
def group() -> None:
    """Carry post-training data from persona to policy.

    The main job: find leaked eval instances, mix sources into a versioned dataset, train on it.
    """


def main() -> None:
    """Run the command line: exit 0 done, 1 our error in one line, 2 usage, 130 training stopped by Ctrl-C."""
    if sys.argv[1:2] and sys.argv[1] in LEAN:
        from tulu_data.cli.absent import leave_out
        from tulu_data.cli.heap import keep_freed

        keep_freed()
        # What is imported stays; to look through it for garbage again and again finds none.
        gc.set_threshold(100_000)
        # Batches come and go: to zero pages of 2 MB for them costs more than such pages save.
        os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
        leave_out("pandas", "scipy", "coverage")
        # A thread of BLAS spins while it waits for work, and these verbs have hardly any for it.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        group(prog_name="tulu-data")
    except TuluDataError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except SystemError as error:
        # Ctrl-C inside a compiled kernel arrives wrapped by the call that it interrupted.
        if not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise
        click.echo("Aborted!", err=True)
        sys.exit(1)
    finally:
        # The process ends: to look through all that is loaded for garbage, more than once, frees nothing. But
        # DuckDB's binding tells the terminal of each object of its own that is then left.
        if "_duckdb" not in sys.modules:
            gc.freeze()
        elif sys.argv[1:2] and sys.argv[1] in LEAN:
            _leave(sys.exc_info()[1])


def _leave(end: BaseException | None) -> None:
    """End the process without taking apart what is loaded, where a command ended by itself."""
    if isinstance(end, SystemExit) and (end.code is None or isinstance(end.code, int)):
        # These verbs close what they open and wait for their threads; what a reader hung up on fails here.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)
