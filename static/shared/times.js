// What only a browser knows: local times, elapsed times, "mine", unread. Fills them after every drawing.

const body = document.body;
const language = body.dataset.locale || "en";
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(language, { weekday: "short", hour: "2-digit", minute: "2-digit" });
const dayMonth = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
const MINUTE = 60000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WORDS = {
  en: { left: "{} left", late: "{} late", now: "now", today: "Today", until: "until {}" },
  de: { left: "noch {}", late: "{} zu spät", now: "jetzt", today: "Heute", until: "bis {}" },
  ar: { left: "بقي {}", late: "متأخر {}", now: "الآن", today: "اليوم", until: "حتى {}" },
}[language];

export const marks = {}; // conversation -> inbound messages this person has seen

function span(ms) {
  if (ms < MINUTE) return `${Math.max(1, Math.round(ms / 1000))} s`;
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} m`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${Math.round((ms % HOUR) / MINUTE)} m`;
  return `${Math.round(ms / DAY)} d`;
}

function words(moment, style, now) {
  const age = now - moment;
  if (style === "clock") return clock.format(moment);
  if (style === "day") return dayMonth.format(moment);
  if (style === "until") return WORDS.until.replace("{}", moment - now < DAY ? clock.format(moment) : weekday.format(moment));
  if (age < MINUTE) return WORDS.now;
  if (age < HOUR) return span(age);
  if (new Date(now).toDateString() === new Date(moment).toDateString()) return clock.format(moment);
  return age < 6 * DAY ? weekday.format(moment) : dayMonth.format(moment);
}

function set(element, text) { if (element.textContent !== text) element.textContent = text; }

function tick(root) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-style]")) {
    set(element, words(Date.parse(element.dateTime), element.dataset.style, now));
  }
  for (const element of root.querySelectorAll("[data-due]")) {
    const left = Date.parse(element.dataset.due) - now;
    const share = Math.max(0, Math.min(1, left / 1000 / Number(element.dataset.target)));
    element.classList.toggle("warn", left > 0 && share < 1 / 3);
    element.classList.toggle("late", left <= 0);
    if (element instanceof SVGElement) {
      element.classList.add("runs");
      element.querySelector(".rest").setAttribute("stroke-dasharray", `${left <= 0 ? 100 : Math.ceil(share * 100)} 100`);
      element.querySelector(".rest").style.strokeDasharray = `${left <= 0 ? 100 : Math.ceil(share * 100)} 100`;
    } else set(element, WORDS[left > 0 ? "left" : "late"].replace("{}", span(Math.abs(left))));
  }
}

function unread(root) {
  for (const row of root.querySelectorAll("[data-inbound]")) {
    const left = Number(row.dataset.inbound) - (marks[row.dataset.conversation] ?? 0);
    const badge = row.querySelector("[data-unread]");
    row.classList.toggle("unread", left > 0);
    badge.hidden = left <= 0;
    set(badge, left > 0 ? String(Math.min(left, 99)) : "");
    row.classList.toggle("selected", row.dataset.conversation === current());
  }
}

export function current() {
  return document.getElementById("thread-pane")?.dataset.conversation ?? "";
}

function days(feed) {
  let last = "";
  for (const day of feed.querySelectorAll("h3.day")) day.remove();
  for (const entry of [...feed.querySelectorAll("[data-at]")]) {
    const at = new Date(entry.dataset.at);
    const day = at.toDateString();
    if (day !== last) {
      const title = document.createElement("h3");
      title.className = "day";
      title.textContent = day === new Date().toDateString() ? WORDS.today : longDay.format(at);
      entry.before(title);
      last = day;
    }
    entry.classList.toggle("mine", entry.dataset.author === body.dataset.seat);
  }
}

function readMarks() {
  for (const source of document.querySelectorAll("#marks, [data-marks]")) {
    for (const [key, value] of Object.entries(JSON.parse(source.textContent || "{}"))) {
      marks[key] = Math.max(marks[key] ?? 0, value);
    }
    if (source.id !== "marks") source.remove(); else source.textContent = "{}";
  }
  for (const mark of document.querySelectorAll("[data-mark]")) marks[mark.id.slice(5)] = Number(mark.dataset.mark);
}

/** Fill everything below the page again. */
export function fill() {
  readMarks();
  tick(document);
  unread(document);
  for (const feed of document.querySelectorAll("rp-feed")) days(feed);
  for (const control of document.querySelectorAll("[data-may]")) {
    const name = control.dataset.may.replace(/_./g, (s) => s[1].toUpperCase());
    control.hidden = !(`may${name[0].toUpperCase()}${name.slice(1)}` in body.dataset);
  }
  for (const list of document.querySelectorAll("rp-list ul")) {
    const empty = list.parentElement.querySelector("[data-empty]");
    if (empty) empty.hidden = list.children.length > 0;
  }
}

setInterval(() => tick(document), 1000);
