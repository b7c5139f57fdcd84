"""A run: its folder, its journal, and how it is continued."""
