// The only file on a customer's site: a button, and on its press a frame. No cookie, no storage, no request before that.
(() => {
  const script = document.currentScript;
  if (window.rapport || !script) return;
  const origin = new URL(script.src).origin;
  const { inbox, accent, label } = script.dataset;
  let host, button, frame, isOpen = false, unread = 0, isReady = false;

  const page = () => {
    const allowed = new URLSearchParams();
    for (const [k, v] of new URLSearchParams(location.search)) if (/^utm_[a-z]+$/.test(k)) allowed.set(k, v.slice(0, 200));
    const query = allowed.toString();
    return { url: location.origin + location.pathname + (query ? `?${query}` : ""), title: document.title.slice(0, 200) };
  };
  const say = (kind, data) => isReady && frame.contentWindow.postMessage({ rapport: kind, ...data }, origin);
  const mark = () => {
    button.setAttribute("aria-expanded", String(isOpen));
    button.dataset.unread = !isOpen && unread ? String(Math.min(unread, 99)) : "";
  };

  function build() {
    host = document.createElement("div");
    const root = host.attachShadow({ mode: "closed" });
    const style = new CSSStyleSheet();
    style.replaceSync(`:host{all:initial}button{position:fixed;z-index:2147483000;inset-block-end:20px;inset-inline-end:20px;inline-size:56px;block-size:56px;border:0;border-radius:50%;cursor:pointer;background:var(--a);color:#fff;display:grid;place-items:center;box-shadow:0 2px 6px #0003,0 10px 28px #0003}button:focus-visible{outline:3px solid var(--a);outline-offset:3px}button[data-unread]:not([data-unread=""])::after{content:attr(data-unread);position:absolute;inset-block-start:-2px;inset-inline-end:-2px;min-inline-size:21px;block-size:21px;border-radius:11px;background:#c51d24;font:600 12px/21px system-ui}iframe{position:fixed;z-index:2147483000;inset-block-end:92px;inset-inline-end:20px;inline-size:376px;block-size:min(640px,100dvh - 132px);border:0;border-radius:20px;box-shadow:0 8px 20px #0002,0 28px 70px #0003;color-scheme:light dark}[hidden]{display:none}@media(max-width:479px){iframe{inset:0;inline-size:100%;block-size:100%;border-radius:0}}`);
    root.adoptedStyleSheets = [style];
    button = document.createElement("button");
    button.type = "button";
    button.style.setProperty("--a", accent || "#3350c8");
    button.setAttribute("aria-label", label || "Chat");
    button.innerHTML = '<svg width="26" height="26" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M7.9 20A9 9 0 1 0 4 16.1L2 22Z"/></svg>';
    button.onclick = () => (isOpen ? close() : open());
    root.append(button);
    host.root = root;
    document.body.append(host);
    mark();
  }

  function open() {
    if (!host) build();
    if (!frame) {
      frame = document.createElement("iframe");
      frame.title = label || "Chat";
      frame.src = `${origin}/widget/${encodeURIComponent(inbox)}/frame`;
      frame.allow = "clipboard-write";
      host.root.append(frame);
    }
    frame.hidden = false;
    isOpen = true;
    unread = 0;
    mark();
    say("open", { page: page() });
  }

  function close() {
    if (!frame) return;
    frame.hidden = true;
    isOpen = false;
    mark();
    say("close");
    button.focus();
  }

  addEventListener("message", (event) => {
    if (event.origin !== origin || !frame || event.source !== frame.contentWindow) return;
    const kind = event.data?.rapport;
    if (kind === "ready") { isReady = true; say(isOpen ? "open" : "close", { page: page() }); }
    else if (kind === "close") close();
    else if (kind === "unread" && Number.isInteger(event.data.count)) { unread = event.data.count; mark(); }
  });

  window.rapport = (act) => {
    if (act === "open") open();
    else if (act === "close") close();
    else if (act === "shutdown") { host?.remove(); host = frame = undefined; isOpen = isReady = false; }
  };
  if (document.body) build(); else addEventListener("DOMContentLoaded", build);
})();
