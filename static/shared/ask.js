// Changes over HTTP: one place that adds the token and turns a refusal into words.

const token = () => document.querySelector('meta[name="csrf-token"]').content;

/** Make a change. Resolves to {ok, status, message}; rejects only when there is no line. */
export async function change(method, url, fields) {
  const answer = await fetch(url, {
    method,
    headers: { "X-CSRF-Token": token(), Accept: "application/json" },
    body: fields ? new URLSearchParams(fields) : undefined,
  });
  if (answer.ok) return { ok: true, status: answer.status, message: "" };
  let message = "";
  try { message = (await answer.json()).message; } catch { message = answer.statusText; }
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("rp:line", { detail: { state: "signed-out" } }));
  return { ok: false, status: answer.status, message, retry: Number(answer.headers.get("Retry-After")) || 0 };
}

let timer = 0;

/** Say something for six seconds, with a way back where there is one. */
export function toast(text, undo) {
  const box = document.getElementById("toast");
  box.textContent = text;
  clearTimeout(timer);
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = { en: "Undo", de: "Zurück", ar: "تراجع" }[document.body.dataset.locale] ?? "Undo";
    button.dataset.key = "Z";
    button.onclick = () => { box.textContent = ""; undo(); };
    box.append(button);
  }
  timer = setTimeout(() => { if (!box.matches(":hover, :focus-within")) box.textContent = ""; }, 6000);
}

document.addEventListener("htmx:config:request", (event) => {
  event.detail.ctx.request.headers["X-CSRF-Token"] = token();
});
document.addEventListener("htmx:response:error", async (event) => {
  const { text, response } = event.detail.ctx;
  let message = String(response.status);
  try { message = JSON.parse(text).message; } catch { /* a page instead of words: the number must do */ }
  toast(message);
});
document.addEventListener("htmx:error", () => toast({ en: "No line just now. Nothing was changed.", de: "Keine Verbindung. Nichts wurde geändert.", ar: "لا اتصال الآن. لم يتغير شيء." }[document.body.dataset.locale] ?? ""));
document.addEventListener("htmx:after:request", (event) => {
  const { sourceElement, response } = event.detail.ctx;
  if (response.status >= 300 || !sourceElement.dataset.done) return;
  const undo = sourceElement.dataset.undo;
  toast(sourceElement.dataset.done, undo ? () => change("DELETE", undo) : null);
});
