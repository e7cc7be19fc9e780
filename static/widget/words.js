// How times and people's words become elements. Words only ever become text.

const root = document.documentElement;
const language = root.lang || undefined;
const clocks = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const days = new Intl.DateTimeFormat(language, { weekday: "short", day: "numeric", month: "short" });
const near = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const LINK = /https?:\/\/[^\s<>"'`\u200b-\u200f\u202a-\u202e\u2066-\u2069]+[^\s<>"'`.,;:!?)\]}\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g;

export const clock = (at) => clocks.format(new Date(at));

/** "Today", "Yesterday", "Mon, 24 Nov". */
export function day(at) {
  const date = new Date(at);
  const ago = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86400000);
  const text = ago === 0 || ago === 1 ? near.format(-ago, "day") : days.format(date);
  return text.charAt(0).toLocaleUpperCase(language) + text.slice(1);
}

/** Today's as a time, others as a day. */
export const brief = (at) => (new Date(at).toDateString() === new Date().toDateString() ? clock(at) : day(at));

/** A sentence of the page with a name in it, kept apart so that no script of it turns the sentence round. */
export const phrase = (key, name) => document.body.dataset[key].replace("{name}", () => `\u2068${name}\u2069`);

export function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A shape of the page's sprite; for eyes only. */
export function icon(name, size) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** The text, its web addresses as links. One that hides its host behind a user name stays text. */
export function fill(element, text) {
  let last = 0;
  for (const { 0: found, index } of text.matchAll(LINK)) {
    if (!URL.canParse(found) || new URL(found).username) continue;
    const link = make("a", "", found);
    link.href = found;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.dir = "ltr";
    element.append(text.slice(last, index), link);
    last = index + found.length;
  }
  element.append(text.slice(last));
}

/** White on the accent where that can be read, else black: of the two one always has 4.5 : 1. */
export function paint({ accent }) {
  if (!/^#[0-9a-f]{6}$/i.test(accent ?? "")) return;
  const part = (at) => {
    const value = parseInt(accent.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const light = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
  root.style.setProperty("--acc", accent);
  root.style.setProperty("--on-acc", 1.05 / (light + 0.05) >= 4.5 ? "#fff" : "#000");
}
