"""Training on rows: its place in the house; nothing is here yet."""
