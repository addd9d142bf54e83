"""Versions sent elsewhere and brought back: to the hub, into buckets, into folders."""
