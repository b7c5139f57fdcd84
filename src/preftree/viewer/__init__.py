"""A read-only web app over a run: its place in the house; nothing is here yet."""
