"""What pages are made of: their head and style, facts, tables, and pictures of pixels."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape

import numpy as np

from trainer.runs.lines import PALETTE
from trainer.types import Array
from trainer.wording import printable

__all__ = ["charts", "facts", "note", "page", "picture", "section", "table", "text"]

LONGEST = 200  # letters of a name or a value in a table
MOST_TEXT = 200_000  # letters of a text, such as a config
MOST_PIXELS = 64  # of a side
# The palette on a dark page: lighter, and as far from one another.
_DARK = ("#4aa8e0", "#2fc79a", "#f58549", "#e2a3c7", "#9ad4f5", "#f0b94d", "#a8a8a8")


def _colours(palette: Sequence[str]) -> str:
    return "".join(f"--c{i}:{colour};" for i, colour in enumerate(palette))


_STYLE = f"""
:root{{color-scheme:light dark;--ink:#1f2933;--pale:#5a6673;--rule:#d5dbe1;--paper:#fff;--soft:#f3f5f7;
{_colours(PALETTE)}}}
@media screen and (prefers-color-scheme:dark){{:root{{--ink:#e6e9ec;--pale:#a3adb8;--rule:#3a434d;--paper:#14181c;
--soft:#1e242a;{_colours(_DARK)}}}}}
body{{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}}
main{{max-width:62rem;margin:auto;padding:1rem}}
h1{{font-size:1.6rem;line-height:1.25;margin:.5rem 0;overflow-wrap:anywhere}}
h2{{font-size:1.15rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}}
p{{margin:.4rem 0;overflow-wrap:anywhere}} .pale{{color:var(--pale)}}
.note{{border-left:4px solid var(--c2);padding:.3rem .8rem;background:var(--soft);white-space:pre-line}}
dl{{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2rem 1rem;margin:.6rem 0}}
dt{{color:var(--pale)}} dd{{margin:0;overflow-wrap:anywhere}}
.charts{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1.4rem 2rem}}
figure{{margin:0;break-inside:avoid}} figcaption{{font-size:.85rem;color:var(--pale);overflow-wrap:anywhere}}
.panels{{display:flex;flex-wrap:wrap;gap:.6rem .9rem;margin:.3rem 0 1.2rem}} .panels figure{{flex:none}}
.wide{{overflow-x:auto}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}}
th,td{{padding:.2rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}}
th{{color:var(--pale);font-weight:600}} .n{{text-align:right;white-space:nowrap}}
.matrix td,.matrix th{{padding:.2rem .45rem;border:1px solid var(--paper)}}
thead .n{{white-space:normal}}
.matrix .n{{padding:0}} .matrix thead .n{{padding:.2rem .4rem}}
.matrix span{{display:block;padding:.2rem .4rem;min-width:1.2em}}
svg.key{{width:2.6em;height:.7em;vertical-align:middle;margin-right:.5em}}
.keys{{font-size:.85rem}} .keys span{{margin-right:1.2em;display:inline-block}}
td:first-child{{min-width:6rem}} .matrix td:first-child{{min-width:0}}
pre{{background:var(--soft);padding:.8rem;font-size:.85rem;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}}
.rows{{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:1rem}}
.rows img{{width:6rem;height:6rem;object-fit:contain;image-rendering:pixelated;display:block;background:var(--soft)}}
@media (max-width:40rem){{table{{font-size:.8rem}} th,td{{padding:.2rem .35rem}}
.matrix td,.matrix th{{padding:.2rem .3rem}}
.matrix span{{padding:.2rem}}}}
@media print{{main{{max-width:none;padding:0}} html{{font-size:11px}} .wide{{overflow:visible}}
.charts{{grid-template-columns:1fr 1fr}} pre{{background:none;padding:0}} h2{{break-after:avoid}}
.matrix{{break-inside:avoid}} *{{print-color-adjust:exact}}}}
"""
# What a page may do, for the browser to hold it to: nothing but its own style and its own pictures.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, body: Iterable[str]) -> str:
    """A whole page."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{text(title)}</h1>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def text(value: object, longest: int = LONGEST) -> str:
    """A value as text of a page, cut where it is long."""
    return escape(printable(_cut(str(value), longest), keep="\n\t"))


def _cut(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - 1] + "…"


def note(words: object) -> str:
    """Something that a person should not miss."""
    return f'<p class="note">{text(words, 2000)}</p>'


def section(title: str, *parts: str) -> str:
    """Parts under a heading; nothing where there is none."""
    there = [part for part in parts if part]
    return f"<section>\n<h2>{text(title)}</h2>\n" + "\n".join(there) + "\n</section>" if there else ""


def facts(named: Mapping[str, object]) -> str:
    """A list of names and what they are; what is empty is left out."""
    rows = "".join(f"<dt>{text(name)}</dt><dd>{text(value, 1000)}</dd>" for name, value in named.items() if value)
    return f"<dl>{rows}</dl>" if rows else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = (), kind: str = "") -> str:
    """A table, which scrolls where a page is narrow. Cells are HTML, see `text`; those of `right` are numbers.

    kind: a class of the style's.
    """
    head = "".join(f"<th{_number(i, right)}>{cell}</th>" for i, cell in enumerate(header))
    body = "".join(
        f"<tr>{''.join(f'<td{_number(i, right)}>{cell}</td>' for i, cell in enumerate(row))}</tr>\n" for row in rows
    )
    name = f' class="{kind}"' if kind else ""
    return f'<div class="wide"><table{name}><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _number(column: int, right: Collection[int]) -> str:
    return ' class="n"' if column in right else ""


def charts(drawn: Sequence[tuple[str, str]]) -> str:
    """Pictures beside one another, each with words below it."""
    figures = "\n".join(
        f"<figure>{svg}{f'<figcaption>{text(words)}</figcaption>' if words else ''}</figure>" for svg, words in drawn
    )
    return f'<div class="charts">\n{figures}\n</div>' if drawn else ""


def picture(values: Array) -> str | None:
    """Numbers (height, width, 1 or 3 channels) as an <img>, from the least to the largest; None for others."""
    if values.ndim != 3 or values.shape[2] not in (1, 3) or not np.isfinite(values).any():
        return None
    from PIL import Image

    low, high = np.nanmin(values), np.nanmax(values)
    dots = (np.nan_to_num((values - low) / max(high - low, 1e-12)) * 255).round().astype(np.uint8)
    image = Image.fromarray(dots[:, :, 0] if dots.shape[2] == 1 else dots)
    image.thumbnail((MOST_PIXELS, MOST_PIXELS))
    content = io.BytesIO()
    image.save(content, "png")
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}">'
