"""`lipscribe serve`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lipscribe.cli import flags

_ACCESS, _LIMITS = "Who may use it", "Limits"


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    model: flags.Model = "grid",
    enrolments: Annotated[
        Path | None,
        typer.Option(help="Folder of the recordings made in the page.", show_default="enrolments in Lipscribe's cache"),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="Secret that clients have to send.",
            envvar="LIPSCRIBE_TOKEN",
            show_default=False,
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name that the server is reached by, beside its address.",
            show_default=False,
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="A site whose pages may send requests, such as https://example.org.",
            show_default=False,
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Videos to read at once.", min=1, show_default="the CPUs", rich_help_panel=_LIMITS),
    ] = None,
    queue: Annotated[
        int, typer.Option(help="Requests that may wait; more get status 429.", min=0, rich_help_panel=_LIMITS)
    ] = 32,
    streams: Annotated[
        int | None,
        typer.Option(help="Live streams at once.", min=0, show_default="the CPUs", rich_help_panel=_LIMITS),
    ] = None,
    max_upload: Annotated[int, typer.Option(help="Size of an upload, MB.", min=1, rich_help_panel=_LIMITS)] = 500,
    max_duration: Annotated[
        float, typer.Option(help="Length of a video, seconds.", min=1, rich_help_panel=_LIMITS)
    ] = 600,
) -> int:
    """Serve a page and an API: read videos and live cameras, from a browser or with OpenAI's client.

    Everything stays on this machine. Needs the extra serve: pip install 'lipscribe\\[serve]'.

    Examples:
      lipscribe serve

      lipscribe serve --port 9000 --model talkers

      lipscribe serve --host 0.0.0.0 --token "$(openssl rand -hex 16)" --allow-host lips.example.org

      curl -F file=@clip.mp4 http://127.0.0.1:8000/v1/video/transcriptions
    """
    from lipscribe.processes import available_cpus
    from lipscribe.server.run import run
    from lipscribe.server.settings import MB, Settings
    from lipscribe.zoo.cache import cache_folder

    # This function is long on purpose: most of it is the flags' help.
    settings = Settings(
        host=host,
        port=port,
        model=model,
        enrolments=enrolments or cache_folder() / "enrolments",
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        workers=workers or available_cpus(),
        queue=queue,
        max_streams=available_cpus() if streams is None else streams,
        max_upload_bytes=max_upload * MB,
        max_duration=max_duration,
    )
    run(settings, lambda address: print(f"serving {address} (Ctrl-C ends it)", file=sys.stderr))
    return 0
