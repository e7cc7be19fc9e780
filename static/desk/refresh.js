// After a reset: the regions of a fresh page take the place of the old ones; what is typed, focused and scrolled stays.
import { fill } from "../shared/times.js";

document.addEventListener("rp:reset", ({ detail: { page } }) => {
  for (const region of ["list-pane", "count-media"]) swapContent(region, page);
  for (const count of document.querySelectorAll('[id^="count-"]')) {
    const fresh = page.getElementById(count.id);
    if (fresh) count.textContent = fresh.textContent;
  }
  const pane = document.getElementById("thread-pane");
  const fresh = page.getElementById("thread-pane");
  if (!pane || !fresh) return fill();
  if (pane.dataset.conversation !== fresh.dataset.conversation) { pane.replaceWith(fresh); return fill(); }
  for (const child of ["head", "feed", "panel"]) swapContent(`${child}-${pane.dataset.conversation}`, page);
  window.htmx?.process(document.body);
  fill();
});

function swapContent(id, page) {
  const old = document.getElementById(id);
  const fresh = page.getElementById(id);
  if (!old || !fresh) return;
  const scroller = old.matches("rp-feed") ? old : old.querySelector("rp-list");
  const place = scroller?.scrollTop;
  const atEnd = scroller && scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  for (const name of ["data-view", "data-seq", "data-status", "data-assignee"]) {
    if (fresh.hasAttribute(name)) old.setAttribute(name, fresh.getAttribute(name));
  }
  old.replaceChildren(...fresh.childNodes);
  const again = old.matches("rp-feed") ? old : old.querySelector("rp-list");
  if (again) again.scrollTop = atEnd && old.matches("rp-feed") ? again.scrollHeight : place;
  if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
