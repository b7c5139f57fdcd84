"""Grows trees: the ladder gets one right action, the expansion follows the wrong one turn by turn."""
