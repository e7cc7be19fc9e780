// Sole owner of the agents' socket: cursor, reconnect, catch-up. Draws nothing itself (draw.js), fetches nothing but a reset.
import { apply } from "./draw.js";

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 15000;
const BEAT_MS = 4000; // a line that says nothing for so long is asked whether it lives
const ANSWER_MS = 4000;

const body = document.body;
let cursor = Number(body.dataset.seq);
let socket = null;
let tries = 0;
let retryTimer = 0;
let retryAt = 0;
let heardAt = 0;
let resumedFrom = cursor; // where the page stood when this line began: lists and threads are caught up from there
let isLive = false;
let isSignedOut = false;
let watching = { views: [], conversations: [], at: cursor };
let watchNumber = 0;

const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

function send(frame) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(frame));
  return true;
}

function sayWatching(at) {
  watchNumber += 1;
  send({ t: "watch", n: watchNumber, at, views: watching.views, conversations: watching.conversations });
}

/** Watch these lists and conversations from now on; `at` is the seq at which they were drawn. */
function watch({ views, conversations, at }) {
  watching = { views, conversations, at: isLive ? undefined : at };
  if (isLive) sayWatching(Math.min(at, cursor));
}

function connect() {
  clearTimeout(retryTimer);
  if (isSignedOut || (socket && socket.readyState <= WebSocket.OPEN)) return;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const own = new WebSocket(`${scheme}//${location.host}/w/${body.dataset.workspace}/live`);
  socket = own;
  own.onmessage = (event) => { if (own === socket) receive(event.data); };
  own.onclose = (event) => { if (own === socket) lost(event.code); };
}

function lost(code) {
  socket = null;
  const was = isLive;
  isLive = false;
  if (code === 4001) return signedOut();
  if (code === 4003) { location.assign("/"); return; }
  const wait = Math.random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** tries);
  tries += 1;
  retryAt = Date.now() + wait;
  retryTimer = setTimeout(connect, wait);
  if (was || tries === 1) tell("rp:line", { state: "lost" });
  if (tries === 3) ask(); // the socket cannot tell why it was refused; a request can
}

async function ask() {
  try {
    const answer = await fetch(`/w/${body.dataset.workspace}/rows/open?after=~`, { headers: { "HX-Request": "true" } });
    if (answer.status === 401) signedOut();
  } catch { /* no line: the next try tells */ }
}

function signedOut() {
  isSignedOut = true;
  tell("rp:line", { state: "signed-out" });
}

function receive(text) {
  heardAt = Date.now();
  let frame;
  try { frame = JSON.parse(text); } catch { return; }
  if (frame.t === "hello") greeted(frame);
  else if (frame.t === "draw") { apply(frame.html); tell("rp:drawn", { topic: frame.topic }); }
  else if (frame.t === "head") moved(frame);
  else if (frame.t === "reset") reset();
  else if (frame.t === "signal") tell("rp:signal", frame);
}

function greeted(frame) {
  if (frame.build !== body.dataset.build) tell("rp:old-build", {});
  resumedFrom = cursor;
  send({ t: "resume", epoch: body.dataset.epoch, since: cursor });
}

function moved(frame) {
  if (frame.after !== cursor) { send({ t: "resume", epoch: body.dataset.epoch, since: cursor }); return; }
  cursor = frame.to;
  body.dataset.seq = String(cursor);
  if (isLive) return;
  isLive = true;
  tries = 0;
  sayWatching(Math.min(resumedFrom, watching.at ?? resumedFrom));
  tell("rp:line", { state: "live" });
}

/** Fetch this page's regions again and put them in place; what is typed, focused and open stays. */
async function reset() {
  isLive = false;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401 || answer.redirected) return signedOut();
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    tell("rp:reset", { page });
    for (const name of ["epoch", "seq", "build"]) body.dataset[name] = page.body.dataset[name];
    cursor = Number(body.dataset.seq);
    resumedFrom = cursor;
    watching.at = cursor;
    send({ t: "resume", epoch: body.dataset.epoch, since: cursor });
  } catch {
    setTimeout(reset, 1000 + Math.random() * 2000);
  }
}

function beat() {
  const quiet = Date.now() - heardAt;
  if (!isLive || quiet < BEAT_MS) return;
  if (quiet > BEAT_MS + ANSWER_MS) { socket?.close(); lost(0); return; }
  send({ t: "ping" });
}

function now() {
  tries = 0;
  connect();
}

setInterval(beat, 1000);
addEventListener("online", now);
addEventListener("offline", () => { if (socket) { const old = socket; lost(0); old.close(); } });
document.addEventListener("visibilitychange", () => { if (!document.hidden) now(); });

export const live = {
  watch,
  send,
  now,
  start: connect,
  get isLive() { return isLive; },
  get cursor() { return cursor; },
  get retryAt() { return retryAt; },
};
