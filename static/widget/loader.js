// The only file on a customer's site: a button and, once it is pressed, a frame. No cookie; no request before that.
(() => {
  const script = document.currentScript ?? document.querySelector("script[data-inbox]");
  const before = window.rapport;
  if (!script || (before && !before.q)) return; // the tag stands twice on the page
  const { origin } = new URL(script.src);
  const { inbox, accent, label = "Chat" } = script.dataset;
  const small = matchMedia("(max-width:479px)");
  let host, panel, button, badge, frame, timer, told, isOpen, isReady, isByHand;

  const make = (tag, attributes, ...children) => {
    // No innerHTML: a site with Trusted Types would refuse it.
    const svg = /svg|path/.test(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    element.append(...children);
    return element;
  };

  function build() {
    if (host) return;
    const style = new CSSStyleSheet(); // a <style> would need the site's policy to allow it
    style.replaceSync(`:host{all:initial}[hidden],:host([hidden]){display:none!important}
button,.p{position:fixed;z-index:2147483000;inset-inline-end:20px}
button{inset-block-end:20px;inline-size:56px;block-size:56px;padding:0;border:0;border-radius:50%;cursor:pointer;color:#3350c8;background:currentColor;display:grid;place-items:center;box-shadow:0 2px 6px #0003,0 10px 28px #0004}
button:focus-visible{outline:3px solid;outline-offset:3px}
svg{fill:#fff;fill:oklch(from currentColor clamp(0,(.7 - l)*999,1) 0 0);grid-area:1/1}
svg+svg,[aria-expanded=true] svg{display:none}[aria-expanded=true] svg+svg{display:block}
b{position:absolute;inset-block-start:-2px;inset-inline-end:-2px;min-inline-size:21px;box-sizing:border-box;padding-inline:4px;border-radius:11px;background:#c51d24;color:#fff;font:600 12px/21px system-ui;box-shadow:0 0 0 2.5px #fff}
.p{inset-block-end:92px;inline-size:376px;block-size:min(640px,100dvh - 132px);border-radius:20px;overflow:hidden;color-scheme:light dark;background:light-dark(#fff,#1e2025);box-shadow:0 0 0 1px #8882,0 8px 20px #0002,0 28px 70px #0004;animation:p .2s cubic-bezier(.2,.8,.2,1)}
iframe{inline-size:100%;block-size:100%;border:0;display:block}
@keyframes p{from{opacity:0;translate:0 12px}}
@media(max-width:479px){.p{inset:var(--t,0) 0 auto;inline-size:auto;block-size:var(--h,100dvh);border-radius:0;box-sizing:border-box;padding:env(safe-area-inset-top) env(safe-area-inset-right) env(safe-area-inset-bottom) env(safe-area-inset-left)}}
@media(prefers-reduced-motion:reduce){.p{animation:none}}`);
    const mark = (size, d, more) => make("svg", { width: size, height: size, viewBox: "0 0 24 24", "aria-hidden": true }, make("path", { d }), ...more);
    const line = (d, stroke) => make("path", { d, stroke, fill: "none", "stroke-width": 2, "stroke-linecap": "round" });
    badge = make("b", { hidden: "" });
    button = make("button", { type: "button" },
      mark(28, "M4 11a7 7 0 0 1 7-7h2a7 7 0 0 1 0 14h-2.2L6.6 20.4c-.5.3-1.1-.1-1-.7l.4-3A7 7 0 0 1 4 11z", [line("M8.6 11.6c1.6 2.3 5.2 2.3 6.8 0", "currentColor")]),
      mark(26, "", [line("m6 9 6 6 6-6", "#fff")]), badge);
    button.style.color = accent; // one the browser cannot read is ignored
    button.onclick = () => (isOpen ? close() : open(true));
    panel = make("div", { class: "p", role: "dialog", "aria-label": label });
    host = make("div");
    const root = host.attachShadow({ mode: "closed" });
    root.adoptedStyleSheets = [style];
    root.append(button, panel);
    root.addEventListener("keydown", (event) => event.key === "Escape" && isOpen && close());
    // Beside <body>, where no swap of the page's body and no transform on it reaches.
    document.documentElement.append(host);
    draw(0);
  }

  function draw(unread) {
    panel.hidden = !isOpen;
    panel.ariaModal = String(small.matches);
    button.setAttribute("aria-expanded", !!isOpen);
    button.setAttribute("aria-label", unread ? `${label} (${unread})` : label);
    badge.hidden = !unread;
    badge.textContent = Math.min(unread, 99);
  }

  function keep(open) {
    try { if (open) sessionStorage["rapport.open"] = 1; else delete sessionStorage["rapport.open"]; } catch { /* storage is blocked */ }
  }

  function open(byHand) {
    build();
    if (!frame) {
      frame = make("iframe", { title: label, referrerpolicy: "origin", src: `${origin}/widget/${encodeURIComponent(inbox)}/frame?host=${encodeURIComponent(location.origin)}` });
      panel.append(frame);
    }
    isOpen = true;
    isByHand = byHand;
    draw(0);
    keep(true);
    tell();
    if (byHand) frame.focus();
    timer ||= setInterval(follow, 500);
  }

  function close() {
    if (!isOpen) return;
    isOpen = false;
    timer = clearInterval(timer);
    draw(0);
    keep();
    say("close");
    button.focus();
  }

  const say = (rapport, more) => isReady && frame.contentWindow.postMessage({ rapport, ...more }, origin);
  const tell = () => { told = ""; say("open", { full: small.matches, focus: !!isByHand }); follow(); };

  /** Only the path and the names of campaigns: what else stands in an address may be private. */
  function page() {
    const url = new URL(location.href.split(/[?#]/)[0]);
    for (const [name, value] of new URLSearchParams(location.search)) {
      if (/^utm_(source|medium|campaign|term|content|id)$/.test(name)) url.searchParams.set(name, value.slice(0, 80));
    }
    return { url: url.href.slice(0, 500), title: document.title.slice(0, 200) };
  }

  // Looking twice a second, while open, sees titles that are set after a navigation and wraps nobody's history.
  function follow() {
    const now = page();
    if (told !== (told = now.url + now.title)) say("page", now);
  }

  const table = {
    ready() { isReady = true; if (isOpen) tell(); },
    close,
    unread: ({ count }) => Number.isInteger(count) && draw(isOpen || count < 0 ? 0 : count),
  };
  addEventListener("message", ({ origin: from, source, data }) => {
    if (from === origin && frame && source === frame.contentWindow && Object.hasOwn(table, data?.rapport)) table[data.rapport](data);
  });

  // A keyboard over a phone's page shrinks only what is seen of it: the composer must stay above.
  const seen = window.visualViewport;
  const fit = () => {
    if (!panel || seen.scale > 1) return;
    panel.style.setProperty("--h", `${seen.height}px`);
    panel.style.setProperty("--t", `${seen.offsetTop}px`);
  };
  seen?.addEventListener("resize", fit);
  seen?.addEventListener("scroll", fit);

  const api = {
    open: () => open(true),
    close,
    show() { build(); host.hidden = false; },
    hide() { close(); if (host) host.hidden = true; },
    shutdown() {
      keep();
      timer = clearInterval(timer);
      say("shutdown");
      const old = host;
      if (old) old.hidden = true;
      setTimeout(() => old?.remove(), 500); // the frame needs a moment to wipe what it keeps
      host = panel = frame = isOpen = isReady = undefined;
    },
  };
  const start = () => {
    build();
    try { if (sessionStorage["rapport.open"] && !small.matches) open(); } catch { /* storage is blocked */ }
    for (const args of before?.q ?? []) window.rapport(...args);
  };
  window.rapport = (act) => Object.hasOwn(api, act) && api[act]();
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
