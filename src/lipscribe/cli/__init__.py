"""The command line. One file a subcommand; torch and its like are imported inside the commands."""


def main() -> None:
    """Runs the command line and exits: 0 ok, 1 ran with failures, 2 usage or unusable input."""
    from lipscribe.cli.app import app

    app()
