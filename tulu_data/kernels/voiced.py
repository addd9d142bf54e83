"""Keys of texts that are told from those of the same words said by others.

The one idea: what a voice says in a row has a key of its own, and these keys enter that of the text one
after the other with the voice; blank ones do not. It reads no text.
"""

import numpy as np

from tulu_data.kernels.jit import kernel
from tulu_data.kernels.units import Voices
from tulu_data.kernels.words import Hashes, Ints, fixed, mixed

_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_SEED, _OTHER, _ONE = np.uint64(0x2545F4914F6CDD1D), np.uint64(0xE7037ED1A0B428DB), np.uint64(1)


def joined_keys(keys: Hashes, voices: Voices, first: Ints) -> Hashes:
    """Return the key of each text, given those of its pieces and where these start; zeros if all are blank.

    Keys are (n, 2) words; zeros are those of blank pieces.
    """
    made = np.zeros((len(first) - 1, 2), np.uint64)
    join_keys(fixed(keys), fixed(voices), fixed(first), made)
    return made


@kernel
def join_keys(keys: Hashes, voices: Voices, first: Ints, made: Hashes) -> None:
    """Write the key of each text."""
    for k in range(len(made)):
        a, b, blank = _SEED, _OTHER, True
        for t in range(first[k], first[k + 1]):
            if keys[t, 1]:
                voice = np.uint64(voices[t]) + _ONE
                a, b = mixed((a ^ keys[t, 0]) * _FIRST + voice), mixed((b ^ keys[t, 1]) * _SECOND + voice)
                blank = False
        if not blank:
            made[k, 0], made[k, 1] = a, max(b, _ONE)
