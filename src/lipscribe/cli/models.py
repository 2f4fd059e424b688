"""`lipscribe models`."""

from typing import Annotated

import typer


def models(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the models at hand: the bundled ones and those under runs/.

    Examples:
      lipscribe models

      lipscribe models --json
    """
    import json

    from lipscribe.models.listing import describe_models

    rows = describe_models()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "reads", "vocabulary", "dev WER", "size", "licence"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row["name"], row["reads"], row["vocabulary"], row["wer"], row["size"], row["licence"])
    Console().print(table)
