"""The command line. One file per subcommand; torch and other slow packages are imported inside the commands."""

from lipscribe.cli.entry import main

__all__ = ["main"]
