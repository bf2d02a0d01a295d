// The list: progress as it comes, everything else as the server makes it.

import { $, live, refresh, seldom, shortcuts } from "./page.js";
import { number } from "./words.js";

const often = seldom(5000, refresh);

live((kind, data) => {
  if (kind !== "points") return;
  const row = document.getElementById(`run-${data.run}`);
  if (!row) return;
  $("progress", row).value = data.steps ? data.step / data.steps : 0;
  $(".epochs", row).textContent = `epoch ${data.epoch.toLocaleString("en")} of ${data.epochs.toLocaleString("en")}`;
  if (data.loss !== null) $(".loss .value", row).textContent = number(data.loss);
  often();
});

function step(by) {
  const rows = [...document.querySelectorAll(".runs tbody tr")];
  const at = rows.indexOf(document.activeElement?.closest("tr"));
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  next && $("th a", next).focus();
}

shortcuts({
  j: () => step(1),
  k: () => step(-1),
  x: () => $(".pick input", document.activeElement?.closest("tr") ?? document)?.click(),
  "/": () => $("#q").focus(),
});
