"""Benchmarks and their runner: their place in the house; nothing is here yet."""
