"""What an action leaves out of cleaned copies: records with hits, and whole datasets.

The one idea: hits name rows to drop, each with the strongest of its hits as evidence. It copies nothing.
"""

import pyarrow as pa

from tulu_data.decontaminate.audit import Audit
from tulu_data.decontaminate.report import strongest, to_drop
from tulu_data.schema import TEXT
from tulu_data.sources.fates import DROPPED, Fates
from tulu_data.specs.steps import Action


def fates_of(found: Audit, action: Action) -> Fates:
    """Say which of the records that were scanned an action drops, and why."""
    hits = found.hits.filter(to_drop(found.hits, action))
    keys = list(zip(hits["dataset"].to_pylist(), hits["origin"].to_pylist(), strict=True))
    ids = dict(zip(keys, hits["id"].to_pylist(), strict=True))
    evidence = strongest(hits, keys)
    columns = [*zip(*evidence, strict=True)] or [(), ()]
    whole = found.report.sources_to_drop if action == "drop_source" else ()
    return Fates(
        dropped=pa.table(
            [
                *(pa.array(column, TEXT) for column in columns), pa.array(map(ids.get, evidence), TEXT),
                pa.repeat(pa.scalar("contaminated", TEXT), len(evidence)),
                pa.array(evidence.values(), TEXT),
            ], schema=DROPPED,
        ),
        whole={row.source: ("source_contaminated", row.evidence) for row in whole},
        reasons=("contaminated",),
    )  # fmt: skip
