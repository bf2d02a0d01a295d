// A config as it is written: its mistakes at their lines, and how large the run would be.

import { $, ask, attempt, element } from "./page.js";

const form = $("#new"), text = $("#config"), lines = $("#lines"), verdict = $("#verdict"), mistakes = $("#mistakes");
const SIZES = ["parameters", "rows", "steps"];
const QUIET = 400; // milliseconds without a letter before a config is checked
let problems = [], checked = 0, asked = 0;

function number() {
  const count = text.value.split("\n").length;
  if (lines.childElementCount !== count) lines.replaceChildren(...Array.from({ length: count }, (_, i) => element("div", {}, String(i + 1))));
  const wrong = new Set(problems.map((each) => each.line));
  [...lines.children].forEach((each, i) => each.classList.toggle("wrong", wrong.has(i + 1)));
  lines.scrollTop = text.scrollTop;
}

function goTo(problem) {
  if (!problem.line) return text.focus();
  const before = text.value.split("\n").slice(0, problem.line - 1).join("\n").length + (problem.line > 1 ? 1 : 0);
  const end = text.value.indexOf("\n", before);
  text.focus();
  text.setSelectionRange(before + Math.max(0, (problem.column ?? 1) - 1), end < 0 ? text.value.length : end);
}

function show(found) {
  problems = found;
  number();
  mistakes.replaceChildren(...found.map((each) => {
    const place = element("button", { type: "button", class: "plain" }, each.line ? `line ${each.line}` : "the whole");
    place.addEventListener("click", () => goTo(each));
    const message = element("li", {}, place, each.message);
    if (each.excerpt) message.append(element("pre", {}, each.excerpt));
    return message;
  }));
}

async function check() {
  const mine = ++asked;
  const found = await attempt(() => ask("POST", "/v1/validate?report=true", { config: text.value }));
  if (!found || mine !== asked) return; // there is more to be checked
  const { errors = [], size = {} } = found;
  const words = SIZES.filter((key) => key in size).map((key) => `${size[key].toLocaleString("en")} ${key}`);
  if (errors.length) verdict.textContent = errors.length === 1 ? "One thing is wrong." : `${errors.length} things are wrong.`;
  else verdict.textContent = `✓ It can be trained: ${words.join(", ")}.`;
  show(errors);
}

text.addEventListener("input", () => {
  number();
  clearTimeout(checked);
  checked = setTimeout(check, QUIET);
});
text.addEventListener("scroll", () => { lines.scrollTop = text.scrollTop; });

function submit() {
  const { name, tags, note, again } = form.elements;
  if (!form.reportValidity()) return;
  $("#submit").disabled = true;
  attempt(async () => {
    const asks = { config: text.value, note: note.value, again: again.checked, tags: tags.value.split(",").map((each) => each.trim()).filter(Boolean) };
    if (name.value) asks.name = name.value;
    try {
      const { id } = await ask("POST", "/v1/runs", asks);
      location.assign(`/runs/${id}`);
    } catch (error) {
      if (error.problem?.errors) show(error.problem.errors);
      throw error;
    }
  }).finally(() => { $("#submit").disabled = false; });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  if (event.key === "F8" && problems.length) {
    event.preventDefault();
    const line = text.value.slice(0, text.selectionStart).split("\n").length;
    goTo(problems.find((each) => each.line > line) ?? problems[0]);
  }
});

number();
check();
