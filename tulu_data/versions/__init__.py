"""What is asked of stored versions: figures, records to look at, files for others, what can go."""
