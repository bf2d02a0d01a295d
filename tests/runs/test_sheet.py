"""A sheet of marks, as SVG and as PNG."""

import io
import xml.etree.ElementTree

import pytest
from PIL import Image

from trainer.runs.sheet import Dot, Mark, Sheet, Stroke, Surface, Words, _cut

INCH = 160  # dots


def painted(*marks: Mark) -> Image.Image:
    sheet = Sheet(72, 36)
    sheet.put(*marks)
    xml.etree.ElementTree.fromstring(sheet.svg())  # noqa: S314  our own
    return Image.open(io.BytesIO(sheet.png()))


def colour_at(image: Image.Image, x: float, y: float) -> object:
    """Of the dot at so many points from the left and from the top."""
    return image.getpixel((int(x * INCH / 72), int(y * INCH / 72)))


def test_a_line_lies_where_it_is_said_to() -> None:
    image = painted(Stroke([[(10, 18), (60, 18)]], "#ff0000", 4))
    assert image.size == (INCH, INCH // 2)
    assert [colour_at(image, x, 18) for x in (9, 35, 61)] == [(255, 0, 0)] * 3  # its ends are round
    assert [colour_at(image, 35, y) for y in (15, 21)] == [(255, 255, 255)] * 2


def test_a_gap_is_white_and_a_point_alone_is_a_dot() -> None:
    image = painted(Stroke([[(10, 18), (20, 18)], [(50, 18)]], "#0000ff", 6))
    assert [colour_at(image, x, 18) for x in (15, 35, 50)] == [(0, 0, 255), (255, 255, 255), (0, 0, 255)]


def test_dashes_are_drawn_and_left_out_in_turns() -> None:
    image = painted(Stroke([[(0, 18), (72, 18)]], "#000000", 2, (5, 5)))
    assert [colour_at(image, x, 18) for x in (5, 15, 25, 35)] == [(0, 0, 0), (255, 255, 255)] * 2
    assert 'stroke-dasharray="10 10"' in Stroke([[(0, 0), (1, 1)]], "#000000", 2, (5, 5)).svg()


def test_dashes_go_on_around_a_corner() -> None:
    pieces = list(_cut([(0.0, 0.0), (3.0, 0.0), (3.0, 5.0)], [2.0, 2.0]))
    assert pieces == [[(0.0, 0.0), (2.0, 0.0)], [(3.0, 1.0), (3.0, 3.0)]]


def test_a_surface_shows_what_is_below_it() -> None:
    below = Stroke([[(0, 18), (72, 18)]], "#000000", 4)
    image = painted(below, Surface([(20, 5), (50, 5), (50, 30), (20, 30)], "#ff0000", 0.5))
    assert colour_at(image, 35, 10) == pytest.approx((255, 127, 127), abs=1)
    assert colour_at(image, 35, 18) == pytest.approx((128, 0, 0), abs=1)


def test_a_ring_has_an_edge_and_hides_what_is_below_it() -> None:
    below = Stroke([[(0, 18), (72, 18)]], "#000000", 2)
    image = painted(below, Dot((36, 18), 10, "#ffffff", "#00ff00", 4))
    assert [colour_at(image, x, 18) for x in (36, 46, 49)] == [(255, 255, 255), (0, 255, 0), (0, 0, 0)]


@pytest.mark.parametrize(("at", "columns"), [("start", (80, 160)), ("middle", (60, 100)), ("end", (0, 80))])
def test_words_stand_where_they_are_said_to(at, columns) -> None:
    box = painted(Words((36, 18), "mm", 10, "#000000", at=at)).convert("L").point(lambda v: 255 * (v < 128)).getbbox()
    assert box is not None
    left, top, right, bottom = box
    assert columns[0] <= left < right <= columns[1]
    assert 25 < top < bottom < 55


def test_bold_words_have_more_ink() -> None:
    thin, bold = (
        sum(painted(Words((36, 18), "loss", 10, "#000000", bold=b, at="middle")).convert("L").histogram()[:128])
        for b in (False, True)
    )
    assert bold > 1.2 * thin


def test_what_no_file_can_hold_is_written_out() -> None:
    sheet = Sheet(72, 36)
    sheet.put(Words((0, 18), "a\x00\ud800<b>&", 10, "#000000"))
    assert b">a\\x00\\ud800&lt;b&gt;&amp;</text>" in sheet.svg()
    assert sheet.png() == sheet.png()
