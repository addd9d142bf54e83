"""Settings of the search for near-duplicates, as a mixture's step and the command `dedup` give them."""

from typing import Annotated, Literal

from pydantic import Field

from tulu_data.specs.base import Spec

Key = Literal["record", "conversation", "prompt", "answer"]
"""What of a record is compared: all of it as it is, or the text of the conversation, prompt or answer."""
Share = Annotated[float, Field(gt=0, le=1)]


class Near(Spec):
    """When two texts count as near-duplicates, and how they are looked for."""

    shingles: Literal["words", "characters"] = "words"
    """What texts are sets of: runs of words, or of characters of their normalised text.
    Example: `characters`."""
    n: Annotated[int, Field(ge=1, le=50)] = 2
    """Words or characters in a shingle. Example: `5`."""
    jaccard_threshold: Share = 0.4
    """Near-duplicates share at least this much of all shingles of either, by weight. Example: `0.6`."""
    words_threshold: Annotated[float, Field(ge=0, le=1)] = 0.75
    """And at least this much of all single words of either, none weighed. With characters it is not asked.
    Example: `0.8`."""
    containment_threshold: Share = 0.95
    """So is a record that shares at least this much of its own with one that is kept. Example: `0.9`."""
    swapped_numbers: bool = False
    """Whether records are near-duplicates that differ in little but the numbers in them, or in what their
    answers come to: another last number, boxed expression or short answer; default: no. Example: `true`."""
    frames: Annotated[float, Field(ge=0, le=1)] = 0.005
    """A shingle that more than this share of the records holds (and more than 32 records) counts less: half
    for each doubling, down to a sixteenth. 0: all count the same. Example: `0`."""
    scheme: Literal["fast", "datasketch"] = "fast"
    """How records are signed; `datasketch` gives the signatures of datasketch.MinHash bit for bit.
    Example: `datasketch`."""
    num_perm: Annotated[int, Field(ge=16, le=1024)] = 128
    """Numbers of a signature. Example: `256`."""
    recall: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the pairs just at the Jaccard threshold that are to be found; others are found more surely.
    Example: `0.95`."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Seed of the signatures. Example: `2`."""
