"""The page one keeps of a run: its place in the house; nothing is here yet."""
