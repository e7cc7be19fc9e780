// What this browser keeps, in the frame's own partition: the visitor's token, the epoch, and what is not taken yet.

export class Memory {
  constructor(key) {
    this.key = `rapport.${key}`;
    this.last = 0; // the transcript lives on the screen only, so a new page begins at nought
    this.token = null;
    this.epoch = null;
    this.outbox = [];
    Object.assign(this, this.load());
    this.last = 0;
  }

  load() {
    try { return JSON.parse(localStorage.getItem(this.key)) ?? {}; } catch { return {}; }
  }

  keep(changes) {
    Object.assign(this, changes);
    // Nothing is kept of somebody who only looked: the token matters from the first message on.
    if (!this.outbox.length && !this.wrote) return;
    this.wrote = true;
    try {
      localStorage.setItem(this.key, JSON.stringify({ token: this.token, epoch: this.epoch, outbox: this.outbox, wrote: true }));
    } catch { /* storage is blocked: this page's memory must do */ }
  }
}
