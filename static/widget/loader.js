// The only file on a customer's site: a button and, once pressed, a frame. No request before that, no cookie.
(() => {
  const script = document.currentScript;
  if (!script || window.rapport) return; // the tag stands twice
  const { origin } = new URL(script.src);
  const { inbox, accent, label = "Chat" } = script.dataset;
  const isSmall = () => innerWidth < 480;
  let host, panel, button, frame, timer, told, isOpen, isReady, focus;

  function build() {
    if (host) return;
    host = document.createElement("div");
    const root = host.attachShadow({ mode: "closed" });
    const style = new CSSStyleSheet(); // a <style> needs leave from the site's policy
    style.replaceSync(`:host{all:initial}:host([hidden]){display:none}
button,div{position:fixed;z-index:1000000000;inset-inline-end:20px;inset-block-end:20px;box-shadow:0 0 1px #0006,0 10px 28px #0004}
button{inline-size:56px;block-size:56px;padding:16px;border:0;border-radius:50%;cursor:pointer;color:#3350c8;background:currentColor;forced-color-adjust:none}
button:focus-visible{outline:3px solid;outline-offset:3px}
button:before{content:"";display:block;block-size:24px;scale:1.2;background:#fff;clip-path:path(evenodd,"M4 11a7 7 0 0 1 7-7h2a7 7 0 0 1 0 14h-2l-4 2c-1 0-1 0-1-1l0-3A7 7 0 0 1 4 11M8 11c2 2 6 2 8 0q2 0 1 2c-2 3-8 3-10 0q-1-2 1-2")}
[aria-expanded=true]:before{clip-path:path("M5 10 6 8l6 5 6-5 1 2-7 6z")}
[data-n]:not([data-n=""]):after{content:attr(data-n);position:absolute;inset-block-start:-2px;inset-inline-end:-2px;min-inline-size:21px;border-radius:20px;background:#c51d24;color:#fff;font:600 12px/21px system-ui;box-shadow:0 0 0 2px #fff}
div{inset-block-end:92px;inline-size:376px;block-size:min(640px,100dvh - 132px);border-radius:20px;overflow:hidden;color-scheme:light dark;background:light-dark(#fff,#1e2025);animation:p .2s}
iframe{inline-size:100%;block-size:100%;border:0}
@keyframes p{0%{opacity:0;translate:0 12px}}
@media(width<480px){div{inset:0;inline-size:auto;block-size:var(--h,100dvh);border-radius:0;box-sizing:border-box;padding:env(safe-area-inset-top) 0 env(safe-area-inset-bottom)}}
@media(prefers-reduced-motion){div{animation:none}}`);
    root.adoptedStyleSheets = [style];
    button = document.createElement("button");
    button.style.color = accent;
    button.onclick = () => (isOpen ? close() : open(true));
    panel = document.createElement("div");
    panel.role = "dialog";
    panel.ariaLabel = label;
    root.append(button, panel);
    root.onkeydown = (event) => event.key === "Escape" && close();
    document.documentElement.append(host); // beside <body>, which may be swapped
    draw();
  }

  function draw(unread) {
    panel.hidden = !isOpen;
    panel.ariaModal = isSmall();
    button.ariaExpanded = !!isOpen;
    button.ariaLabel = unread ? `${label} (${unread})` : label;
    button.dataset.n = unread || "";
  }

  function open(byHand) {
    build();
    if (!frame) {
      frame = document.createElement("iframe");
      frame.title = label;
      frame.src = `${origin}/widget/${inbox}/frame?host=${location.origin}`;
      panel.append(frame);
    }
    isOpen = true;
    focus = byHand;
    draw();
    tell();
    if (byHand) frame.focus();
    timer ||= setInterval(follow, 500); // sees late titles too, and wraps nobody's history
    try { sessionStorage["rapport.open"] = 1; } catch { /* blocked */ }
  }

  function close() {
    if (!isOpen) return;
    isOpen = false;
    timer = clearInterval(timer);
    try { delete sessionStorage["rapport.open"]; } catch { /* blocked */ }
    draw();
    say("close");
    button.focus();
  }

  function say(rapport, more) {
    if (isReady) frame.contentWindow.postMessage({ rapport, ...more }, origin);
  }

  function tell() {
    say("open", { full: isSmall(), focus });
    told = "";
    follow();
  }

  // Path and campaign only: what else stands in an address may be private.
  function follow() {
    const campaign = location.search.match(/(?<=[?&])utm_(source|medium|campaign|term|content|id)=[^&]*/g) ?? [];
    const url = `${location.origin + location.pathname}?${campaign.join("&")}`, { title } = document;
    if (told !== (told = url + title)) say("page", { url, title });
  }

  addEventListener("message", (event) => {
    if (event.origin !== origin || !frame || event.source !== frame.contentWindow) return;
    const { rapport, count } = event.data;
    if (rapport === "ready") { isReady = true; if (isOpen) tell(); }
    if (rapport === "close") close();
    if (rapport === "unread" && !isOpen) draw(Math.min(count | 0, 99));
  });

  // A phone's keyboard shrinks only what is seen: the composer must stay above it.
  const seen = visualViewport;
  seen.addEventListener("resize", () => seen.scale === 1 && panel?.style.setProperty("--h", `${seen.height}px`));

  const api = {
    open: () => open(true),
    close,
    show() { build(); host.hidden = false; },
    hide() { close(); host.hidden = true; },
    shutdown() {
      close();
      say("shutdown");
      setTimeout((old) => old.remove(), 500, host); // the frame wipes what it keeps
      host.hidden = true;
      host = frame = isReady = null;
    },
  };
  window.rapport = (act) => api[act]?.();
  build();
  try { if (sessionStorage["rapport.open"] && !isSmall()) open(); } catch { /* blocked */ }
})();
