"""Two hashes that say `already built`: the recipe (what to do) and the inputs (what with).

The recipe id covers the resolved spec, defaults filled, without prose; the inputs id covers the
bytes of every file that is read. Same recipe, same inputs: same version, nothing to do.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

from tulu_data.specs.mixture import Mixture
from tulu_data.specs.uris import HUB_ONLY, without_revision
from tulu_data.store import Version
from tulu_data.store.version import TRAIN

STEP_VERSIONS = {"draw": 1, "decontaminate": 1, "dedup": 3, "filter": 2, "normalise": 1, "order": 1}
"""Raised when a step starts to give other results for the same input."""


def resolved_spec(
    mixture: Mixture, revisions: Mapping[str, str], versions: Mapping[str, Version]
) -> dict[str, object]:
    """Return the spec with defaults filled and revisions pinned, without prose; it reads as a spec again.

    `revisions` are those of sources by name, `versions` the stored ones by how steps name them.
    """
    prose = {"card", "description", "extends"}
    spec = mixture.model_dump(mode="json", exclude=prose, exclude_none=True, by_alias=True)
    for name, source in spec["sources"].items():
        if source["uri"].startswith("hf://"):
            # Said once, where it is read first.
            source["uri"], source["revision"] = without_revision(source["uri"]), revisions[name]
            continue
        split = source["split"]
        for key in HUB_ONLY:
            source.pop(key, None)
        if name in revisions and split != TRAIN:
            source["split"] = split
        if name in revisions:
            source["uri"] = f"{source['uri'].partition('@')[0]}@{revisions[name]}"
    for step in spec["steps"]:
        if step["step"] == "dedup":
            # Their order decides nothing.
            named = [versions[ref] for ref in step["against"]]
            step["against"] = sorted({f"{version.name}@{version.content_id}" for version in named})
    return spec


def recipe_id(mixture: Mixture, revisions: Mapping[str, str], versions: Mapping[str, Version]) -> str:
    """Hash what is to be done."""
    return recipe_hash(resolved_spec(mixture, revisions, versions), STEP_VERSIONS)


def recipe_hash(spec: object, step_versions: Mapping[str, int]) -> str:
    """Hash a resolved spec, as it stands beside a version too, and the versions of the code of the steps."""
    recipe = {"spec": spec, "steps": step_versions}
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def inputs_id(files: Iterable[tuple[str, str, str]]) -> str:
    """Hash what it is done with: (role, origin, sha256) of every file that is read."""
    lines = "".join(f"{role}\0{origin}\0{digest}\n" for role, origin, digest in sorted(files))
    return sha256(lines.encode()).hexdigest()
