// A list: more rows when its end comes near, and nothing moves under the pointer.
import { release } from "../shared/draw.js";
import { fill } from "../shared/times.js";

class List extends HTMLElement {
  connectedCallback() {
    this.addEventListener("scroll", () => this.more(), { passive: true });
    this.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") this.rows.classList.add("rows-held"); });
    this.addEventListener("pointerleave", () => this.letGo());
    this.addEventListener("rp:held", (event) => this.say(event.detail));
    this.pill?.addEventListener("click", () => { this.letGo(); this.scrollTop = 0; });
  }

  get rows() { return this.querySelector("ul"); }
  get pill() { return this.parentElement.querySelector("[data-held]"); }

  letGo() {
    this.rows.classList.remove("rows-held");
    release(this.rows);
    if (this.pill) this.pill.hidden = true;
    fill();
  }

  say(count) {
    if (!this.pill) return;
    this.pill.textContent = `${count} ↑`;
    this.pill.hidden = false;
  }

  async more() {
    const until = this.rows.dataset.until;
    if (!until || this.isAsking || this.scrollTop + this.clientHeight * 2 < this.scrollHeight) return;
    this.isAsking = true;
    try {
      const [name, filter] = this.rows.id.slice(5).split(".");
      const slug = document.body.dataset.workspace;
      const answer = await fetch(`/w/${slug}/rows/${name}?filter=${filter}&after=${encodeURIComponent(until)}`);
      if (!answer.ok) return;
      const box = document.createElement("template");
      box.innerHTML = await answer.text();
      const end = box.content.querySelector("[data-marks]");
      for (const row of [...box.content.querySelectorAll("li")]) if (!document.getElementById(row.id)) this.rows.append(row);
      this.append(end);
      this.rows.dataset.until = end.dataset.until;
      window.htmx?.process(this.rows);
      fill();
    } finally { this.isAsking = false; }
  }
}

customElements.define("rp-list", List);
