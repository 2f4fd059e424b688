"""Pages of the site that are made from what the repository holds: README, CHANGELOG, SECURITY, the commands' help."""

import re
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "src/lipscribe/assets"
OF_ROOT = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "reporting.md"}
OF_ASSETS = {  # what the guides link to in there -> its page
    "cmudict/LICENSE": "from/cmudict.md",
    "faces/README.md": "from/faces.md",
    "models/grid/README.md": "from/grid.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs calls this before it renders the pages."""
    pages = {page: _beside_docs((ROOT / source).read_text(encoding="utf-8")) for source, page in OF_ROOT.items()}
    pages["cli.md"] = command_line()
    pages |= {page: (ASSETS / source).read_text(encoding="utf-8") for source, page in OF_ASSETS.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """MkDocs calls this with each page: links to SECURITY.md and into the package's assets go to their pages."""
    for source, page in OF_ASSETS.items():
        markdown = re.sub(rf"\]\((?:\.\./)?src/lipscribe/assets/{re.escape(source)}\)", f"]({page})", markdown)
    return re.sub(r"\]\((?:\.\./)?((?:\.\./)*)SECURITY\.md\)", r"](\1reporting.md)", markdown)


def _beside_docs(text: str) -> str:
    """A page of the repository's root as if it lay in docs/: its links into that folder are beside it."""
    return re.sub(r"\]\((?:\./)?docs/", "](", text)


def command_line() -> str:
    """The help of all commands, by Typer."""
    command = [sys.executable, "-m", "typer", "lipscribe.cli.app", "utils", "docs", "--name", "lipscribe"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"the commands' help cannot be written: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout
