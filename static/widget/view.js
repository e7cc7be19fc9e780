// The screen of the chat. People's words only ever become text.

const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
const LINK = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/g;
const TYPING_MS = 3000;

function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function linked(element, text) {
  let last = 0;
  for (const match of text.matchAll(LINK)) {
    element.append(text.slice(last, match.index));
    const link = make("a", "", match[0]);
    link.href = match[0];
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    element.append(link);
    last = match.index + match[0].length;
  }
  element.append(text.slice(last));
}

export class View {
  constructor(document) {
    const at = (name) => document.querySelector(`[data-${name}]`);
    Object.assign(this, { log: at("log"), bar: at("bar"), area: at("text"), form: at("form"), dots: at("typing"), who: at("who"), state: at("here"), keep: at("kept"), words: document.body.dataset });
    document.documentElement.style.setProperty("--acc", document.documentElement.dataset.accent);
    this.shown = new Map();
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.send(); }
    });
    this.area.addEventListener("input", () => this.typed());
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") this.onClose(); });
    at("close").addEventListener("click", () => this.onClose());
    at("what").addEventListener("click", () => { this.keep.hidden = !this.keep.hidden; });
  }

  send() {
    const text = this.area.value.trim();
    if (!text) return;
    this.area.value = "";
    this.typed();
    this.onSend(text);
  }

  typed() {
    this.area.style.blockSize = "auto";
    this.area.style.blockSize = `${Math.min(this.area.scrollHeight, 140)}px`;
    const now = Date.now();
    if (this.area.value && now - (this.toldAt ?? 0) > TYPING_MS) { this.toldAt = now; this.onTyping(); }
  }

  focus() { this.area.focus(); }

  line(isUp) {
    clearTimeout(this.barTimer);
    if (isUp) this.bar.hidden = true;
    else this.barTimer = setTimeout(() => { this.bar.hidden = false; }, 1500);
  }

  status(status) { this.form.dataset.status = status; }

  stop() {
    this.form.hidden = true;
    this.bar.hidden = false;
    this.bar.textContent = this.words.stopped;
  }

  typing(name) {
    clearTimeout(this.typingTimer);
    this.dots.hidden = !name;
    if (!name) return;
    this.dots.querySelector("span").textContent = name;
    this.toEnd();
    this.typingTimer = setTimeout(() => { this.dots.hidden = true; }, 6000);
  }

  /** Draw the entries in order; what is drawn already is only brought up to date. */
  draw(entries, teamRead, isUp) {
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
    const keys = new Set();
    let lastDay = "";
    let before = null;
    const parts = [];
    const lastMine = entries.filter((e) => e.from === "you" && e.state === "sent").at(-1);
    for (const entry of entries) {
      const key = entry.client_id || entry.id;
      keys.add(key);
      const date = new Date(entry.at ?? Date.now());
      if (date.toDateString() !== lastDay) { lastDay = date.toDateString(); parts.push(make("h2", "day", day.format(date))); }
      const bubble = this.shown.get(key) ?? this.bubble(entry);
      this.shown.set(key, bubble);
      bubble.classList.toggle("run", before?.from === entry.from);
      bubble.classList.toggle("waiting", entry.state === "waiting");
      bubble.querySelector(".meta").textContent = this.meta(entry, entry === lastMine, teamRead, isUp);
      parts.push(bubble);
      before = entry;
    }
    for (const key of this.shown.keys()) if (!keys.has(key)) this.shown.delete(key);
    this.put(parts);
    const team = entries.filter((e) => e.from === "team" && e.name).at(-1);
    if (team) this.who.textContent = team.name;
    if (atEnd) this.toEnd();
  }

  put(parts) {
    const now = [...this.log.children];
    if (now.length === parts.length && parts.every((p, i) => p === now[i] || (p.className === "day" && now[i].textContent === p.textContent))) return;
    this.log.replaceChildren(...parts);
  }

  meta(entry, isLastMine, teamRead, isUp) {
    if (entry.state === "failed") return `${this.words.failed} ${entry.reason ?? ""}`;
    if (entry.state === "waiting") return isUp ? this.words.sending : this.words.waiting;
    const time = clock.format(new Date(entry.at));
    if (entry.from === "team") return entry.name ? `${entry.name} · ${time}` : time;
    return isLastMine && entry.n <= teamRead ? `${this.words.seen} ${time}` : time;
  }

  bubble(entry) {
    const item = make("div", `said ${entry.from}`);
    const words = make("p", "bubble");
    words.dir = "auto";
    linked(words, entry.text ?? "");
    item.append(words, make("p", "meta"));
    return item;
  }

  toEnd() { this.log.scrollTop = this.log.scrollHeight; }
}
