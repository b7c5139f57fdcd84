"""Runs untrusted Python, isolated."""
