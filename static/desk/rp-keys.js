// Single keys, only while no field has the focus. Each presses a control that is on the page: no key does more than a click.

const FIELD = "input, textarea, select, [contenteditable]";
const GO = { m: "mine", u: "unassigned", a: "open", s: "snoozed" };

class Keys extends HTMLElement {
  connectedCallback() {
    document.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (localStorage.getItem("rp.keys") === "off" || event.isComposing) return;
    if (event.key === "F6") { event.preventDefault(); return this.pane(event.shiftKey ? -1 : 1); }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(FIELD)) return;
    const key = event.key.toLowerCase();
    if (this.isGoing) { this.isGoing = false; return GO[key] && this.go(GO[key]); }
    const act = this.acts(event)[event.key] ?? this.acts(event)[key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  acts(event) {
    const inList = event.target.closest("rp-list") || event.target === document.body;
    const arrows = inList ? { ArrowDown: () => this.move(1), ArrowUp: () => this.move(-1) } : {};
    return {
      ...arrows,
      j: () => this.move(1),
      k: () => this.move(-1),
      u: () => document.querySelector(".row.selected .name")?.focus(),
      r: () => this.paper("reply"),
      n: () => this.paper("note"),
      e: () => this.click('[data-key="E"]'),
      z: () => this.click('#toast [data-key="Z"]'),
      h: () => this.click('[data-menu^="snooze"]'),
      a: () => this.click('[data-menu^="assign"]'),
      i: () => this.click('[data-assign="me"]'),
      "/": () => document.querySelector(".find input")?.focus(),
      g: () => { this.isGoing = true; },
    };
  }

  move(step) {
    const rows = [...document.querySelectorAll("rp-list .row .name")];
    const at = rows.findIndex((r) => r === document.activeElement);
    const from = at >= 0 ? at : rows.findIndex((r) => r.closest(".selected")) - (step > 0 ? 0 : 0);
    const next = rows[Math.max(0, Math.min(rows.length - 1, from + step))];
    next?.focus();
    next?.closest(".row").scrollIntoView({ block: "nearest" });
  }

  paper(name) {
    const choice = document.querySelector(`.composer [value="${name}"]`);
    if (!choice) return;
    choice.click();
    document.querySelector(".composer textarea").focus();
  }

  click(selector) { const found = document.querySelector(selector); if (found && !found.hidden) found.click(); }

  go(name) { document.querySelector(`.rail a[href$="/inbox/${name}"]`)?.click(); }

  pane(step) {
    const panes = [".rail a", "rp-list .name", "rp-feed", ".side"].map((s) => document.querySelector(s)).filter(Boolean);
    const at = panes.findIndex((p) => p === document.activeElement || p.closest("nav, section, main, aside")?.contains(document.activeElement));
    panes[(at + step + panes.length) % panes.length]?.focus();
  }
}

customElements.define("rp-keys", Keys);
