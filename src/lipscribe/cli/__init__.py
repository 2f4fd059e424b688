"""The command line. One file a subcommand; torch and its like are imported inside the commands."""

from lipscribe.cli.entry import main

__all__ = ["main"]
