// Popover menus: opened by their button, walked by arrows, closed by Escape, focus goes back.
import { change, toast } from "../shared/ask.js";

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-menu]");
  if (opener) return open(opener);
  const item = event.target.closest("[data-snooze], [data-assign]");
  if (item) choose(item);
});

function open(opener) {
  const menu = document.getElementById(opener.dataset.menu);
  if (!menu) return;
  menu.showPopover();
  const at = opener.getBoundingClientRect();
  const box = menu.getBoundingClientRect();
  menu.style.insetBlockStart = `${at.bottom + 6}px`;
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.width - 8))}px`;
  menu.querySelector("button").focus();
  menu.onkeydown = (event) => walk(menu, event);
  menu.ontoggle = (event) => { if (event.newState === "closed") opener.focus(); };
}

function walk(menu, event) {
  const items = [...menu.querySelectorAll("button")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
}

function until(name) {
  const at = new Date();
  if (name === "3h") return new Date(at.getTime() + 3 * 3600 * 1000);
  const days = name === "tomorrow" ? 1 : ((8 - at.getDay()) % 7 || 7);
  at.setDate(at.getDate() + days);
  at.setHours(9, 0, 0, 0);
  return at;
}

async function choose(item) {
  item.closest("[popover]").hidePopover();
  const { url, done, snooze, assign } = item.dataset;
  try {
    let answer;
    if (snooze) answer = await change("PUT", url, { until: until(snooze).toISOString() });
    else if (assign) answer = await change("PUT", url, { agent_id: assign, expect: document.querySelector(".thread-head").dataset.assignee });
    else answer = await change("DELETE", url);
    if (!answer.ok) toast(answer.message);
    else if (done) toast(done, () => change("DELETE", url));
  } catch {
    document.dispatchEvent(new CustomEvent("htmx:error"));
  }
}
