"""`tulu-data lock`: resolve the sources of a spec that lie elsewhere, move pins, note stored versions."""

from pathlib import Path

import click

from tulu_data.cli.options import open_store, set_option, store_option, workspace_root
from tulu_data.errors import LockError, SpecError, nearest


@click.command(short_help="Pin what a spec reads from elsewhere, or move pins with --update.")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--update", multiple=True, metavar="SOURCE", help="Resolve this source anew; can be repeated.")
@set_option
@store_option
def command(spec: Path, update: tuple[str, ...], settings: tuple[str, ...], store: Path | None) -> None:
    """Pin the hub sources of a mixture or suite spec to the commits that their branches stand for now.

    Objects in buckets and the results of queries are pinned by their bytes. The pins go to the lock file
    beside SPEC and are obeyed from then on; only --update moves one. Sources over the same dataset, revision
    and split share a pin and move together. A stored version called name@latest is the newest whenever SPEC
    is built; the lock notes which that is now, and `mix --frozen` refuses another.
    """
    from tulu_data.decontaminate.suites import pin_suites
    from tulu_data.mix.pins import resolve_all
    from tulu_data.specs.lock import lock_path, read_lock
    from tulu_data.specs.mixture import read_mixture
    from tulu_data.specs.suite import is_suite_spec, read_suites

    suites = read_suites(spec) if is_suite_spec(spec) else None
    if suites is not None and settings:
        raise SpecError([f"{spec}: is a suite spec; --set is laid over mixture specs alone"])
    file = read_mixture(spec, settings) if suites is None else None
    before = read_lock(spec)
    for name in update:
        if name not in before.sources:
            known = ", ".join(sorted(before.sources)) or "none"
            raise LockError(
                f"{lock_path(spec)}: no pin of {name!r}{nearest(name, before.sources)} (pins: {known})"
            )
    root = workspace_root(spec.parent)
    if suites is not None:
        pin_suites(suites, moving=update)
    if file is not None:
        resolve_all(file, root, open_store(store, root), moving=update, only_pinned=True)
    after = read_lock(spec)
    for name, pin in after.sources.items():
        old = before.sources.get(name)
        word = "new" if old is None else "kept" if old == pin else f"moved from {old.revision[:12]}"
        click.echo(f"{name}: {pin.uri} {pin.revision[:12]} ({len(pin.files)} files) {word}")
    for ref, content_id in after.versions.items():
        was = before.versions.get(ref)
        word = "new" if was is None else "kept" if was == content_id else f"moved from {was[:12]}"
        click.echo(f"{ref}: {content_id[:12]} {word}")
    if not after.sources and not after.versions:
        click.echo(f"{spec}: reads files alone, nothing to pin")
