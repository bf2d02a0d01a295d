// A form made of the columns that a run's model takes, and rows as a table.

import { ask, attempt, element } from "./page.js";

const MOST_FIELDS = 40; // columns beyond this are pasted as a table, not typed

function cell(text) {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The cells of a table with commas; quoted ones may hold commas and ends of lines.
export function rowsOf(text) {
  const rows = [[""]];
  for (const [, quoted, plain, end] of text.matchAll(/"((?:[^"]|"")*)"|([^",\r\n]+)|(,|\r?\n)/g)) {
    const row = rows.at(-1);
    if (end === ",") row.push("");
    else if (end) rows.push([""]);
    else row[row.length - 1] += quoted !== undefined ? quoted.replaceAll('""', '"') : plain;
  }
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}

function table(text) {
  const [header, ...rows] = rowsOf(text);
  const tr = (cells, kind) => element("tr", {}, ...cells.map((each) => element(kind, {}, each)));
  return element("div", { class: "wide" }, element("table", {},
    element("thead", {}, tr(header, "th")), element("tbody", {}, ...rows.slice(0, 200).map((row) => tr(row, "td")))));
}

function field(column, missing) {
  const { name, categories, boolean, dates } = column;
  const required = !missing;
  if (categories.length || boolean) {
    const options = (boolean ? ["true", "false"] : categories).map((each) => element("option", {}, each));
    return element("select", { name, required }, ...(missing ? [element("option", { value: "" }, "missing")] : []), ...options);
  }
  return element("input", dates ? { name, required, type: "text", placeholder: "as in the data" } : { name, required, type: "text", inputMode: "decimal", autocomplete: "off" });
}

export function predictForm(details, at) {
  const place = details.querySelector("#predict-form");
  details.addEventListener("toggle", () => details.open && attempt(() => fill(place, at)));
}

async function fill(place, at) {
  let about;
  try {
    about = await ask("GET", `${at}/columns`);
  } catch (error) {
    place.replaceChildren(element("p", { class: "note" }, error.message));
    return;
  }
  const output = element("output", { "aria-live": "polite" });
  const show = (...what) => output.replaceChildren(...what);
  const predict = async (csv) => {
    try {
      show(table(await ask("POST", `${at}/predict`, csv, { "Content-Type": "text/csv" })));
    } catch (error) {
      show(element("p", { class: "note" }, error.message));
    }
  };
  place.replaceChildren(...forms(about, at, predict, show), output);
}

function forms(about, at, predict, show) {
  const { columns, named, shape, missing } = about;
  if (!columns.length) return [values(shape, at, show)];
  const header = named ? `${columns.map((each) => cell(each.name)).join(",")}\n` : "";
  const made = [];
  if (columns.length <= MOST_FIELDS) {
    const labels = columns.map((each) => element("label", {}, named ? each.name : `column ${each.name}`, field(each, missing)));
    const form = element("form", {}, element("div", { class: "row" }, ...labels), element("button", {}, "Predict"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      predict(`${header}${columns.map((_, i) => cell(form.elements[i].value)).join(",")}\n`);
    });
    made.push(form);
  }
  const area = element("textarea", { rows: "5", spellcheck: "false", "aria-label": "Rows as CSV" }, header);
  const button = element("button", { type: "button" }, "Predict these rows");
  button.addEventListener("click", () => predict(area.value));
  const many = element("div", {}, element("p", { class: "pale" }, `Rows as CSV${named ? ", their header first" : `, of ${columns.length} numbers each`}:`), area, button);
  made.push(columns.length <= MOST_FIELDS ? element("details", {}, element("summary", {}, "Many rows"), many) : many);
  return made;
}

// Rows that are no table's, such as pictures: numbers in brackets.
function values(shape, at, show) {
  const area = element("textarea", { rows: "6", spellcheck: "false", "aria-label": "Rows as JSON" });
  const button = element("button", { type: "button" }, "Predict");
  button.addEventListener("click", async () => {
    try {
      const { predictions, probabilities } = await ask("POST", `${at}/predict`, { rows: JSON.parse(area.value) });
      show(element("pre", {}, JSON.stringify({ predictions, probabilities }, null, 1)));
    } catch (error) {
      show(element("p", { class: "note" }, error.message));
    }
  });
  return element("div", {}, element("p", { class: "pale" }, `A list of rows, each of shape ${shape.join(" × ")}, as JSON:`), area, button);
}
