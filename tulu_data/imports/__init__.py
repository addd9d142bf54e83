"""Lists of datasets that other tools train on, read as mixture specs; one module a format.

The one idea: what a file says is carried over with the same meaning, or it is named as not carried over.
Nothing is fetched; of data nothing is read but how many rows local
files have, where a number means something else with more or fewer.
"""

from tulu_data.imports.draft import Draft
from tulu_data.imports.formats import FORMATS, Format, read_draft
from tulu_data.imports.writing import spec_text

__all__ = ["FORMATS", "Draft", "Format", "read_draft", "spec_text"]
