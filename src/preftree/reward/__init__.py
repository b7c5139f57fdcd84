"""Reward models: their place in the house; nothing is here yet."""
