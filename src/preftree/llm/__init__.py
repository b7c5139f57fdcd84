"""Chat models: one protocol, four implementations."""
