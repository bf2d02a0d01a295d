// Curves that are drawn as their numbers come. Of each metric a chart, in it a line for each part of the data and each run.

import { $, element } from "./page.js";
import { number } from "./words.js";

const PARTS = ["train", "validation", "test"];
const MEASURES = ["epoch", "step", "seconds", "rows_per_second"];
const DASHES = { 3: [7, 3], 4: [12, 3, 2, 3], 5: [9, 3, 2, 3], 6: [7, 3] };
const HUGE = 1e290; // beyond this a loss has diverged anyway
const LOG_FROM = 20; // a ratio beyond which the low end of a linear axis shows nothing
const HEIGHT = 240;

// The part and the metric that a column of metrics.csv is of.
function split(column) {
  const at = column.indexOf("_"), part = column.slice(0, at);
  return at > 0 && PARTS.includes(part) ? [part, column.slice(at + 1)] : ["", column];
}

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// What a legend says: the number under the cursor, and the last one where there is none.
function latest(plot, value, series, at) {
  return number(at === null || at === undefined ? plot.data[series].findLast((each) => each !== null && each !== undefined) : value);
}

// Lines across a logarithmic chart: at powers of ten, at all ticks where there are few of those.
function decades(_, ticks) {
  const whole = ticks.map((tick) => (Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9 ? tick : null));
  return whole.filter((tick) => tick !== null).length > 1 ? whole : ticks;
}

// Exponential average that begins at the first number; gaps stay.
function smoothed(values, weight) {
  let sum = 0, share = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return sum / share;
  });
}

// At most about `most` points: of each piece the first, the least and the largest of every column.
export function thin(columns, most) {
  const names = Object.keys(columns).filter((name) => !MEASURES.includes(name));
  const rows = columns.epoch.length, pieces = Math.max(1, Math.floor(most / (1 + 2 * names.length)));
  const kept = new Set([rows - 1]);
  for (let piece = 0; piece < pieces; piece++) {
    const start = Math.floor((piece * rows) / pieces), end = Math.floor(((piece + 1) * rows) / pieces);
    kept.add(start);
    for (const name of names) {
      let low = start, high = start;
      for (let i = start; i < end; i++) {
        const value = columns[name][i];
        if (value === null) continue;
        if (columns[name][low] === null || value < columns[name][low]) low = i;
        if (columns[name][high] === null || value > columns[name][high]) high = i;
      }
      kept.add(low).add(high);
    }
  }
  const order = [...kept].sort((a, b) => a - b);
  for (const name of Object.keys(columns)) columns[name] = order.map((i) => columns[name][i]);
}

export class Curves {
  // runs: the columns of each run are put into `set` and `add` by its id; `many` tells runs apart, not parts.
  constructor(place, many = false) {
    this.place = place;
    this.many = many;
    this.runs = new Map();
    this.late = new Map();
    this.charts = new Map();
    this.axis = localStorage.getItem("trainer-axis") ?? "auto";
    this.smooth = 0;
    this.due = false;
    this.most = 2 * Math.max(400, Math.round(screen.width * devicePixelRatio));
    new ResizeObserver(() => this.resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw(true));
    this.tools();
  }

  tools() {
    const axis = $("#axis"), smooth = $("#smooth");
    axis.value = this.axis;
    axis.addEventListener("change", () => {
      this.axis = axis.value;
      localStorage.setItem("trainer-axis", this.axis);
      this.redraw(true);
    });
    smooth.addEventListener("input", () => {
      this.smooth = Number(smooth.value);
      this.redraw(true);
    });
    this.keys = {
      l: () => { axis.selectedIndex = (axis.selectedIndex + 1) % axis.length; axis.dispatchEvent(new Event("change")); },
      s: () => { smooth.stepUp(5); smooth.dispatchEvent(new Event("input")); },
      S: () => { smooth.stepDown(5); smooth.dispatchEvent(new Event("input")); },
    };
  }

  async load(id, name, ask, place) {
    const late = [];
    this.late.set(id, late);
    try {
      const { columns } = await ask("GET", `/v1/runs/${id}/metrics?max_points=${this.most}`);
      this.runs.set(id, { name, columns, place: place ?? this.runs.get(id)?.place ?? this.free() });
    } finally {
      this.late.delete(id);
    }
    for (const row of late) this.add(id, row);
    this.redraw();
  }

  free() {
    const taken = [...this.runs.values()].map((run) => run.place);
    return [0, 1, 2, 3, 4, 5, 6].find((place) => !taken.includes(place)) ?? 6;
  }

  remove(id) {
    this.runs.delete(id);
    this.redraw(true);
  }

  // Another epoch of a run that is shown.
  add(id, row) {
    this.late.get(id)?.push(row); // what is being read may not have it yet
    const columns = this.runs.get(id)?.columns;
    if (!columns) return;
    if (!columns.epoch) for (const name of Object.keys(row)) columns[name] = [];
    if (row.epoch <= (columns.epoch.at(-1) ?? 0)) return; // it was read already
    for (const name of Object.keys(columns)) columns[name].push(row[name] ?? null);
    if (columns.epoch.length > 2 * this.most) thin(columns, this.most);
    this.redraw();
  }

  redraw(anew = false) {
    this.anew ||= anew;
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.draw(this.anew);
      this.anew = false;
    });
  }

  // The lines of each metric: [{label, colour, dash, x, y}].
  lines() {
    const metrics = new Map();
    for (const { name, columns, place } of [...this.runs.values()].sort((a, b) => a.place - b.place)) {
      for (const column of Object.keys(columns)) {
        if (MEASURES.includes(column)) continue;
        const [part, metric] = split(column);
        const own = !this.many && place === 0, colour = own ? Math.max(0, PARTS.indexOf(part)) : this.many ? place : 2 + place;
        const label = own ? part || metric : `${name}${part ? ` ${part}` : ""}`;
        const dash = !own && part === "train" ? [2, 4] : DASHES[colour] ?? [];
        const y = columns[column].map((value) => (value !== null && Math.abs(value) < HUGE ? value : null));
        if (!metrics.has(metric)) metrics.set(metric, []);
        metrics.get(metric).push({ label, colour: style(`--c${colour % 7}`), dash, x: columns.epoch, y, order: part ? 0 : 1 });
      }
    }
    return new Map([...metrics].sort(([a, [x]], [b, [y]]) => x.order - y.order || (b === "loss") - (a === "loss")));
  }

  draw(anew) {
    const metrics = this.lines();
    if (![...metrics.values()].some((lines) => lines[0].x?.length)) return;
    for (const [metric, chart] of this.charts) if (!metrics.has(metric)) { chart.plot.destroy(); chart.figure.remove(); this.charts.delete(metric); }
    if (!this.charts.size) this.place.replaceChildren();
    for (const [metric, lines] of metrics) {
      const logarithmic = this.logarithmic(lines);
      const data = uPlot.join(lines.flatMap((line) => this.tables(line, logarithmic)), undefined);
      const key = JSON.stringify([lines.map((line) => [line.label, line.colour]), logarithmic, this.smooth > 0]);
      const chart = this.charts.get(metric);
      if (chart && chart.key === key && !anew) chart.plot.setData(data);
      else this.make(metric, lines, data, logarithmic, key);
      this.describe(metric, lines);
    }
  }

  tables(line, logarithmic) {
    const y = logarithmic ? line.y.map((value) => (value > 0 ? value : null)) : line.y;
    return this.smooth ? [[line.x, y], [line.x, smoothed(y, this.smooth)]] : [[line.x, y]];
  }

  logarithmic(lines) {
    let low = Infinity, high = -Infinity;
    for (const { y } of lines) for (const value of y) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
    return this.axis === "log" ? high > 0 : this.axis === "auto" && low > 0 && high / low > LOG_FROM;
  }

  make(metric, lines, data, logarithmic, key) {
    const before = this.charts.get(metric);
    const figure = before?.figure ?? element("figure", { role: "img" });
    before?.plot.destroy();
    if (!before) this.place.append(figure);
    const axis = { stroke: style("--pale"), grid: { stroke: style("--rule"), width: 1 }, ticks: { stroke: style("--rule"), width: 1 } };
    const sparse = logarithmic ? { filter: decades } : {};
    const series = lines.flatMap(({ label, colour, dash }) => {
      const line = { label, stroke: colour, width: 2, dash, spanGaps: false, points: { show: data[0].length < 2 }, value: latest };
      const faint = { ...line, width: 1, alpha: 0.3 };
      return this.smooth ? [faint, line] : [line];
    });
    const plot = new uPlot({
      title: metric.replaceAll("_", " ") + (logarithmic ? " (log)" : ""), width: this.width(figure), height: HEIGHT,
      scales: { x: { time: false }, y: { distr: logarithmic ? 3 : 1 } },
      axes: [{ ...axis, label: undefined, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick.toLocaleString("en") : "")) },
        { ...axis, size: 62, grid: { ...axis.grid, ...sparse }, ticks: { ...axis.ticks, ...sparse }, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : String(Number(tick.toPrecision(4))))) }],
      series: [{ label: "epoch", value: (plot, value) => (value ?? plot.data[0].at(-1) ?? 0).toLocaleString("en") }, ...series],
      cursor: { sync: { key: "curves" }, drag: { x: true, y: false } },
    }, data, figure);
    if (this.smooth) [...plot.root.querySelectorAll(".u-series")].forEach((each, i) => { each.hidden = i % 2 === 1; }); // the faint ones
    this.charts.set(metric, { plot, figure, key });
  }

  describe(metric, lines) {
    const words = lines.map(({ label, y }) => `${label} ${number(y.findLast((value) => value !== null))}`);
    this.charts.get(metric).figure.setAttribute("aria-label", `${metric.replaceAll("_", " ")} over epochs, last: ${words.join(", ")}`);
  }

  width(figure) {
    return Math.max(200, Math.floor(figure.clientWidth || this.place.clientWidth));
  }

  resize() {
    for (const { plot, figure } of this.charts.values()) if (Math.abs(plot.width - this.width(figure)) > 1) plot.setSize({ width: this.width(figure), height: HEIGHT });
  }
}
