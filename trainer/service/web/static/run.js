// One run: its curves as they come, what can be done with it, and its predictions.

import { $, ask, attempt, element, live, refresh, say, seldom, shortcuts, sure } from "./page.js";
import { Curves } from "./curves.js";
import { predictForm } from "./predict.js";
import { number } from "./words.js";

const about = $("#about");
const { run, name } = about.dataset;
const at = `/v1/runs/${run}`;
const curves = new Curves($("#curves"));
const log = $("#log");

const readLog = seldom(2000, async () => {
  const text = await ask("GET", `${at}/log?tail=200`).catch(() => null);
  if (text === null || text === log.textContent) return;
  const below = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  log.textContent = text || "Nothing yet.";
  if (below) log.scrollTop = log.scrollHeight;
});

const load = () => attempt(() => curves.load(run, name, ask));

live((kind, data) => {
  if (kind === "points") {
    for (const row of data.points) curves.add(run, row);
    $(".bar progress", about).value = data.steps ? data.step / data.steps : 0;
    $(".epochs", about).textContent = `epoch ${data.epoch.toLocaleString("en")} of ${data.epochs.toLocaleString("en")}`;
    if (data.loss !== null) $(".bar .value", about).textContent = number(data.loss);
    readLog();
    numbers();
  } else if (kind === "deleted") {
    location.assign("/");
  } else {
    readLog();
    if (kind === "state") load();
  }
}, () => { load(); readLog(); }, (data) => data.run === run);

const numbers = seldom(5000, refresh);

const verbs = {
  pause: () => ask("POST", `${at}/pause`),
  cancel: async () => (await sure(`Cancel ${name}? It keeps its checkpoint, and can be resumed.`)) && ask("POST", `${at}/cancel`),
  resume: () => ask("POST", `${at}/resume`, {}),
  async delete() {
    if (!(await sure(`Delete ${name}, with all of its files?`))) return;
    await ask("DELETE", at);
    location.assign("/");
  },
};

function act(verb) {
  const button = $(`[data-do="${verb}"]`);
  if (!button || button.disabled) return;
  button.disabled = true;
  attempt(verbs[verb]).finally(async () => {
    await refresh();
    button.disabled = false;
  });
}

about.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) act(button.dataset.do);
});

about.addEventListener("submit", (event) => {
  if (event.target.id !== "more") return;
  event.preventDefault();
  const epochs = event.target.elements.epochs.value;
  attempt(async () => {
    await ask("POST", `${at}/resume`, { overrides: [`epochs=${epochs}`] });
    say(`It goes on until epoch ${epochs}.`);
  }).finally(refresh);
});

shortcuts({
  ...curves.keys,
  c: () => act("cancel"),
  p: () => act($('[data-do="pause"]') ? "pause" : "resume"),
});

// Other runs, drawn into the same charts.

const overlay = $("#overlay");
overlay.addEventListener("change", () => {
  const { value } = overlay, words = overlay.selectedOptions[0].textContent;
  overlay.value = "";
  if (!value) return;
  attempt(async () => {
    await curves.load(value, words.split(" · ")[0], ask);
    const button = element("button", { type: "button", class: "plain" }, `${words} ✕`);
    button.setAttribute("aria-label", `No longer beside it: ${words}`);
    button.addEventListener("click", () => { curves.remove(value); button.remove(); });
    $("#overlaid").append(button);
  });
});

predictForm($("#predict"), at);
log.scrollTop = log.scrollHeight;
