// Applying a frame: rules 1 to 4 of docs/protocol.md, and nothing else. Twice is once.

const holds = new Map(); // list id -> moves that wait while the pointer is over it

/** Apply the elements of `html` to the page. */
export function apply(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  for (const element of [...box.content.children]) {
    place(element);
    if (element.isConnected) window.htmx?.process(element);
  }
}

function place(element) {
  const old = document.getElementById(element.id);
  if (element.hasAttribute("data-remove")) { if (old) removeKindly(old); return; }
  if (old) replace(old, element);
  else if (element.dataset.into) insert(element);
}

function replace(old, fresh) {
  const list = old.parentElement;
  const focused = old.contains(document.activeElement) ? keyOf(document.activeElement, old) : null;
  const moves = fresh.dataset.into && fresh.dataset.sort !== old.dataset.sort;
  if (old.classList.contains("selected")) fresh.classList.add("selected");
  if (!moves || !list) {
    old.replaceWith(fresh);
  } else if (isHeld(list)) {
    old.replaceWith(fresh);
    hold(list, () => insert(fresh));
  } else {
    old.remove();
    insert(fresh, old);
  }
  if (focused !== null && fresh.isConnected) find(fresh, focused)?.focus({ preventScroll: true });
}

function insert(element, before) {
  const container = document.getElementById(element.dataset.into);
  if (!container) { element.remove(); return; }
  const sort = element.dataset.sort;
  const until = container.dataset.until;
  if (until && sort > until) { element.remove(); return; }
  if (!before && container.classList.contains("rows-held") && !element.isConnected) {
    // A new row waits while somebody points at the list: nothing jumps under the pointer.
    hold(container, () => insert(element));
    return;
  }
  let next = null;
  for (const child of container.children) {
    if (child !== element && child.dataset.sort !== undefined && child.dataset.sort > sort) { next = child; break; }
  }
  container.insertBefore(element, next);
}

function removeKindly(element) {
  if (element.contains(document.activeElement)) {
    const next = element.nextElementSibling ?? element.previousElementSibling;
    next?.querySelector("a, button")?.focus({ preventScroll: true });
  }
  element.remove();
}

const isHeld = (list) => list.classList.contains("rows-held");

function hold(list, move) {
  const waiting = holds.get(list.id) ?? [];
  waiting.push(move);
  holds.set(list.id, waiting);
  list.dispatchEvent(new CustomEvent("rp:held", { bubbles: true, detail: waiting.length }));
}

/** The pointer left: make the moves that waited. */
export function release(list) {
  const waiting = holds.get(list.id) ?? [];
  holds.delete(list.id);
  for (const move of waiting) move();
}

function keyOf(element, root) {
  return [...root.querySelectorAll("a, button, input")].indexOf(element);
}

function find(root, key) {
  return key < 0 ? root : root.querySelectorAll("a, button, input")[key];
}
