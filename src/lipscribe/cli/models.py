"""`lipscribe models`, and `pull`, `import` and `remove` under it."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def models(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List the installed models and those that can be downloaded; download, import or remove one.

    Models whose runtime is onnx are read without torch; `lipscribe export` makes one of any other.

    Examples:
      lipscribe models

      lipscribe models --json

      lipscribe models pull auto-avsr-lrs3 --accept-licence

      lipscribe models import vsr_trlrs3vox2_base.pth --name my-vsr --units unigram5000_units.txt

      lipscribe models remove my-vsr
    """
    import json

    from lipscribe.zoo.listing import describe_models, describe_published

    rows, published = describe_models(), describe_published()
    if as_json:
        print(json.dumps(rows + published, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, some in (("", rows), ("\nTo fetch, with `lipscribe models pull NAME` (WER as published):", published)):
        if not some:
            continue
        table = Table(box=None, pad_edge=False, header_style="bold")
        details = ("language", "WER") if title else ("vocabulary", "dev WER")
        for heading in ("model", "reads", *details, "size", "licence"):
            short = heading in ("model", "size", *details)  # never wrapped, so that names can be copied
            table.add_column(heading, no_wrap=short, overflow="fold")
        for row in some:
            name = f"{row['name']} (default)" if row["default"] else row["name"]
            table.add_row(name, row["reads"], row["vocabulary"], row["wer"], row["size"], row["licence"])
        if title:
            console.print(title, highlight=False)
        console.print(table)
        if names := ", ".join(row["name"] for row in some if row["runtime"] == "onnx"):
            console.print(f"\nwithout torch, by ONNX Runtime: {names}", highlight=False)


def pull(
    name: Annotated[str, typer.Argument(help="One of those that `lipscribe models` lists.", show_default=False)],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence of the weights, and accept it.")
    ] = False,
    as_name: Annotated[
        str | None, typer.Option("--as", help="What to call it here, instead of its own name.", show_default=False)
    ] = None,
) -> None:
    """Download a published model into the cache; resumes interrupted downloads.

    Examples:
      lipscribe models pull auto-avsr-lrs3

      lipscribe models pull auto-avsr-lrs3 --accept-licence

      lipscribe models pull auto-avsr-lm-en --accept-licence
    """
    from lipscribe.errors import LipscribeError
    from lipscribe.zoo.published import find_published

    published = find_published(name)
    _say(f"{name}: {published.reads}; {published.megabytes:.0f} MB")
    if published.wer is not None:
        _say(f"word error rate: {published.wer:.1%} ({published.wer_source})")
    _say(f"licence: {published.licence} ({published.licence_url})")
    _say(published.licence_text)
    if not accept_licence:
        raise LipscribeError(
            f"{name} was not fetched, since its licence is not accepted: "
            f"if you accept it, run `lipscribe models pull {name} --accept-licence`"
        )
    from lipscribe.cli.bars import bars
    from lipscribe.zoo.fetching.pull import pull_model

    with bars() as progress:
        imported = pull_model(published, as_name, _say, progress)
    for note in imported.notes:
        _say(f"note: {note}")
    if published.companion:
        _say(f"its language model: lipscribe models pull {published.companion} --accept-licence")
    print(imported.folder)


def import_model(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Weights (.pth, .ckpt, .safetensors), or the folder of one.", show_default=False
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call the model from now on.", show_default=False)],
    units: Annotated[
        Path | None, typer.Option(help="Its units, a line each, such as unigram5000_units.txt.", show_default=False)
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="The SentencePiece model of these units, such as unigram5000.model.", show_default=False),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights, to be shown.", show_default=False)] = None,
) -> None:
    """Convert a published model, and install it in the cache: Auto-AVSR (or its language model), USR, RAVEn, BRAVEn.

    It reads .pth and Lightning .ckpt files, and a model.pth with its model.json next to it; the kind of model is found
    by the names and shapes of its weights. No code in the file is executed: a pickle with code is refused.

    Examples:
      lipscribe models import vsr_trlrs3vox2_base.pth --name my-vsr --units unigram5000_units.txt

      lipscribe models import usr2_huge.pth --name usr2 --units unigram1000_units.txt --licence "CC BY-NC"

      lipscribe models import LRS3_V_WER19.1/model.pth --name wer19 --licence "non-commercial"

      lipscribe models import lm_en_subword/model.pth --name lm-en
    """
    from lipscribe.models.spec import Card
    from lipscribe.zoo.interop import importing

    card = Card(licence=licence, notice=f"the weights of {name} are licensed: {licence}") if licence else None
    imported = importing.import_model(source, name, units, tokenizer, card)
    _say(f"licence: {licence or importing.UNKNOWN_LICENCE}")
    for note in imported.notes:
        _say(f"note: {note}")
    print(imported.folder)


def remove(
    name: Annotated[str, typer.Argument(help="A model that was fetched or imported.", show_default=False)],
) -> None:
    """Delete a downloaded or imported model.

    Examples:
      lipscribe models remove my-vsr
    """
    from lipscribe.zoo.registry import remove_model

    _say(f"removed {remove_model(name)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
