// The bar that says how the line is. Appears after two seconds without one.
import { live } from "../shared/live.js";

const PATIENCE_MS = 2000;

class Connection extends HTMLElement {
  connectedCallback() {
    this.since = 0;
    document.addEventListener("rp:line", (event) => this.line(event.detail.state));
    document.addEventListener("rp:outbox", (event) => { this.waiting = event.detail; this.count(); });
    this.addEventListener("click", (event) => { if (event.target.closest("[data-now]")) live.now(); });
    this.waiting = 0;
  }

  line(state) {
    clearTimeout(this.timer);
    if (state === "lost") this.timer = setTimeout(() => this.show("offline"), this.hidden ? PATIENCE_MS : 0);
    else if (state === "signed-out") this.show("signed-out");
    else if (!this.hidden) {
      this.show("back");
      this.timer = setTimeout(() => { this.hidden = true; }, 3000);
    }
  }

  show(state) {
    const words = this.querySelector(`template[data-state="${state}"]`);
    for (const child of [...this.children]) if (child.localName !== "template") child.remove();
    this.append(words.content.cloneNode(true));
    this.classList.toggle("back-again", state === "back");
    this.hidden = false;
    this.count();
  }

  count() {
    const place = this.querySelector("[data-waiting]");
    if (place) place.textContent = this.waiting ? `${this.waiting} ✉` : "";
  }
}

customElements.define("rp-connection", Connection);
