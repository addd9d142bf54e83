"""Memory that a command has freed, kept for what it asks for next.

The one idea: batches of some megabytes come and go, and the C library hands them back to the system, which
zeroes each page again before it is used anew: a twentieth of the time of a search. It knows one C library,
does nothing under another, and is for the process of a command alone.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers of glibc's parameters, see mallopt(3)."""
_KEPT, _LARGEST = 1 << 28, 1 << 25
"""Free bytes at the end of a heap that stay with it, and bytes of the largest piece that lies in a heap."""


def keep_freed() -> None:
    """Let the C library keep some freed memory."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        # A heap of a thread's own gives all back that is free, and what one thread made another one frees.
        mallopt(_ARENA_MAX, 1)
