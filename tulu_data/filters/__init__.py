"""One file per filter: a record batch in, a keep mask out."""
