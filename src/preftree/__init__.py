"""preftree: preference trees from problems with checkable answers."""

__version__ = "0.1.0"
