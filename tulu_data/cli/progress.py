"""A progress bar on stderr: how far the reading of datasets is, how fast, and how long it will take.

The one idea: it is drawn for people at a terminal and nowhere else. It knows nothing of what is read.
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class DatasetBar:
    """One bar, for the dataset that is read now; a context that takes it away again."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), DownloadColumn(),
            TextColumn("{task.fields[records]:,} records"), TransferSpeedColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None, visible=False, records=0)
        self._records = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    def begin(self, dataset: str, size: int) -> None:
        """Start anew for a dataset of so many bytes."""
        self._records = 0
        self._bar.reset(self._task, total=size, description=dataset, visible=True, records=0)

    def read(self, size: float) -> None:
        """Move on by bytes that were read."""
        self._bar.advance(self._task, size)

    def records(self, count: int) -> None:
        """Move on by records."""
        self._records += count
        self._bar.update(self._task, records=self._records)

    def end(self, text: str) -> None:
        """Leave a line about a dataset above the bar."""
        if not self._bar.disable:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
