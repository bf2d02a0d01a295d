// What happens, told to every page of this browser by one stream: a browser opens no more than six connections to a
// host, and a stream takes one for as long as it lives. The pages that are seen stand in line for a lock; the one that
// has it holds the stream and tells the others. A page that is hidden lets go of both.

const KINDS = ["state", "points", "log", "warning", "described", "deleted"];
const AGAIN = 3000; // milliseconds, after the service has refused a stream

// Calls `heard(kind, data)` for every event of a run that may be seen, and `fresh()` whenever events may have been missed:
// when the page is shown, and when the stream begins.
export function follow(user, heard, fresh) {
  const name = `trainer:${user}`;
  const channel = new BroadcastChannel(name);
  let source = null, release = null, waiting = null;

  function tell(message) {
    channel.postMessage(message);
    hear(message);
  }

  function hear({ kind, data }) {
    if (document.hidden) return;
    if (kind === "fresh") fresh();
    else heard(kind, data);
  }

  function open() {
    source = new EventSource("/v1/events");
    source.onopen = () => tell({ kind: "fresh" });
    source.addEventListener("reset", () => tell({ kind: "fresh" }));
    for (const kind of KINDS) source.addEventListener(kind, (event) => tell({ kind, data: JSON.parse(event.data) }));
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return; // it comes back by itself
      source = null;
      setTimeout(() => release && !source && open(), AGAIN);
    };
  }

  async function lead() {
    if (document.hidden || waiting || release) return;
    if (!navigator.locks) { // only where there is neither TLS nor loopback
      release = () => {};
      open();
      return;
    }
    waiting = new AbortController();
    try {
      await navigator.locks.request(name, { signal: waiting.signal }, () => new Promise((resolve) => {
        release = resolve;
        waiting = null;
        open();
      }));
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  function leave() {
    waiting?.abort();
    source?.close();
    release?.();
    waiting = source = release = null;
  }

  channel.onmessage = (event) => hear(event.data);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return leave();
    fresh();
    lead();
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && (fresh(), lead()));
  if (!document.hidden) fresh();
  lead();
}
