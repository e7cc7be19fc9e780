// The chat in the frame: draws what the line tells, keeps what is written until it is taken.
import { Line } from "./socket.js";
import { Memory } from "./memory.js";
import { View } from "./view.js";

const root = document.documentElement.dataset;
const memory = new Memory(root.inbox);
const view = new View(document);
const entries = new Map(); // client id or message id -> what is shown
let teamRead = 0;
let hostOrigin = null;
let page = {};
let isOpen = false;
let unread = 0;

const line = new Line(root.socket, memory, {
  welcome: () => {},
  line: (isUp) => { view.line(isUp); if (isUp) flush(); redraw(); },
  snapshot: (frame) => {
    entries.clear();
    teamRead = frame.team_read;
    for (const message of frame.messages) put(message);
    view.status(frame.status);
    redraw();
    seen();
  },
  event: (frame) => {
    if (frame.e === "message") { put(frame); view.typing(null); if (frame.from === "team") arrived(); }
    else if (frame.e === "status") view.status(frame.status);
    else if (frame.e === "team_read") teamRead = Math.max(teamRead, frame.upto);
    redraw();
  },
  ack: (frame) => {
    memory.keep({ outbox: memory.outbox.filter((m) => m.client_id !== frame.client_id) });
    const entry = entries.get(frame.client_id);
    if (entry) Object.assign(entry, { state: "sent", at: frame.at, n: frame.n });
    redraw();
  },
  refused: (frame) => {
    if (frame.retry_ms) { setTimeout(flush, frame.retry_ms); return; }
    memory.keep({ outbox: memory.outbox.filter((m) => m.client_id !== frame.client_id) });
    const entry = entries.get(frame.client_id);
    if (entry) Object.assign(entry, { state: "failed", reason: frame.message });
    redraw();
  },
  typing: (frame) => view.typing(frame.name),
  stop: () => view.stop(),
});

function put(message) {
  const key = message.client_id || message.id;
  entries.set(key, { ...message, state: "sent" });
  memory.keep({ outbox: memory.outbox.filter((m) => m.client_id !== key) });
}

function redraw() {
  for (const waiting of memory.outbox) {
    if (!entries.has(waiting.client_id)) entries.set(waiting.client_id, { ...waiting, from: "you", state: "waiting" });
  }
  const shown = [...entries.values()].sort((a, b) => (a.n ?? Infinity) - (b.n ?? Infinity));
  view.draw(shown, teamRead, line.isReady);
}

const uuid = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

view.onSend = (text) => {
  memory.keep({ outbox: [...memory.outbox, { client_id: uuid(), text, at: new Date().toISOString() }] });
  flush();
  redraw();
};
view.onTyping = () => line.say({ t: "typing" });
view.onClose = () => tell("close");

/** Send all that waits; the server answers a repeated id with its first result, so twice is once. */
function flush() {
  if (!line.isReady) return;
  for (const { client_id, text } of memory.outbox) line.say({ t: "send", client_id, text, page });
}

function seen() {
  if (!isOpen || document.hidden) return;
  unread = 0;
  tell("unread", { count: 0 });
  const last = Math.max(0, ...[...entries.values()].filter((e) => e.from === "team").map((e) => e.n ?? 0));
  if (last > (seen.upto ?? 0) && line.say({ t: "read", n: last })) seen.upto = last;
}

function arrived() {
  if (isOpen && !document.hidden) { seen(); return; }
  unread += 1;
  tell("unread", { count: unread });
}

function tell(kind, data) {
  if (hostOrigin) parent.postMessage({ rapport: kind, ...data }, hostOrigin);
}

addEventListener("message", (event) => {
  if (event.source !== parent || typeof event.data?.rapport !== "string") return;
  const sites = (root.sites || "").split(" ").filter(Boolean);
  if (sites.length && !sites.includes(event.origin)) return;
  hostOrigin = event.origin;
  if (event.data.rapport === "open") {
    isOpen = true;
    const { url, title } = event.data.page ?? {};
    page = { url: String(url ?? "").slice(0, 500), title: String(title ?? "").slice(0, 200) };
    view.focus();
    seen();
  } else if (event.data.rapport === "close") isOpen = false;
});
document.addEventListener("visibilitychange", seen);

// The host's origin is not known before it speaks, and this word carries nothing: any parent may hear it.
parent.postMessage({ rapport: "ready" }, "*");
redraw();
line.connect();
