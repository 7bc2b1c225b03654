"""One HTML page of all results: the README.md of every folder of results, with its figures.

The page needs nothing from elsewhere; it looks like the report of fit-classifier.
"""

import argparse
import base64
import importlib.resources
import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from decaf.commands.running import run_command
from experiments.pages import PAGE, RESULTS
from features.errors import InputError
from features.files import write_file

TITLE = "The paper’s experiments"


def main(argv: Sequence[str] | None = None) -> int:
    """Make the page; give the exit status."""
    parser = argparse.ArgumentParser("python -m experiments report", description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FOLDER", help=f"({RESULTS})"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="(report.html in the folder)")
    parser.add_argument("--force", action="store_true", help="replace the page")
    return run_command(report, parser, argv)


def report(args: argparse.Namespace) -> None:
    """Collect the results into one page."""
    import jinja2

    out = args.out or args.results / "report.html"
    if out.exists() and not args.force:
        raise InputError(f"{out}: is there already; choose another --out, or add --force")
    found = sorted(args.results.rglob(PAGE))
    if not found:
        raise InputError(f"{args.results}: holds no results; run an experiment first")
    sections = {
        page.parent.relative_to(args.results).as_posix(): _read_section(page) for page in found
    }
    html = (
        jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
        .from_string(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
        .render(title=TITLE, style=_style(), sections=sections)
    )
    write_file(out, html)
    print(out)


def _read_section(page):
    """The title of a page, and its HTML with the figures inside."""
    import markupsafe
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(page.read_text(encoding="utf-8"))
    title = page.parent.name
    for number, token in enumerate(tokens):
        if token.type in ("heading_open", "heading_close"):
            if token.tag == "h1" and token.nesting == 1:
                title = tokens[number + 1].content
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"  # the page's own is the first
        for child in token.children or ():
            if child.type == "image":
                child.attrSet("src", _data_uri(page, child.attrGet("src")))
    html = markdown.renderer.render(tokens, markdown.options, {})
    html = html.replace("<table>", '<div class="scroll"><table class="matrix">')
    html = html.replace("</table>", "</table></div>")
    return {"title": title, "html": markupsafe.Markup(html)}


def _data_uri(page, source):
    path = page.parent / unquote(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{page}: its figure {source} cannot be read: {error.strerror}") from None
    kind = mimetypes.guess_type(path.name)[0]
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _style():
    """The style of the report of fit-classifier, which has no variables of its template."""
    import markupsafe

    template = importlib.resources.files("classifiers.evaluation").joinpath("report.html")
    (style,) = re.findall(r"<style>.*?</style>", template.read_text(encoding="utf-8"), re.DOTALL)
    return markupsafe.Markup(style)
