"""A sheet with lines, surfaces, dots and words on it, as SVG and as PNG: what a picture of curves is made of.

Matplotlib draws more than that, and takes nearly as long to import as all else of a short run. Here a sheet is a list
of marks, in the order in which they lie on one another, with the words on top; as SVG each is an element, and text
stays text; as PNG Pillow draws them three times as large and takes means, and sets the words in DejaVu Sans, which
Matplotlib brings. The same marks give the same bytes.

Places and lengths are in points, 72 to the inch, from the top left.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainer.wording import printable

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

__all__ = ["Dot", "Mark", "Sheet", "Stroke", "Surface", "Words"]

Point = tuple[float, float]
DPI = 160
FINER = 3  # than the picture, in each direction, while lines are drawn
FONT = '"DejaVu Sans", sans-serif'
MIDDLE = 0.36  # of its size, how far the middle of a line of words is above the letters' feet


@dataclass(frozen=True)
class Stroke:
    """A line through points, with round ends; in pieces where it has gaps, and of a single point a dot.

    dashes: lengths that are drawn and left out, in turns, in widths of the line.
    """

    pieces: Sequence[Sequence[Point]]
    colour: str
    width: float
    dashes: tuple[float, ...] = ()
    name: str = ""

    def svg(self) -> str:
        way = "".join(
            f"M{'L'.join(f'{x:.2f},{y:.2f}' for x, y in piece)}{'h0' if len(piece) == 1 else ''}"
            for piece in self.pieces
        )
        dashes = f' stroke-dasharray="{" ".join(f"{d * self.width:g}" for d in self.dashes)}"' if self.dashes else ""
        return (
            f'<path{_named(self.name)} d="{way}" fill="none" stroke="{self.colour}" stroke-width="{self.width:g}" '
            f'stroke-linecap="{"butt" if self.dashes else "round"}" stroke-linejoin="round"{dashes}/>'
        )

    def paint(self, draw: ImageDraw, scale: float) -> None:
        width = max(1, round(self.width * scale))
        for piece in self.pieces:
            whole = [(x * scale, y * scale) for x, y in piece]
            drawn = _cut(whole, [d * width for d in self.dashes]) if self.dashes else [whole]
            for points in drawn:
                if len(points) > 1:
                    draw.line(points, self.colour, width, joint="curve")
                for point in () if self.dashes else (points[0], points[-1]):
                    draw.circle(point, width / 2, self.colour)


@dataclass(frozen=True)
class Surface:
    """What lies within points, with a colour that shows what is below it."""

    points: Sequence[Point]
    colour: str
    opacity: float

    def svg(self) -> str:
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in self.points)
        return f'<polygon points="{points}" fill="{self.colour}" fill-opacity="{self.opacity:g}"/>'

    def paint(self, draw: ImageDraw, scale: float) -> None:
        from PIL import ImageColor

        # The drawing has alpha, which is only mixed in where it lies.
        colour = (*ImageColor.getrgb(self.colour)[:3], round(255 * self.opacity))
        draw.polygon([(x * scale, y * scale) for x, y in self.points], colour)


@dataclass(frozen=True)
class Dot:
    """A disc, or with an edge of another colour a ring."""

    place: Point
    radius: float
    colour: str
    edge: str = ""
    edge_width: float = 0.0

    def svg(self) -> str:
        (x, y), edge = self.place, f' stroke="{self.edge}" stroke-width="{self.edge_width:g}"' if self.edge else ""
        return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{self.radius:g}" fill="{self.colour}"{edge}/>'

    def paint(self, draw: ImageDraw, scale: float) -> None:
        place = (self.place[0] * scale, self.place[1] * scale)
        if self.edge:
            draw.circle(place, (self.radius + self.edge_width / 2) * scale, self.edge)
        draw.circle(place, (self.radius - self.edge_width / 2) * scale, self.colour)


@dataclass(frozen=True)
class Words:
    """A line of words that begins, has its middle or ends at a place, which is half-way up its letters."""

    place: Point
    text: str
    size: float
    colour: str
    bold: bool = False
    at: Literal["start", "middle", "end"] = "start"

    @property
    def feet(self) -> Point:
        """Where the letters stand."""
        return self.place[0], self.place[1] + MIDDLE * self.size

    def svg(self) -> str:
        (x, y), bold = self.feet, ' font-weight="bold"' if self.bold else ""
        text = escape(printable(self.text), quote=False)
        return (
            f'<text x="{x:.2f}" y="{y:.2f}" font-size="{self.size:g}" text-anchor="{self.at}" '
            f'fill="{self.colour}"{bold}>{text}</text>'
        )


Mark = Stroke | Surface | Dot | Words


@dataclass
class Sheet:
    """White, so wide and so high, with marks on it."""

    width: float
    height: float
    marks: list[Mark] = field(default_factory=list)

    def put(self, *marks: Mark) -> None:
        """Lay them on what is there."""
        self.marks.extend(marks)

    def svg(self) -> bytes:
        """As a file of SVG.

        >>> sheet = Sheet(72, 36)
        >>> sheet.put(Words((36, 18), "a < b", 10, "#000000", at="middle"))
        >>> sheet.svg().decode().splitlines()[3]
        '<text x="36.00" y="21.60" font-size="10" text-anchor="middle" fill="#000000">a &lt; b</text>'
        """
        size = f'width="{self.width:g}pt" height="{self.height:g}pt" viewBox="0 0 {self.width:g} {self.height:g}"'
        lines = [
            '<?xml version="1.0" encoding="utf-8"?>',
            f"<svg xmlns=\"http://www.w3.org/2000/svg\" {size} font-family='{FONT}'>",
            '<rect width="100%" height="100%" fill="white"/>',
            *(mark.svg() for mark in self.marks),
            "</svg>\n",
        ]
        return "\n".join(lines).encode()

    def png(self) -> bytes:
        """As a file of PNG, with 160 dots to the inch."""
        content = io.BytesIO()
        # Most of it is runs of one colour: to look for nothing else takes two thirds of the time, for 1/7 more bytes.
        self._image.save(content, "PNG", dpi=(DPI, DPI), compress_type=3)
        return content.getvalue()

    @property
    def _image(self) -> Image:
        from PIL import Image, ImageDraw

        scale = DPI / 72
        size = round(self.width * scale), round(self.height * scale)
        large = Image.new("RGB", (size[0] * FINER, size[1] * FINER), "white")
        draw = ImageDraw.Draw(large, "RGBA")
        for mark in self.marks:
            if not isinstance(mark, Words):
                mark.paint(draw, scale * FINER)
        image = large.reduce(FINER)
        fonts, written = _Fonts(scale), ImageDraw.Draw(image)
        for mark in self.marks:
            if isinstance(mark, Words):
                x, y = mark.feet
                anchor = {"start": "ls", "middle": "ms", "end": "rs"}[mark.at]
                font = fonts.of(mark.size, bold=mark.bold)
                written.text((x * scale, y * scale), printable(mark.text), mark.colour, font, anchor)
        return image


class _Fonts:
    """DejaVu Sans in the sizes that are asked for, from Matplotlib's folder; Matplotlib is not imported."""

    def __init__(self, scale: float) -> None:
        self._scale, self._made = scale, dict[tuple[float, bool], "FreeTypeFont"]()

    @cached_property
    def _folder(self) -> Path:
        spec = find_spec("matplotlib")
        assert spec is not None, "matplotlib is a dependency"
        assert spec.origin is not None, "and a package with a file"
        return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"

    def of(self, size: float, *, bold: bool) -> FreeTypeFont:
        """One of so many points. Laid out by Pillow itself: what else may be installed must not change a byte."""
        from PIL import ImageFont

        if (size, bold) not in self._made:
            file = self._folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
            basic = ImageFont.Layout.BASIC
            self._made[size, bold] = ImageFont.truetype(file, size * self._scale, layout_engine=basic)
        return self._made[size, bold]


def _named(name: str) -> str:
    return f' id="{escape(name)}"' if name else ""


def _cut(points: Sequence[Point], lengths: Sequence[float]) -> Iterable[list[Point]]:
    """The pieces of a line that are drawn where it is dashed: so much drawn, so much left out, and again.

    >>> list(_cut([(0, 0), (5, 0)], [2, 1]))
    [[(0, 0), (2.0, 0.0)], [(3.0, 0.0), (5.0, 0.0)]]
    """
    place, left, piece = 0, lengths[0], [points[0]]
    for (x, y), (end_x, end_y) in pairwise(points):
        length = math.hypot(end_x - x, end_y - y)
        gone = 0.0
        while length - gone > left:
            gone += left
            point = (x + (end_x - x) * gone / length, y + (end_y - y) * gone / length)
            if place % 2 == 0:
                yield [*piece, point]
            place += 1
            left, piece = lengths[place % len(lengths)], [point]
        left -= length - gone
        piece.append((end_x, end_y))
    if place % 2 == 0 and len(piece) > 1:
        yield piece
