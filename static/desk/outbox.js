// What was written and is not taken yet: kept in this browser, sent in order, each with its own id so that it arrives once.
import { change } from "../shared/ask.js";

const key = `rp.outbox.${document.body.dataset.workspace}.${document.body.dataset.seat}`;
let isSending = false;

const load = () => { try { return JSON.parse(localStorage.getItem(key) ?? "[]"); } catch { return []; } };

function save(entries) {
  localStorage.setItem(key, JSON.stringify(entries));
  document.dispatchEvent(new CustomEvent("rp:outbox", { detail: entries.filter((e) => !e.reason && !e.sent).length }));
}

const uuid = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

export function add(entry) {
  save([...load(), { ...entry, client_id: uuid() }]);
  flush();
}

export const forConversation = (conversation) => load().filter((e) => e.conversation === conversation);

export function drop(clientId) { save(load().filter((e) => e.client_id !== clientId)); }

function refuse(clientId, reason) { save(load().map((e) => (e.client_id === clientId ? { ...e, reason } : e))); }

/** Taken: its bubble stays until the real one is drawn (or five seconds, if this tab never draws it). */
function settle(clientId) {
  save(load().map((e) => (e.client_id === clientId ? { ...e, sent: true } : e)));
  setTimeout(() => drop(clientId), 5000);
}

/** Send what waits, one after another; stop at the first that finds no line. */
export async function flush() {
  if (isSending) return;
  isSending = true;
  try {
    for (let entry = next(); entry; entry = next()) {
      const { url, paper, body, client_id } = entry;
      const answer = await change("POST", url, { paper, body, client_id });
      if (answer.ok) settle(client_id);
      else if (answer.status === 401 || answer.status >= 500) { setTimeout(flush, 1000 * (answer.retry || 3)); return; }
      else refuse(client_id, answer.message);
    }
  } catch { /* no line: rp:line tells when to try again */ } finally { isSending = false; }
}

const next = () => load().find((e) => !e.reason && !e.sent);

document.addEventListener("rp:line", (event) => { if (event.detail.state === "live") flush(); });
addEventListener("online", flush);
for (const entry of load()) if (entry.sent) drop(entry.client_id);
flush();
