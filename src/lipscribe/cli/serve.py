"""`lipscribe serve`."""

from typing import Annotated

import typer

from lipscribe.cli import flags

_LIMITS = "Limits"
_ACCESS = "Access"


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; another one than this machine's own needs --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    model: flags.Model = "grid",
    token: Annotated[
        str | None,
        typer.Option(
            help="Secret that clients have to send.",
            envvar="LIPSCRIBE_TOKEN",
            show_default=False,
            rich_help_panel=_ACCESS,
        ),
    ] = None,
) -> int:
    """Serve a page and an API on this machine: upload videos, read live, build on it with OpenAI's client.

    Examples:
      lipscribe serve

      lipscribe serve --port 9000 --model talkers

      lipscribe serve --host 0.0.0.0 --token "$(openssl rand -hex 16)"
    """
    from lipscribe.server.run import run
    from lipscribe.server.settings import Settings

    run(Settings(host=host, port=port, model=model, token=token))
    return 0
