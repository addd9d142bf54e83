"""Why a record is a duplicate: the words of reports, and the numbers that the search uses for them."""

from tulu_data.specs.steps import DedupStep

REASONS = ("", "duplicate_record", "duplicate_text", "near_duplicate", "contained")
"""Why a record is dropped, by number; the first is that it is not."""
KEPT, RECORD, TEXT_EQUAL, NEAR, CONTAINED = range(len(REASONS))


def reasons_of(step: DedupStep) -> list[str]:
    """Return the reasons for which a step may drop, in the order in which it looks."""
    if step.key == "record":
        return [REASONS[RECORD]]
    return [*REASONS[RECORD : TEXT_EQUAL + 1]] if step.near is None else [*REASONS[RECORD:]]
