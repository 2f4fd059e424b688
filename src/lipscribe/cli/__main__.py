"""`python -m lipscribe.cli` is `lipscribe`."""

from lipscribe.cli import main

if __name__ == "__main__":
    main()
