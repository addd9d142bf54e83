"""The files that `tulu-data init` writes, as package data."""
