"""Plan, draw and build a dataset version from a mixture spec."""
