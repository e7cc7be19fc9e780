// What this browser keeps, in the frame's own partition: the visitor's key, and each message that is not taken yet.
// Every unsent message is an item of its own, so that two tabs can never overwrite each other's.

export class Store {
  /** `on` has: changed() the unsent messages changed in another tab; moved() another tab has a key, or forgot it. */
  constructor(inbox, on) {
    this.name = `rapport.${inbox}`;
    this.box = new Map(); // client id -> unsent message; the truth here, storage is its copy
    this.token = null;
    this.epoch = null;
    this.isKept = false; // whether storage holds the key: not before the person wrote something
    this.last = 0; // the transcript lives on the screen only, so each page begins at nought
    this.read();
    addEventListener("storage", (event) => this.told(event, on));
  }

  read() {
    const state = parsed(attempt(() => localStorage.getItem(this.name)));
    this.token = typeof state?.token === "string" ? state.token : null;
    this.epoch = typeof state?.epoch === "string" ? state.epoch : null;
    this.isKept = this.token !== null;
    this.box.clear();
    const names = attempt(() => Object.keys(localStorage)) ?? [];
    for (const name of names) if (name.startsWith(`${this.name}.out.`)) this.take(attempt(() => localStorage.getItem(name)));
  }

  take(text) {
    const message = parsed(text);
    if (typeof message?.client_id === "string" && typeof message.text === "string") this.box.set(message.client_id, message);
  }

  told(event, on) {
    if (event.storageArea && event.storageArea !== attempt(() => localStorage)) return;
    if (event.key === null || event.key === this.name) {
      const before = this.isKept;
      const state = parsed(event.key && event.newValue);
      if (!state) { if (before) { this.read(); on.moved(); } return; }
      // A fresh token for the same key is only renewed; a key where we had none was made by another tab.
      this.read();
      if (!before) on.moved();
    } else if (event.key.startsWith(`${this.name}.out.`)) {
      if (event.newValue === null) this.box.delete(event.key.slice(this.name.length + 5));
      else this.take(event.newValue);
      on.changed();
    }
  }

  /** The key of a welcome. False when another tab has put one down meanwhile: that one is this person's. */
  welcome({ token, epoch }, said) {
    const state = parsed(attempt(() => localStorage.getItem(this.name)));
    if (said === null && state?.token) { this.read(); return false; }
    Object.assign(this, { token, epoch });
    if (this.isKept || this.box.size) this.keep();
    return true;
  }

  /** To be asked before anything is sent: the key must be down first, or a reload would send as somebody else. */
  claim() {
    if (this.isKept) return true;
    const state = parsed(attempt(() => localStorage.getItem(this.name)));
    if (state?.token) { this.read(); return false; }
    this.keep();
    return true;
  }

  /** The server refused the key: begin without one. What waits here still waits. */
  dropKey() {
    attempt(() => localStorage.removeItem(this.name));
    Object.assign(this, { token: null, epoch: null, isKept: false, last: 0 });
  }

  keep() {
    this.isKept = true;
    this.write(this.name, { token: this.token, epoch: this.epoch });
  }

  /** Unsent messages, oldest first. */
  get outbox() {
    return [...this.box.values()].sort((a, b) => (a.at < b.at ? -1 : 1));
  }

  add(message) {
    this.box.set(message.client_id, message);
    this.write(`${this.name}.out.${message.client_id}`, message);
  }

  drop(client_id) {
    if (this.box.delete(client_id)) attempt(() => localStorage.removeItem(`${this.name}.out.${client_id}`));
  }

  write(name, value) {
    attempt(() => localStorage.setItem(name, JSON.stringify(value)));
  }

  /** What is typed and not sent stays through a reload, in this tab alone. */
  get draft() { return attempt(() => sessionStorage.getItem(`${this.name}.draft`)) ?? ""; }

  set draft(text) {
    attempt(() => (text ? sessionStorage.setItem(`${this.name}.draft`, text) : sessionStorage.removeItem(`${this.name}.draft`)));
  }

  forget() {
    for (const id of [...this.box.keys()]) this.drop(id);
    this.draft = "";
    this.dropKey();
  }
}

/** Storage may be blocked or full: then this page's memory must do. */
function attempt(act) {
  try { return act(); } catch { return null; }
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return null; }
}
