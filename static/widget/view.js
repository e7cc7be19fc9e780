// The log: bubbles, runs, days, and what has happened to each of one's own messages.

import { brief, clock, day, fill, icon, make, phrase } from "./words.js";

const RUN_MS = 3 * 60000;
const PAUSE_MS = 60 * 60000; // after a longer silence the time is told anew
const NEAR_END = 80;

export class Log {
  constructor(scroller, words, onRetry) {
    Object.assign(this, { scroller, words, onRetry });
    const at = (name) => scroller.querySelector(`[data-${name}]`);
    this.items = at("items");
    this.dots = at("typing");
    this.pill = scroller.parentElement.querySelector("[data-pill]");
    this.drawn = new Map();
    this.pill.addEventListener("click", () => this.toEnd());
    scroller.addEventListener("scroll", () => {
      this.wasNearEnd = this.isNearEnd();
      if (this.wasNearEnd) this.pill.hidden = true;
    });
    // A keyboard that opens must not hide the last words.
    new ResizeObserver(() => { if (this.wasNearEnd) this.toEnd(); }).observe(scroller);
    this.wasNearEnd = true;
  }

  /**
   * Entries in their order; `facts` has teamRead, seenAt, isUp, status. What stands already is kept as it is:
   * a screen reader says additions, and must not say everything again.
   */
  draw(entries, facts) {
    const stay = this.isNearEnd();
    const nodes = [];
    const keys = new Set();
    const put = (key, build) => {
      keys.add(key);
      if (!this.drawn.has(key)) this.drawn.set(key, build());
      nodes.push(this.drawn.get(key));
      return this.drawn.get(key);
    };
    const lastOwn = entries.findLast((entry) => entry.from === "you");
    let run = null; // the bubble before, while the same person goes on
    let told = null; // when the time was last told, or a word said
    let who = "";
    for (const entry of entries) {
      const key = entry.client_id || entry.id;
      if (entry.from === "line") { put(key, () => make("p", "line", entry.text)); run = null; continue; }
      if (told === null || day(told) !== day(entry.at) || new Date(entry.at) - new Date(told) > PAUSE_MS) {
        put(`at ${key}`, () => make("h2", "day", `${day(entry.at)}, ${clock(entry.at)}`));
        run = null;
      }
      told = entry.at;
      if (entry.from === "team" && entry.name && entry.name !== who) {
        who = entry.name;
        put(`who ${key}`, () => make("p", "line", phrase("answers", who)));
        run = null;
      }
      const isRun = run && run.from === entry.from && new Date(entry.at) - new Date(run.at) < RUN_MS;
      if (isRun) run.node.classList.remove("tail");
      const node = put(key, () => this.bubble(entry));
      node.classList.toggle("run", Boolean(isRun));
      node.classList.add("tail");
      node.dataset.state = entry.state;
      this.meta(node, entry, entry === lastOwn, facts);
      run = { ...entry, node };
    }
    if (facts.status === "resolved") nodes.push(this.settled());
    for (const key of this.drawn.keys()) if (!keys.has(key)) this.drawn.delete(key);
    this.arrange(nodes);
    if (stay) this.toEnd();
  }

  settled() {
    this.settledLine ??= make("p", "line", this.words.settled);
    return this.settledLine;
  }

  arrange(nodes) {
    const wanted = new Set(nodes);
    for (const node of [...this.items.children]) if (!wanted.has(node)) node.remove();
    nodes.forEach((node, at) => {
      const now = this.items.children[at];
      if (now !== node) this.items.insertBefore(node, now ?? null);
    });
  }

  bubble(entry) {
    const item = make("article", `said ${entry.from === "you" ? "you" : "team"}`);
    const speaker = make("span", "vh", `${entry.from === "you" ? this.words.you : entry.name || this.words.team}, ${brief(entry.at)}: `);
    speaker.dir = "auto";
    const words = make("p", "bubble");
    words.dir = "auto";
    fill(words, entry.text ?? "");
    const meta = make("p", "meta");
    meta.ariaLive = "off"; // "Seen" is for the eyes; spoken, it would interrupt
    item.append(speaker, words, meta);
    return item;
  }

  /** One line of state, under the last own message only; under each one that is not sent. */
  meta(node, entry, isLastOwn, { teamRead, seenAt, isUp }) {
    const words = this.words;
    let text = "";
    let mark = "";
    if (entry.from !== "you") text = "";
    else if (entry.state === "failed") [text, mark] = [`${words.failed} ${entry.reason ?? ""}`.trim(), "alert"];
    else if (entry.state === "waiting") [text, mark] = isUp ? [words.sending, ""] : [words.waiting, "clock"];
    else if (isLastOwn && entry.n <= teamRead) [text, mark] = [seenAt ? `${words.seen} ${clock(seenAt)}` : words.seen, "seen"];
    else if (isLastOwn) [text, mark] = [`${words.sent} ${clock(entry.at)}`, "sent"];
    if (entry.state === "waiting" && !isLastOwn) text = mark = "";
    const meta = node.querySelector(".meta");
    if (meta.dataset.says === text + mark) return;
    meta.dataset.says = text + mark;
    meta.replaceChildren(text);
    if (mark) meta.append(icon(mark, 14));
    if (entry.state === "failed") {
      const again = make("button", "again", words.again);
      again.type = "button";
      again.addEventListener("click", () => this.onRetry(entry.client_id));
      meta.append(again);
    }
  }

  /** `name` types; null: nobody. */
  typing(name) {
    clearTimeout(this.typingTimer);
    const stay = this.isNearEnd();
    this.dots.hidden = name === null;
    this.dots.querySelector("span").textContent = name === null ? "" : phrase("typing", name || this.words.team);
    if (name === null) return;
    if (stay) this.toEnd();
    this.typingTimer = setTimeout(() => this.typing(null), 6000);
  }

  /** Something new came while the person reads further up. */
  arrived() {
    this.pill.hidden = this.isNearEnd();
  }

  isNearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return clientHeight === 0 ? this.wasNearEnd : scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.wasNearEnd = true;
    this.pill.hidden = true;
  }
}
