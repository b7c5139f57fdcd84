"""`python -m preftree`."""

from preftree.cli import main

main()
