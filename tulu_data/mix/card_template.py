"""The text of a card, with places for what `card.py` gives. It holds no numbers of its own."""

CARD = """\
{% macro counted(count, noun) -%}
{{ count | number }} {{ noun }}{{ "" if count == 1 else "s" }}
{%- endmacro -%}
---
{{ front -}}
---
# {{ ref }}

{{ description }}
{% if manifest.card.get("homepage") %}
Homepage: <{{ manifest.card.get("homepage") }}>
{% endif %}
{{ counted(manifest.rows, "record") }} of kind `{{ manifest.kind }}`\
{% if tokens is not none %}, {{ tokens | number }} tokens ({{ tokenizer | cell }}, all turns, \
no chat template){% endif %}; content id `{{ manifest.content_id }}`, built {{ manifest.created[:10] }}.

## Sources

| source | rows | share |{% if tokens is not none %} tokens |{% endif %} read | quarantined | dropped \
| not drawn | kept | licence | uri | revision |
|---|--:|--:|{% if tokens is not none %}--:|{% endif %}--:|--:|--:|--:|--:|---|---|---|
{% for s in manifest.sources -%}
| {{ s.name | cell }} | {{ s.rows | number }} | {{ parts.text(s.name) }} \
{% if tokens is not none %}| {{ s.tokens | number }} {% endif -%}
| {{ s.read | number }} | {{ s.quarantined.values() | sum | number }} \
| {{ s.dropped.values() | sum | number }} | {{ s.not_drawn | number }} | {{ s.kept | number }} \
| {{ licences_of(s) | join(", ") | cell }} | `{{ s.uri | cell }}` \
| {% if s.revision %}`{{ s.revision[:12] | cell }}`{% endif %} |
{% endfor -%}
| **total** | **{{ total.rows | number }}** | **{{ parts.whole }}** \
{% if tokens is not none %}| **{{ tokens | number }}** {% endif -%}
| **{{ total.read | number }}** | **{{ total.quarantined | number }}** | **{{ total.dropped | number }}** \
| **{{ total.not_drawn | number }}** | **{{ total.kept | number }}** | | | |

Each source: read = quarantined + dropped + not drawn + kept. `rows` are those of the version, copies of \
repeated records counted; `kept` are the rows of the source that are in it, each counted once; \
two rows that say the same are two.
{% for name, seen in attached.items() %}
Source {{ name | cell }} is a query over {% for one, what in seen.items() %}{{ "" if loop.first else ", " }}\
{{ one | cell }} = `{{ what | cell }}`{% endfor %}.
{% endfor -%}
{% if tags %}
| tag | rows | share |
|---|--:|--:|
{% for tag, tagged in tags.items() -%}
| {{ tag | cell }} | {{ tagged.rows | number }} | {{ parts.text(*tagged.names) }} |
{% endfor %}
A source may have several tags, so these need not add up.
{% endif %}
{% if manifest.splits %}## Splits

| split | rows | share |
|---|--:|--:|
{% for split, rows in manifest.splits.items() -%}
| {{ split }} | {{ rows | number }} | {{ split_parts.text(split) }} |
{% endfor -%}
| **total** | **{{ manifest.splits.values() | sum | number }}** | **{{ split_parts.whole }}** |

A record is in one split by its id, whatever else is in the version.

{% endif -%}
## Licences

| licence | rows |
|---|--:|
{% for licence, rows in licences.items() -%}
| {{ licence | cell }} | {{ rows | number }} |
{% endfor -%}
| **total** | **{{ total.rows | number }}** |

Each source keeps the licence that is stated for it; `unknown` where none is.

## Left out
{% if left %}
| reason | rows |
|---|--:|
{% for one in left -%}
| {{ one.reason | cell }} | {{ one.rows | number }} |
{% endfor -%}
| **total** | **{{ (total.read - total.kept) | number }}** |

`dropped.parquet` lists one by one what steps left out, with evidence, `quarantined.parquet` the rows that \
were no records.
{% else %}
Nothing: every row that was read is in the version.
{% endif -%}
{% if manifest.duplicates %}
## Duplicates
{% for d in manifest.duplicates %}
Step {{ d.step }} (key `{{ d.key }}`, {{ "near ones too" if d.near else "exact ones" }}): of \
{{ counted(d.records, "record") }} {{ (d.records - d.kept) | number }} left out \
({% for reason, count in d.dropped.items() %}{{ "" if loop.first else ", " }}{{ count | number }} \
{{ reason }}{% endfor %}){% for one in d.against %}; {{ one.dataset }} holds \
{{ one.dropped.values() | sum | number }} of them{% endfor %}.\
{% if d.search %}
{%- set compared = d.search.compared + d.against | sum(attribute="compared") %}
{%- set templates = d.search.templates + d.against | sum(attribute="templates") %} \
Near-duplicates share {{ d.near.jaccard_threshold }} of what either holds, contained ones \
{{ d.near.containment_threshold }} of their own; \
{{ counted(compared, "pair") }} compared in {{ counted(d.search.rounds, "round") }}\
{% if templates %}, {{ templates | number }} of them alike but for numbers or results, \
and kept{% endif %}.\
{% endif %}\
{% if d.clusters %} {{ counted(d.clusters, "cluster") }}, the largest of {{ counted(d.largest, "record") }}, \
listed in `clusters.parquet`.{% endif %}
{% endfor -%}
{% endif %}
## Decontamination
{% if manifest.decontamination %}{% set d = manifest.decontamination %}
Rule `{{ d.rule }}` against {{ counted(d.suites | length, "suite") }}: \
{{ d.suites | map(attribute="name") | join(", ") }}. \
{{ counted(d.records_hit.values() | sum, "record") }} with a hit ({{ d.hits | number }} hits): \
{{ {"drop": "dropped", "drop_source": "dropped, and contaminated sources whole", "flag": "kept and flagged"}\
[d.action] }}.
{%- if whole %} Left out whole: {{ whole | join(", ") }}.{% endif %}
{% if hits %}
| source | suite | split | instances | hit | share | records | verdict |
|---|---|---|--:|--:|--:|--:|---|
{% for row in hits -%}
| {{ row.source | cell }} | {{ row.suite | cell }} | {{ row.split | cell }} | {{ row.instances | number }} \
| {{ row.instances_hit | number }} | {{ (100 * row.share) | percent }} | {{ row.records_hit | number }} \
| {{ row.verdict | cell }} |
{% endfor %}
Every hit is in `hits.parquet`, with evidence.\
{%- if clean %} No instance of {{ clean | join(", ") }} was found.{% endif %}
{% else %}
No instance of any of them was found.
{% endif -%}
{% else %}
Not decontaminated, as its spec says.
{% endif %}
## How to use it

```python
from datasets import load_dataset, load_from_disk

dataset = load_from_disk("PATH")  # this folder, mapped into memory\
{% if manifest.splits %}; a DatasetDict of its splits{% endif %}
dataset = load_dataset("OWNER/NAME", split="train")  # the same from the hub
```

{{ columns }}

## How it was made

`tulu-data mix spec.yaml` with tulu-data {{ manifest.software["tulu-data"] }}, where its sources are; \
`tulu-data verify {{ ref }}` builds it again and compares. `spec.yaml` is the mixture with all defaults and \
revisions, `lock.yaml` names every file that was read with its sha256, `manifest.json` holds all numbers of \
this card. Recipe id `{{ manifest.recipe_id[:16] }}`.
{% if manifest.card.get("citation") %}
## How to cite it

{{ manifest.card.get("citation") | trim | indent(4, first=true) }}
{% endif -%}
"""
