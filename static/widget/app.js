// The chat in the frame: draws what the line tells, keeps what is written until it is taken.

import { Host } from "./host.js";
import { Screens } from "./screens.js";
import { Line } from "./socket.js";
import { Store } from "./store.js";
import { paint } from "./words.js";

const IN_FLIGHT = 8; // at once; the server lets twenty frames a second through
const root = document.documentElement.dataset;
const words = document.body.dataset;
const entries = new Map(); // client id or message id -> what the server has
const flying = new Set(); // client ids that are on this line and not answered
let facts = { teamRead: 0, seenAt: null, isUp: false, status: "" };
let page = null;
let isOpen = false;
let read = 0; // the last number that the person has seen
let old = null; // what stood here when this page was opened is not news
let hasChosen = false; // until the first answer of the server, which screen stands is ours to say

paint(root);
const store = new Store(root.inbox, { changed: redraw, moved: restart });
const screens = new Screens({
  send: (text) => put({ client_id: uuid(), text, at: new Date().toISOString(), page }),
  retry: (id) => put({ ...store.box.get(id), failed: undefined }),
  draft: (text) => { store.draft = text; },
  typing: () => line.say({ t: "typing" }),
  close: () => host.tell("close"),
  shown: () => { hasChosen = true; seen(); },
  forget: () => { forget(); line.restart(); },
});
const line = new Line(address(), store, {
  welcome: (frame, said) => store.welcome(frame, said),
  refusedKey: () => store.dropKey(),
  up: (isUp) => {
    facts.isUp = isUp;
    flying.clear();
    if (isUp) flush(); else screens.log.typing(null); // who typed may have sent it meanwhile
    screens.line(isUp, redraw);
    redraw();
  },
  snapshot: (frame) => {
    entries.clear();
    for (const message of frame.messages) entry(message);
    facts = { ...facts, teamRead: frame.team_read, seenAt: null, status: frame.status };
    old ??= lastOfTeam();
    if (!hasChosen) first();
    redraw();
    seen();
  },
  event: (frame) => {
    if (frame.e === "message") message(frame);
    else if (frame.e === "status") status(frame);
    else if (frame.e === "team_read" && frame.upto > facts.teamRead) facts = { ...facts, teamRead: frame.upto, seenAt: Date.now() };
    else if (frame.e === "visitor_read") { read = Math.max(read, frame.upto); tellUnread(); }
    redraw();
  },
  ack: ({ client_id, message_id, n, at }) => {
    const sent = store.box.get(client_id);
    if (sent) entry({ ...entries.get(client_id), client_id, id: message_id, from: "you", text: sent.text, n, at });
    flush();
    redraw();
  },
  refused: ({ client_id, message: reason, retry_ms }) => {
    const sent = store.box.get(client_id);
    flying.delete(client_id);
    if (sent && retry_ms === undefined) store.add({ ...sent, failed: String(reason ?? "") });
    else if (sent) setTimeout(flush, retry_ms);
    if (retry_ms === undefined) flush();
    redraw();
  },
  typing: ({ name, on }) => screens.log.typing(on === false ? null : String(name ?? "")),
  stop: () => { facts.isUp = false; screens.end(); redraw(); },
});
const host = new Host((root.sites ?? "").split(" ").filter(Boolean), {
  open: ({ full, focus }) => {
    isOpen = true;
    screens.isFull = full;
    redraw();
    screens.log.toEnd();
    if (focus) screens.focus();
    seen();
  },
  close: () => { isOpen = false; },
  page: (now) => { page = now; },
  shutdown: () => { line.end(); forget(); },
});

/** What the server has of a message; from here on it is not ours to send. */
function entry(message) {
  const key = message.client_id || message.id;
  entries.set(key, { ...message, state: "sent" });
  flying.delete(key);
  store.drop(key);
}

function message(frame) {
  entry(frame);
  if (frame.from === "you") return;
  screens.log.typing(null);
  screens.log.arrived();
  if (!seen()) tellUnread();
}

function status({ n, status: now }) {
  const was = facts.status;
  facts.status = now;
  if (now === "open" && was === "resolved") entries.set(`status ${n}`, { id: `status ${n}`, from: "line", n, text: words.reopened });
}

/** All there is, in order: what the server has by its number, then what waits here. */
function shown() {
  const known = [...entries.values()].sort((a, b) => a.n - b.n);
  const waiting = store.outbox.filter((m) => !entries.has(m.client_id));
  return known.concat(waiting.map((m) => ({ ...m, from: "you", state: m.failed === undefined ? "waiting" : "failed", reason: m.failed })));
}

function redraw() {
  const all = shown();
  screens.log.draw(all, facts);
  screens.head(all, unread());
}

function put(message) {
  store.add(message);
  flush();
  redraw();
}

/** Send what waits. The same id with the same text is taken once, so after a cut everything may be said again. */
function flush() {
  const waiting = store.outbox.filter((m) => m.failed === undefined && !flying.has(m.client_id));
  if (!line.isReady || !waiting.length) return;
  if (!store.claim()) { restart(); return; }
  for (const { client_id, text, page: from } of waiting.slice(0, Math.max(0, IN_FLIGHT - flying.size))) {
    if (line.say({ t: "send", client_id, text, ...(from && { page: from }) })) flying.add(client_id);
  }
}

/** True when the person sees the newest words; the server hears it once. */
function seen() {
  if (!isOpen || document.hidden || !screens.isChat) return false;
  const upto = lastOfTeam();
  if (upto > read && line.isReady) { read = upto; line.say({ t: "read", n: upto }); tellUnread(); }
  return true;
}

const lastOfTeam = () => Math.max(0, ...[...entries.values()].map((e) => (e.from === "team" ? e.n : 0)));
const unread = () => [...entries.values()].filter((e) => e.from === "team" && e.n > Math.max(read, old)).length;
const tellUnread = () => host.tell("unread", { count: unread() });

/** An open matter goes on where it was; else home, which has one sentence and one button. */
function first() {
  const isGoingOn = (entries.size > 0 && facts.status !== "resolved") || store.box.size > 0 || store.draft !== "";
  screens.show(isGoingOn ? "chat" : "home");
  if (isOpen && document.hasFocus()) screens.focus();
}

/** Another tab is somebody else now, or the first to be somebody: begin again with what storage says. */
function restart() {
  entries.clear();
  flying.clear();
  line.restart();
  redraw();
}

function forget() {
  store.forget();
  entries.clear();
  flying.clear();
  facts = { ...facts, teamRead: 0, seenAt: null, status: "" };
  read = 0;
  screens.text.value = "";
  screens.typed(false);
  redraw();
}

function address() {
  const url = new URL(root.socket, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID(); // absent on a page without https
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

document.addEventListener("visibilitychange", seen);
screens.text.value = store.draft;
screens.show(store.isKept || store.box.size || store.draft ? "chat" : "home");
hasChosen = false;
screens.typed(false);
screens.line(false, redraw);
line.connect();
host.tell("ready");
document.documentElement.classList.toggle("alone", !host.origin); // opened as a page: there is nothing to close
document.body.hidden = false;
