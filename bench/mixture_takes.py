"""What a change of weights is in `bench/mixture.py`: other amounts of four of the 19 sources."""

CHANGED = {"persona_math": 0.9, "aya": 0.8, "flan_v2": 1.2, "no_robots": 2.0}
"""Copies of each source's rows; all others are taken once."""
