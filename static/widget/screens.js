// Home, chat and "What we keep": which one stands, the heads, the composer, the bar.

import { brief } from "./words.js";
import { Log } from "./view.js";

const LONGEST = 8000; // characters, as the server counts them
const TYPING_MS = 3000;
const BAR_MS = 2000; // a line that is back sooner is nobody's business
const TALLEST = 140;

export class Screens {
  /** `on` has: send(text), typing(), close(), retry(client_id), shown(), forget(). */
  constructor(on) {
    const at = (name) => document.querySelector(`[data-${name}]`);
    const names = ["home", "chat", "keep", "bar", "form", "text", "hint", "who", "state", "face", "start", "last", "ended", "forgot"];
    for (const name of names) this[name] = at(name);
    Object.assign(this, { on, words: document.body.dataset, isFull: false, toldAt: 0 });
    this.log = new Log(at("log"), this.words, (id) => on.retry(id));
    for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => on.close());
    this.start.addEventListener("click", () => { this.show("chat"); this.focus(); });
    this.last.addEventListener("click", () => { this.show("chat"); this.focus(); });
    at("back").addEventListener("click", () => { this.show("home"); this.start.focus(); });
    at("what").addEventListener("click", () => this.keeping(true));
    at("known").addEventListener("click", () => this.keeping(false));
    at("forget").addEventListener("click", () => { on.forget(); this.forgot.hidden = false; });
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.text.addEventListener("input", () => this.typed(true));
    this.text.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  show(name) {
    this.home.hidden = name !== "home";
    this.chat.hidden = name !== "chat";
    if (name === "chat") { this.grow(); this.log.toEnd(); }
    this.on.shown();
  }

  get isChat() { return !this.chat.hidden; }

  /** On a phone the keyboard would cover half of what is to be read first, so there the log has the focus. */
  focus() {
    const target = !this.keep.hidden ? this.keep.querySelector("button") : !this.isChat ? this.start : this.isFull || this.form.hidden ? this.log.scroller : this.text;
    target.focus({ preventScroll: true });
  }

  keeping(isOpen) {
    this.keep.hidden = !isOpen;
    this.forgot.hidden = true;
    for (const screen of [this.home, this.chat]) screen.inert = isOpen;
    if (isOpen) this.focus(); else document.querySelector("[data-what]").focus();
  }

  /** Enter sends; while an input method composes, it chooses a word (Safari says so by key code 229 only). */
  pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.send();
  }

  key(event) {
    if (event.key === "Escape" && !event.isComposing) {
      if (this.keep.hidden) this.on.close(); else this.keeping(false);
    } else if (event.key === "Tab" && this.isFull) {
      // Full screen there is nothing beside us to go to.
      const all = [...document.querySelectorAll("button, textarea, a, [tabindex]")].filter((e) => e.checkVisibility() && !e.closest("[inert]"));
      const edge = event.shiftKey ? all[0] : all.at(-1);
      if (document.activeElement === edge) { event.preventDefault(); (event.shiftKey ? all.at(-1) : all[0]).focus(); }
    }
  }

  send() {
    const text = this.text.value.trim();
    if (!text || this.isTooLong(text)) return;
    this.text.value = "";
    this.toldAt = 0;
    this.typed(false);
    this.on.send(text);
    this.log.toEnd();
  }

  typed(isTyping) {
    this.grow();
    const text = this.text.value;
    this.form.classList.toggle("ready", text.trim() !== "");
    this.isTooLong(text.trim());
    this.on.draft(text);
    const now = Date.now();
    if (isTyping && text && now - this.toldAt >= TYPING_MS) { this.toldAt = now; this.on.typing(); }
  }

  isTooLong(text) {
    const count = text.length > LONGEST ? [...text].length : text.length;
    const number = new Intl.NumberFormat(document.documentElement.lang);
    this.hint.hidden = count <= LONGEST;
    if (count > LONGEST) this.hint.textContent = this.words.long.replace("{most}", number.format(LONGEST)).replace("{now}", number.format(count));
    return count > LONGEST;
  }

  grow() {
    this.text.style.blockSize = "auto";
    this.text.style.blockSize = `${Math.min(this.text.scrollHeight, TALLEST)}px`;
  }

  /** The head's name and the card of the last conversation. `unread` is how many words of the team wait. */
  head(entries, unread) {
    const team = entries.findLast((entry) => entry.from === "team");
    const name = team?.name || "";
    this.who.textContent = name || this.words.brand;
    this.state.textContent = this.isLost ? this.words.reconnecting : name ? this.words.brand : this.words.here;
    this.avatar(this.face, team);
    const latest = entries.findLast((entry) => entry.from !== "line");
    this.last.hidden = !latest;
    this.start.querySelector("span").textContent = latest ? this.words.goOn : this.words.startChat;
    if (!latest) return;
    const card = (part) => this.last.querySelector(`[data-${part}]`);
    this.avatar(card("card-face"), team);
    card("card-name").textContent = name || this.words.brand;
    card("card-at").textContent = brief(latest.at);
    card("card-text").textContent = latest.from === "you" ? `${this.words.you}: ${latest.text}` : latest.text;
    this.last.classList.toggle("unread", unread > 0);
  }

  avatar(place, team) {
    const isPerson = Boolean(team?.initials);
    place.classList.toggle("person", isPerson);
    place.querySelector("b").textContent = isPerson ? team.initials : "";
    if (isPerson) place.style.setProperty("--h", Number(team.hue) || 0);
  }

  /** The line is there or not; the bar waits two seconds. */
  line(isUp, redraw) {
    const set = (isLost) => { this.isLost = isLost; this.bar.hidden = !isLost; redraw(); };
    if (!isUp) { this.barTimer ??= setTimeout(() => set(true), BAR_MS); return; }
    this.barTimer = clearTimeout(this.barTimer);
    if (this.isLost) set(false);
  }

  /** This chat cannot go on: say so instead of a dead box. */
  end() {
    clearTimeout(this.barTimer);
    this.bar.hidden = this.form.hidden = true;
    this.ended.hidden = false;
  }
}
