"""The program of a step as a picture: what is computed from what, layer by layer, and in which buffer it lies.

Forward runs down on the left, backward up again beside it, so that what a rule saved crosses to the same layer; the
update is a column of its own. What an edge carries stands where it leaves. Layers that repeat what others before them
do are folded into one box. Below, a row per input and a map of the memory show what lies where and how long.

SVG is text, and this is plain text: no library draws a picture that is half graph and half time line.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from trainer.compiler.layout import LiveRange, live_ranges, size
from trainer.compiler.scope import PHASES, Scope

if TYPE_CHECKING:
    from trainer.compiler.executors import Executor
    from trainer.compiler.program import Instruction, Value

__all__ = ["draw_program"]

_INK, _PALE, _EDGE = "#1f2933", "#7b8794", "#9aa5b1"
_COLOURS = {"forward": "#2563eb", "backward": "#ea580c", "update": "#059669", "": "#52606d"}
_FILLS = {"forward": "#eff6ff", "backward": "#fff7ed", "update": "#ecfdf5", "": "#f5f7fa"}
_COLUMNS = {"forward": 190, "": 190, "backward": 500, "update": 810}  # left edges
_WIDTH, _HEIGHT, _VIEW = 170, 24, 16  # of a box; the height of a view's
_MANY_VIEWS = 4  # below one another, from which on they are one box
_LABEL = 20  # below (or above) a box, for what the edge carries
_PAGE, _TOP, _MARGIN = 1170, 118, 28
_ROW = 17  # of an input
_MEMORY = 360  # of all else


@dataclass(eq=False)
class _Box:
    """An instruction, or several that are folded."""

    scope: Scope
    text: str
    tip: str = ""
    name: str = ""
    label: str = ""
    buffer: int | None = None
    view: bool = False
    outcome: str = ""
    given: list[str] = field(default_factory=list)
    y: float = 0.0

    @property
    def x(self) -> float:
        return _COLUMNS[self.scope.part]

    @property
    def height(self) -> float:
        return _VIEW if self.view else _HEIGHT

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def draw_program(
    executor: Executor,
    title: str,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> str:
    """The program as SVG.

    Args:
        executor: whose program and buffers are drawn.
        title: what stands above it, and the lines of `remarks`.
        inputs, outputs: what people call the program's inputs and outputs.
    """
    program = executor.program
    given = dict(zip(program.inputs, inputs or [f"%{n}" for n in range(len(program.inputs))], strict=True))
    lying = live_ranges(executor)
    boxes = _boxes(executor, lying, given, dict(zip(program.outputs, outputs, strict=len(outputs) > 0)))
    shown = _folded(boxes)
    bottom, bands = _lay_out(list(dict.fromkeys(shown.values())), _layers(boxes, shown))
    parts = [*_head(title, remarks), *bands]
    parts += _edges(executor, boxes, shown)
    for box in dict.fromkeys(shown.values()):
        parts += _draw_box(box, len(program.inputs))
    rows, height = _buffers(executor, lying, list(given.values()), bottom + 40)
    parts += rows
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_PAGE} {height:.0f}" width="{_PAGE}" '
        f'height="{height:.0f}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="11" fill="{_INK}">\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{_EDGE}"/></marker></defs>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _boxes(
    executor: Executor, lying: Sequence[LiveRange], given: dict[Value, str], outcomes: dict[Value, str]
) -> dict[Instruction, _Box]:
    """A box per instruction, in the order of the program."""
    program, names = executor.program, executor.program.names()
    lines = repr(program).splitlines()[len(program.inputs) :]
    buffers = {live.value: live.buffer for live in lying}
    run = {b.instruction for b in executor.bound}
    scopes = _scopes(executor)
    boxes: dict[Instruction, _Box] = {}
    for i, line in zip(program.instructions, lines, strict=False):
        out = i.outputs[0]
        boxes[i] = _Box(
            scopes[i], i.op.name, line, names[out] + "…" * (len(i.outputs) > 1),
            " · ".join([_kind(out), size(sum(o.nbytes for o in i.outputs))]),
            buffers.get(out), i not in run, ", ".join(outcomes[o] for o in i.outputs if o in outcomes),
            [given[v] for v in i.inputs if v in given],
        )  # fmt: skip
    return boxes


def _scopes(executor: Executor) -> dict[Instruction, Scope]:
    """Where each instruction is drawn: where it comes from; but views that were made on the way from and to the vectors
    θ and g, with the layer that takes them or made them."""
    program = executor.program
    scopes = {i: i.scope for i in program.instructions}
    run = {b.instruction for b in executor.bound}
    makers = {o: i for i in program.instructions for o in i.outputs}
    users = program.users()
    views = [i for i in program.instructions if i not in run and i.scope.part in ("update", "")]
    inner: set[Instruction] = set()  # views of what was computed
    for i in views:
        source = makers.get(i.inputs[0])
        if source is not None and (source in run or source in inner):
            inner.add(i)
            scopes[i] = scopes[source]
    for i in reversed(views):
        following = users.get(i.outputs[0])
        if i not in inner and following:
            scopes[i] = scopes[program.instructions[following[0]]]
    return scopes


def _kind(value: Value) -> str:
    return f"{value.dtype} {' × '.join(map(str, value.shape)) or 'scalar'}"


def _layers(boxes: dict[Instruction, _Box], shown: dict[Instruction, _Box]) -> list[str]:
    """The layers from top to bottom: in the order in which they run forward. One that is views alone, which do not run,
    stands before the layer that reads them."""
    first: dict[str, float] = {}
    readers: dict[str, str] = {}
    makers = {o: i for i in boxes for o in i.outputs}
    for n, (i, box) in enumerate(boxes.items()):
        if box.scope.part != "update":
            late = len(boxes) if box.view or box.scope.part == "backward" else 0
            layer = shown[i].scope.layer
            first[layer] = min(first.get(layer, n + late), n + late)
        read = [] if box.view or box.scope.part != "forward" else list(i.inputs)
        while read:
            maker = makers.get(read.pop())
            if maker is not None and boxes[maker].view:
                readers.setdefault(shown[maker].scope.layer, shown[i].scope.layer)
                read += maker.inputs
    for layer, reader in readers.items():
        if first.get(layer, 0) >= len(boxes):
            first[layer] = first[reader] - 0.5
    return sorted(first, key=lambda layer: first[layer])


def _folded(boxes: dict[Instruction, _Box]) -> dict[Instruction, _Box]:
    """Per instruction the box that is drawn: its own, or one that stands for layers like those before."""
    layers: dict[str, list[tuple[Any, ...]]] = {}
    for box in boxes.values():
        if box.scope.part in ("forward", "backward"):
            layers.setdefault(box.scope.layer, []).append((box.scope.part, box.text, box.label))
    names = [layer for layer in _layers(boxes, boxes) if layer in layers]
    looks = [layers[name] for name in names]
    start, hidden = 0, dict.fromkeys(names, "")
    while start < len(names):
        period, times = max(((p, _times(looks, start, p)) for p in (1, 2, 3, 4)), key=lambda pt: pt[0] * (pt[1] - 1))
        if period * (times - 1) >= 4:
            same = names[start + period : start + period * times]
            hidden |= dict.fromkeys(same, f"{same[0]} – {same[-1]}")
        start += max(1, period * times)
    folds: dict[Scope, _Box] = {}
    shown = dict(boxes)
    for i, box in boxes.items():
        name = hidden.get(box.scope.layer, "")
        if name and box.scope.part in ("forward", "backward"):
            scope = Scope(box.scope.part, name)
            fold = folds.setdefault(scope, _Box(scope, ""))
            fold.tip += f"{box.tip}\n"
            fold.text = f"{fold.tip.count(chr(10))} more like those above"
            shown[i] = fold
    _fold_views(shown)
    return shown


def _fold_views(shown: dict[Instruction, _Box]) -> None:
    """Views that stand below one another, such as those of a window at every place, are one box where they are many."""
    stacks: dict[Scope, list[list[Instruction]]] = {}
    for i, box in shown.items():
        runs = stacks.setdefault(box.scope, [[]])
        if box.view:
            runs[-1].append(i)
        elif runs[-1]:
            runs.append([])
    for scope, runs in stacks.items():
        for run in runs:
            if len(run) >= _MANY_VIEWS:
                tip = "".join(f"{shown[i].tip or shown[i].text}\n" for i in run)
                given = list(dict.fromkeys(name for i in run for name in shown[i].given))
                outcome = ", ".join(filter(None, (shown[i].outcome for i in run)))
                fold = _Box(scope, f"{len(run)} views", tip, view=True, outcome=outcome, given=given)
                shown.update(dict.fromkeys(run, fold))


def _times(looks: Sequence[object], start: int, period: int) -> int:
    """How often the layers from `start` on come again at once, the first time included."""
    times = 1
    first = looks[start : start + period]
    while looks[start + times * period : start + (times + 1) * period] == first:
        times += 1
    return times


def _lay_out(boxes: Sequence[_Box], layers: Sequence[str]) -> tuple[float, list[str]]:
    """Give every box its place; the lower edge, and the bands of the layers."""
    columns: dict[Scope, list[_Box]] = {}
    for box in boxes:
        columns.setdefault(box.scope, []).append(box)
    y, bands = float(_TOP), []
    for n, layer in enumerate(layers):
        down = [*columns.get(Scope("", layer), ()), *columns.get(Scope("forward", layer), ())]
        up = columns.get(Scope("backward", layer), [])
        height = max(sum(map(_pitch, down)), sum(map(_pitch, up)), 2 * _HEIGHT) + 14
        shade = "#f8f9fb" if n % 2 else "#ffffff"
        bands.append(
            f'<rect x="0" y="{y:.0f}" width="{_COLUMNS["update"] - 50}" height="{height:.0f}" fill="{shade}"/>'
        )
        bands.append(_text(_MARGIN, y + 24, _cut(layer, 17), weight="bold", size=12))
        _stack(down, y + 9)
        _stack_up(up, y + height - 9)
        y += height
    end = _stack(columns.get(Scope("update", "optimizer"), []), _TOP + 9)
    return max(y, end), bands


def _pitch(box: _Box) -> float:
    return box.height + (8 if box.view else _LABEL)


def _stack(boxes: Sequence[_Box], y: float) -> float:
    for box in boxes:
        box.y = y
        y += _pitch(box)
    return y


def _stack_up(boxes: Sequence[_Box], y: float) -> None:
    for box in boxes:
        box.y = y - box.height
        y -= _pitch(box)


def _head(title: str, remarks: Sequence[str]) -> Iterator[str]:
    yield _text(_MARGIN, 32, title, weight="bold", size=16)
    for n, remark in enumerate(remarks):
        yield _text(_MARGIN, 52 + 16 * n, remark, fill=_PALE)
    for part in PHASES:
        arrow = "↑" if part == "backward" else "↓"
        yield _text(_COLUMNS[part], _TOP - 14, f"{part} {arrow}", fill=_COLOURS[part], weight="bold", size=13)


def _edges(executor: Executor, boxes: dict[Instruction, _Box], shown: dict[Instruction, _Box]) -> Iterator[str]:
    """A line per pair of boxes, from the one that computes to the one that reads."""
    order: dict[str, list[_Box]] = {}
    for box in dict.fromkeys(shown.values()):
        order.setdefault(box.scope.part, []).append(box)
    places = {box: n for column in order.values() for n, box in enumerate(sorted(column, key=lambda b: b.y))}
    makers = {o: i for i in executor.program.instructions for o in i.outputs}
    pairs = [(shown[makers[v]], shown[i]) for i in boxes for v in i.inputs if v in makers]
    for source, target in dict.fromkeys(pairs):
        if source is not target:
            yield _edge(source, target, abs(places[source] - places[target]))


def _edge(source: _Box, target: _Box, apart: int) -> str:
    up, out, into = source.scope.part == "backward", source.middle, target.middle
    style = f'fill="none" stroke="{_EDGE}" marker-end="url(#tip)"'
    if source.scope.part != target.scope.part:  # to the next column
        x, end = source.x + _WIDTH, target.x
        middle = (x + end) / 2
        path = f"M{x} {out:.0f}C{middle} {out:.0f} {middle} {into:.0f} {end} {into:.0f}"
        return f'<path d="{path}" {style} stroke-dasharray="4 3"/>'
    if apart == 1:
        x = source.x + 16
        start, end = (source.y, target.y + target.height) if up else (source.y + source.height, target.y)
        return f'<path d="M{x} {start:.0f}L{x} {end:.0f}" {style}/>'
    side = source.x + _WIDTH if up or source.scope.part == "update" else source.x
    bend = min(12 + 5 * apart, 60) * (1 if side > source.x else -1)
    path = f"M{side} {out:.0f}C{side + bend} {out:.0f} {side + bend} {into:.0f} {side} {into:.0f}"
    return f'<path d="{path}" {style}/>'


def _draw_box(box: _Box, inputs: int) -> Iterator[str]:
    colour, up = _COLOURS[box.scope.part], box.scope.part == "backward"
    dashed = ' stroke-dasharray="3 2"' if box.view else ""
    wide = 2.5 if box.outcome else 1
    yield f"<g><title>{escape(box.tip.rstrip())}</title>"
    yield (
        f'<rect x="{box.x}" y="{box.y:.0f}" width="{_WIDTH}" height="{box.height}" rx="5" stroke="{colour}"'
        f' fill="{"white" if box.view else _FILLS[box.scope.part]}" stroke-width="{wide}"{dashed}/>'
    )
    base, letters = box.middle + 4, 9 if box.view else 12
    letters = 10 if len(box.text) > 12 and not box.view else letters
    room = 15 if box.name and not box.view else 28
    yield _text(box.x + 8, base, _cut(box.text, room), size=letters, weight="" if box.view else "bold")
    chip = box.buffer is not None
    yield _text(box.x + _WIDTH - (40 if chip else 8), base, _cut(box.name, 8), size=9, fill=_PALE, anchor="end")
    if box.buffer is not None:
        name = f"b{box.buffer - inputs}" if box.buffer >= inputs else "in"
        yield _chip(box.x + _WIDTH - 34, box.middle, 30, name, _shade(box.buffer))
    if (box.label and not box.view) or box.outcome:
        to = f'<tspan dx="6" font-weight="bold" fill="{_INK}">→ {escape(box.outcome)}</tspan>' if box.outcome else ""
        yield _text(box.x + 24, box.y - 6 if up else box.y + box.height + 13, box.label, size=9, fill=_PALE, more=to)
    side = box.x - 8 if box.scope.part in ("forward", "") else box.x + _WIDTH + 8
    for name in dict.fromkeys(box.given):
        width = max(26, 6 * len(name) + 10)
        side -= width if side < box.x else 0
        yield _chip(side, box.middle, width, name, "#e4e7eb")
        side += -4 if side < box.x else width + 4
    yield "</g>"


def _buffers(
    executor: Executor, lying: Sequence[LiveRange], given: Sequence[str], top: float
) -> tuple[list[str], float]:
    """The inputs, a row each, the largest first, and the memory of all other values along time; and where that ends."""
    order = sorted(range(len(given)), key=lambda n: (-executor.inputs[n].nbytes, n))
    parts = [
        _text(_MARGIN, top, "Buffers", weight="bold", size=14),
        _text(_COLUMNS["forward"], top, "what lies where, from the first instruction to the last", fill=_PALE),
    ]
    total = max(1, sum(block.nbytes for block in executor.blocks))
    rows = [(_cut(given[n], 7), executor.inputs[n].nbytes, _ROW, [x for x in lying if x.buffer == n]) for n in order]
    rows += [("memory", total, _MEMORY, [x for x in lying if x.start >= 0])] if executor.blocks else []
    y = top + 14
    for name, nbytes, height, held in rows:
        parts.append(_text(_COLUMNS["forward"] - 76, y + 12, size(nbytes), anchor="end", size=10, fill=_PALE))
        parts.append(_chip(_COLUMNS["forward"] - 70, y + _ROW / 2, 46, name, "#e4e7eb"))
        parts += _row(executor, held, y + 1, height - 3, nbytes)
        y += height
    return parts, y + _MARGIN - 6


def _row(executor: Executor, held: Sequence[LiveRange], top: float, height: float, nbytes: int) -> Iterator[str]:
    """Values along time, each where it lies in so many bytes."""
    program, names, inputs = executor.program, executor.program.names(), len(executor.inputs)
    scopes = {o: i.scope.part for i in program.instructions for o in i.outputs}
    left, width = _COLUMNS["forward"], _PAGE - _COLUMNS["forward"] - _MARGIN
    step = width / (len(program) + 1)
    yield f'<rect x="{left}" y="{top:.0f}" width="{width}" height="{height}" fill="#f5f7fa"/>'
    for live in held:
        x, end = left + step * (live.first + 1), left + step * (live.last + 1)
        y, high = top + height * max(live.start, 0) / nbytes, max(height * live.value.nbytes / nbytes, 0.5)
        place = f"b{live.buffer - inputs}, " if live.start >= 0 else ""
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(end - x, step * 0.6):.1f}" height="{high:.1f}" rx="2" '
            f'fill="{_COLOURS[scopes.get(live.value, "")]}" fill-opacity="{0.15 if live.first < 0 else 0.3}"><title>'
            f"{place}{names[live.value]} {escape(_kind(live.value))}, {size(live.value.nbytes)}</title></rect>"
        )
        if end - x > 24 and high > 10:
            yield _text(x + 3, y + min(high / 2, 12) + 3.5, names[live.value], size=9)


def _chip(x: float, middle: float, width: float, text: str, fill: str) -> str:
    return f'<rect x="{x:.0f}" y="{middle - 7:.0f}" width="{width}" height="14" rx="7" fill="{fill}"/>' + _text(
        x + width / 2, middle + 3.5, _cut(text, int(width / 6)), size=9, anchor="middle"
    )


def _shade(n: int) -> str:
    """A pale colour of its own for each buffer, far from those of its neighbours."""
    red, green, blue = colorsys.hls_to_rgb(n * 0.618034 % 1, 0.82, 0.65)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _text(
    x: float, y: float, text: str, *, size: float = 11, fill: str = "", weight: str = "", anchor: str = "",
    more: str = "",
) -> str:  # fmt: skip
    given = {"font-size": size if size != 11 else "", "fill": fill, "font-weight": weight, "text-anchor": anchor}
    attributes = "".join(f' {name}="{value}"' for name, value in given.items() if value)
    return f'<text x="{x:.0f}" y="{y:.1f}"{attributes}>{escape(text)}{more}</text>'
