"""`python -m lipscribe.cli` is `lipscribe`."""

from lipscribe.cli import main

main()
