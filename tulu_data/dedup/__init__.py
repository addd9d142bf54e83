"""Exact duplicates across sources."""
