// Writing: the bubble appears at once, goes out once, and nothing typed is ever lost.
import { live } from "../shared/live.js";
import { add, drop, forConversation } from "./outbox.js";

const TYPING_MS = 3000;

class Composer extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.area = this.querySelector("textarea");
    this.conversation = this.dataset.conversation;
    this.restore();
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    this.area.addEventListener("input", () => this.typed());
    this.area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !event.isComposing) { event.preventDefault(); this.submit(); }
      if (event.key === "Escape") this.area.blur();
    });
    this.form.addEventListener("change", () => this.restore());
    this.onOutbox = () => this.show();
    document.addEventListener("rp:outbox", this.onOutbox);
    document.addEventListener("rp:drawn", this.onOutbox);
    this.show();
  }

  disconnectedCallback() {
    document.removeEventListener("rp:outbox", this.onOutbox);
    document.removeEventListener("rp:drawn", this.onOutbox);
  }

  get paper() { return this.form.elements.paper.value; }
  get draft() { return `rp.draft.${document.body.dataset.seat}.${this.conversation}.${this.paper}`; }

  restore() {
    this.area.value = localStorage.getItem(this.draft) ?? "";
    this.grow();
  }

  typed() {
    if (this.area.value) localStorage.setItem(this.draft, this.area.value);
    else localStorage.removeItem(this.draft);
    this.grow();
    const now = Date.now();
    if (this.area.value && now - (this.toldAt ?? 0) > TYPING_MS) {
      this.toldAt = now;
      live.send({ t: "typing", conversation: this.conversation, paper: this.paper });
    }
  }

  grow() {
    this.area.style.blockSize = "auto";
    this.area.style.blockSize = `${this.area.scrollHeight}px`;
  }

  submit() {
    const body = this.area.value;
    if (!body.trim()) return;
    localStorage.removeItem(this.draft);
    this.area.value = "";
    this.grow();
    add({ conversation: this.conversation, url: this.form.getAttribute("action"), paper: this.paper, body });
    const feed = document.getElementById(`feed-${this.conversation}`);
    feed.scrollTop = feed.scrollHeight;
  }

  /** Draw what is not taken yet; an entry whose real bubble arrived is done. */
  show() {
    const feed = document.getElementById(`feed-${this.conversation}`);
    if (!feed) return;
    for (const old of feed.querySelectorAll("[data-unsent]")) old.remove();
    const template = this.querySelector("template[data-bubble]");
    for (const entry of forConversation(this.conversation)) {
      if (feed.querySelector(`[data-client="${entry.client_id}"]`)) continue;
      const bubble = template.content.firstElementChild.cloneNode(true);
      bubble.dataset.unsent = entry.client_id;
      if (entry.paper === "note") bubble.className = "note";
      bubble.querySelector("[data-body]").textContent = entry.body;
      const state = bubble.querySelector("[data-state]");
      const words = template.dataset;
      if (entry.reason) {
        bubble.classList.replace("pending", "failed");
        state.textContent = `${words.textFailed}: ${entry.reason} `;
        state.append(this.button(words.textDelete, () => drop(entry.client_id)));
      } else state.textContent = live.isLive ? words.textSending : words.textWaiting;
      feed.append(bubble);
    }
  }

  button(text, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.onclick = act;
    return made;
  }
}

customElements.define("rp-composer", Composer);
