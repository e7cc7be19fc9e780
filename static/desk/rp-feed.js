// The open conversation: keeps its place, says when something is new below, and notes how far it was read.
import { change } from "../shared/ask.js";
import { current, fill, marks } from "../shared/times.js";

const NEAR = 80; // pixels from the end that count as being there

class Feed extends HTMLElement {
  connectedCallback() {
    this.scrollTop = this.scrollHeight;
    this.wasAtEnd = true;
    this.addEventListener("scroll", () => this.moved(), { passive: true });
    this.addEventListener("click", (event) => this.older(event));
    this.observer = new MutationObserver((changes) => this.grew(changes));
    this.observer.observe(this, { childList: true });
    this.onSignal = (event) => this.signal(event.detail);
    this.onFocus = () => this.read();
    document.addEventListener("rp:signal", this.onSignal);
    document.addEventListener("rp:drawn", this.onFocus);
    addEventListener("focus", this.onFocus);
    this.newer?.addEventListener("click", () => { this.scrollTop = this.scrollHeight; });
    this.read();
  }

  disconnectedCallback() {
    this.observer.disconnect();
    document.removeEventListener("rp:signal", this.onSignal);
    document.removeEventListener("rp:drawn", this.onFocus);
    removeEventListener("focus", this.onFocus);
    clearTimeout(this.reading);
  }

  get newer() { return this.parentElement.querySelector("[data-newer]"); }
  get atEnd() { return this.scrollHeight - this.scrollTop - this.clientHeight < NEAR; }

  moved() {
    this.wasAtEnd = this.atEnd;
    if (this.wasAtEnd && this.newer) { this.newer.hidden = true; this.read(); }
  }

  grew(changes) {
    const isNew = changes.some((c) => [...c.addedNodes].some((n) => n.id && !this.holding));
    if (!isNew) return;
    if (this.wasAtEnd) this.scrollTop = this.scrollHeight;
    else if (this.newer) this.newer.hidden = false;
  }

  read() {
    clearTimeout(this.reading);
    this.reading = setTimeout(async () => {
      const id = current();
      const row = document.getElementById(`row-${id}`);
      const seen = this.querySelectorAll('[data-direction="inbound"]').length;
      const inbound = Math.max(Number(row?.dataset.inbound ?? 0), seen);
      if (!id || !document.hasFocus() || !this.atEnd || (marks[id] ?? 0) >= inbound) return;
      marks[id] = inbound;
      fill();
      try { await change("PUT", `/w/${document.body.dataset.workspace}/conversations/${id}/read_mark`, { inbound }); } catch { delete marks[id]; }
    }, 400);
  }

  async older(event) {
    const button = event.target.closest("[data-older]");
    if (!button) return;
    const answer = await fetch(button.dataset.older);
    if (!answer.ok) return;
    const height = this.scrollHeight - this.scrollTop;
    this.holding = true;
    const box = document.createElement("template");
    box.innerHTML = await answer.text();
    button.replaceWith(box.content);
    fill();
    this.scrollTop = this.scrollHeight - height;
    setTimeout(() => { this.holding = false; });
  }

  signal({ kind, conversation, name, agent, on, paper }) {
    if (conversation !== current()) return;
    if (kind === "typing") {
      const place = document.getElementById(`typing-${conversation}`);
      const who = paper === "customer" ? document.querySelector(`#card-person-${conversation} h3`)?.textContent : name;
      place.textContent = `${who ?? ""} ${place.dataset.text}…`;
      clearTimeout(this.typing);
      this.typing = setTimeout(() => { place.textContent = ""; }, 6000);
    } else if (kind === "viewing") this.looker(agent, name, on);
  }

  looker(agent, name, on) {
    const place = document.querySelector("[data-lookers]");
    place?.querySelector(`[data-agent="${agent}"]`)?.remove();
    if (!place || !on) return;
    const chip = document.createElement("span");
    chip.className = "chip";
    chip.dataset.agent = agent;
    chip.textContent = `👁 ${name.split(" ")[0]}`;
    place.append(chip);
  }
}

customElements.define("rp-feed", Feed);
