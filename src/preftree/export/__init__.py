"""Trees become training data: rows, files and their manifest, statistics; and published rows become trees again."""
