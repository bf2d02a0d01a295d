// Runs beside one another: each has a colour.

import { $, ask, attempt, live, shortcuts } from "./page.js";
import { Curves } from "./curves.js";

const place = $("#curves");
if (place) {
  const ids = place.dataset.runs.split(" ");
  const curves = new Curves(place, true);
  shortcuts(curves.keys);
  const names = [...document.querySelectorAll("#compared thead a")].map((each, i) => `${each.textContent} ${ids[i].slice(-4)}`);
  const load = () => attempt(() => Promise.all(ids.map((id, i) => curves.load(id, names[i], ask, i))));
  live((kind, data) => {
    if (kind === "points") for (const row of data.points) curves.add(data.run, row);
  }, load, (data) => ids.includes(data.run));
}
