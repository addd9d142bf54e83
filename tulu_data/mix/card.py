"""The card of a version: a README that says what is in it, in the hub's dataset card form."""

from jinja2 import Environment, StrictUndefined

from tulu_data.specs.licences import UNKNOWN
from tulu_data.specs.mixture import Mixture
from tulu_data.store import Manifest

_CARD = """\
{% macro counted(count, noun) -%}
{{ "{:,}".format(count) }} {{ noun }}{{ "" if count == 1 else "s" }}
{%- endmacro -%}
---
{% if licences %}license: {{ licences | tojson }}
{% endif -%}
tags: [tulu-data, {{ manifest.kind }}]
---
# {{ manifest.name }}@{{ manifest.content_id[:8] }}

{{ description }}

{{ counted(manifest.rows, "record") }} of kind {{ manifest.kind }}, \
content id `{{ manifest.content_id }}`.

| source | read | quarantined | dropped | not drawn | kept | rows | licence |
|---|--:|--:|--:|--:|--:|--:|---|
{% for s in manifest.sources -%}
| {{ s.name }} | {{ s.read }} | {{ s.quarantined.values() | sum }} | {{ s.dropped.values() | sum }} \
| {{ s.not_drawn }} | {{ s.kept }} | {{ s.rows }} | {{ (s.licences | join(", ")) | replace("|", "/") }} |
{% endfor %}
read = quarantined + dropped + not drawn + kept; rows counts copies.

{% for d in manifest.duplicates -%}
Duplicates (step {{ d.step }}, key {{ d.key }}, {{ "near ones too" if d.near else "exact ones" }}): of \
{{ counted(d.records, "record") }} {{ "{:,}".format(d.records - d.kept) }} left out \
({% for reason, count in d.dropped.items() %}{{ "" if loop.first else ", " }}{{ "{:,}".format(count) }} \
{{ reason }}{% endfor %}){% for one in d.against %}; {{ one.dataset }} holds \
{{ "{:,}".format(one.dropped.values() | sum) }} of them{% endfor %}.\
{% if d.search %}
{%- set compared = d.search.compared + d.against | sum(attribute="compared") %}
{%- set templates = d.search.templates + d.against | sum(attribute="templates") %} \
Near-duplicates share {{ d.near.jaccard_threshold }} of what either holds, contained ones \
{{ d.near.containment_threshold }} of their own; \
{{ counted(compared, "pair") }} compared in {{ counted(d.search.rounds, "round") }}\
{% if templates %}, {{ "{:,}".format(templates) }} of them alike but for numbers or results, \
and kept{% endif %}.\
{% endif %}\
{% if d.clusters %} {{ counted(d.clusters, "cluster") }}, the largest of {{ counted(d.largest, "record") }}, \
listed in `clusters.parquet`.{% endif %}

{% endfor -%}
{% if manifest.decontamination -%}
Decontaminated against {{ manifest.decontamination.suites | map(attribute="name") | join(", ") }} \
by rule {{ manifest.decontamination.rule }} (records with a hit: {{ manifest.decontamination.action }}); \
hits with evidence are in `hits.parquet`.
{%- else -%}
Not decontaminated, as its spec says.
{%- endif %}

Built by tulu-data {{ manifest.software["tulu-data"] }} from `spec.yaml`; \
inputs with hashes are in `lock.yaml`, records left out with reasons in `dropped.parquet` \
and `quarantined.parquet`.
"""


def render_card(manifest: Manifest, mixture: Mixture) -> str:
    """Write the card of a version."""
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    licences = sorted({one for s in manifest.sources for one in s.licences} - {UNKNOWN})
    description = (mixture.description or "A dataset version built from a mixture of sources.").strip()
    return environment.from_string(_CARD).render(
        manifest=manifest, licences=licences, description=description
    )
