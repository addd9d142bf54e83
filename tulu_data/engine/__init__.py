"""Where batches run; results do not depend on it."""
