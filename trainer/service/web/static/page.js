// What all pages share: asking the service, saying what came of it, parts that are kept up to date, and keys.

import { follow } from "./live.js";

export const user = document.body.dataset.user;
const said = document.getElementById("said"), news = document.getElementById("news");
let quiet = 0;

export function $(selector, within = document) {
  return within.querySelector(selector);
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Says something at the foot of the page for a while; screen readers read it.
export function say(text) {
  said.textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => { said.textContent = ""; }, 6000);
}

// What comes back: the value of JSON, a text otherwise. Throws an Error with what the service says, and its `problem`.
export async function ask(method, path, body, headers = {}) {
  const json = body !== undefined && typeof body !== "string" && !(body instanceof Blob);
  const answer = await fetch(path, {
    method, body: json ? JSON.stringify(body) : body, headers: { ...(json ? { "Content-Type": "application/json" } : {}), ...headers },
  }).catch(() => { throw new Error("the service does not answer"); });
  const text = await answer.text();
  const kind = answer.headers.get("content-type") ?? "";
  const value = kind.includes("json") ? JSON.parse(text) : text;
  if (answer.ok) return value;
  const error = new Error(answer.status === 401 ? "you are signed out; reload the page to sign in" : value.detail ?? `the service answers ${answer.status}`);
  throw Object.assign(error, { problem: value, status: answer.status });
}

// Does what a person has asked for, and says what goes wrong.
export async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    say(error.message);
    if (error.status === undefined && error.message !== "the service does not answer") throw error;
  }
}

export function sure(question) {
  const dialog = $("#sure");
  $("#sure-question").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

// Parts with `data-live` become what the server makes of them now; what a person has chosen or typed there stays.
export async function refresh() {
  const text = await fetch(location.href, { headers: { Accept: "text/html" } }).then((answer) => (answer.ok ? answer.text() : null), () => null);
  if (text === null) return;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(part.id);
    if (now) {
      tidy(now);
      morph(part, now);
    }
  }
  if (document.title !== fresh.title) document.title = fresh.title;
}

function morph(old, now) {
  if (old.isEqualNode(now)) return;
  if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== now.nodeName || old.id !== now.id) return old.replaceWith(document.importNode(now, true));
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value && !(old === document.activeElement && name === "value")) old.setAttribute(name, value);
  const known = new Map([...old.children].filter((each) => each.id).map((each) => [each.id, each]));
  let place = old.firstChild;
  for (const each of [...now.childNodes]) {
    const same = each.id && known.get(each.id);
    if (same) {
      if (same !== place) old.insertBefore(same, place);
      else place = place.nextSibling;
      morph(same, each);
    } else if (place && !(place.id && place.id !== each.id)) {
      const next = place.nextSibling;
      morph(place, each);
      place = next;
    } else old.insertBefore(document.importNode(each, true), place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

// Times as this place has them.
function tidy(within) {
  for (const time of within.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today ? at.toLocaleTimeString() : at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    time.title = at.toLocaleString();
  }
}

// At most once in so many milliseconds, less often where it takes long, and once more after the last call.
export function seldom(milliseconds, what) {
  let timer = 0, wanted = false, last = -Infinity, pause = milliseconds;
  return function call() {
    if (timer) { wanted = true; return; }
    const wait = Math.max(0, last + pause - performance.now());
    timer = setTimeout(async () => {
      wanted = false;
      last = performance.now();
      try { await what(); } finally {
        pause = Math.max(milliseconds, 20 * (performance.now() - last));
        timer = 0;
        if (wanted) call();
      }
    }, wait);
  };
}

// Keeps the page up to date: `heard(kind, data)` may do more, `fresh()` too.
export function live(heard = () => {}, fresh = () => {}, concerns = () => true) {
  const soon = seldom(500, refresh);
  follow(user, (kind, data) => {
    if (!concerns(data)) return;
    heard(kind, data);
    if (kind === "points") return;
    soon();
    if (kind === "state") announce(data);
  }, () => { soon(); fresh(); });
}

function announce({ run, state, reason }) {
  if (state === "stopping" || state === "queued") return;
  const name = $(`#run-${run} th a`)?.textContent ?? $("#about")?.dataset.name ?? "a run";
  news.replaceChildren(element("span", {}, `${name}: ${state}, ${reason}`));
}

const keys = { h: () => location.assign("/"), n: () => location.assign("/new"), d: () => location.assign("/datasets"), "?": () => $("#help").showModal() };

export function shortcuts(more) {
  Object.assign(keys, more);
}

addEventListener("keydown", (event) => {
  const within = event.target.closest?.("input, textarea, select, dialog[open], summary");
  const ticked = within?.type === "checkbox" && !within.closest("dialog");
  if (event.ctrlKey || event.metaKey || event.altKey || (within && !ticked) || !$("#keys-on")?.checked) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act(event);
});

const chosen = $("#keys-on");
if (chosen) {
  chosen.checked = localStorage.getItem("trainer-keys") !== "off";
  chosen.addEventListener("change", () => localStorage.setItem("trainer-keys", chosen.checked ? "on" : "off"));
  $("#help-button").addEventListener("click", () => $("#help").showModal());
}
tidy(document);
