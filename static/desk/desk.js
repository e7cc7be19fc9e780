// The desk's entry: ties the socket, the drawing and the elements together.
import { live } from "../shared/live.js";
import { current, fill } from "../shared/times.js";
import "../shared/ask.js";
import "./rp-connection.js";
import "./rp-list.js";
import "./rp-feed.js";
import "./rp-composer.js";
import "./rp-keys.js";
import "./menus.js";
import "./refresh.js";

function watchPage(at) {
  const list = document.getElementById("list-pane");
  const open = current();
  live.watch({ views: list ? [list.dataset.view] : [], conversations: open ? [open] : [], at });
}

function opened() {
  const pane = document.getElementById("thread-pane");
  if (!pane) return;
  document.querySelector(".app").dataset.pane = pane.dataset.conversation ? "thread" : "list";
  watchPage(Number(pane.dataset.seq));
  fill();
}

document.addEventListener("rp:drawn", fill);
document.addEventListener("htmx:after:swap", opened);
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-back]")) {
    event.preventDefault();
    document.querySelector(".app").dataset.pane = "list";
  }
});

// A list that was scrolled and a text half typed are worth more than a new build: reload only when nobody is here.
document.addEventListener("rp:old-build", () => {
  const idle = () => document.hidden && ![...document.querySelectorAll("textarea")].some((t) => t.value);
  const timer = setInterval(() => { if (idle()) { clearInterval(timer); location.reload(); } }, 5000);
});

fill();
watchPage(live.cursor);
live.start();
