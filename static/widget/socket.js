// The visitor's line: hello, a gapless number, acks, heartbeat, reconnect. Knows nothing of the screen.

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 15000;
const BEAT_MS = 10000;
const ANSWER_MS = 5000;
const STOP = [4003]; // access to this inbox ended

export class Line {
  /** `on` has: welcome(frame, said) -> false to say hello anew, up(isUp), refusedKey(), snapshot, event, ack, refused, typing (frame), stop(). */
  constructor(url, store, on) {
    Object.assign(this, { url, store, on, tries: 0, holes: 0, isReady: false, isStopped: false, beatTimer: 0, retryTimer: 0 });
    addEventListener("online", () => this.now());
    addEventListener("offline", () => this.cut());
    addEventListener("pagehide", () => this.cut(true)); // a page kept for "back" must not hold a dead line
    addEventListener("pageshow", (event) => { if (event.persisted) this.now(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.now(); });
  }

  /** Somebody came back: do not make them wait for the next try. */
  now() {
    this.tries = 0;
    this.connect();
  }

  connect() {
    clearTimeout(this.retryTimer);
    if (this.isStopped || this.socket) return;
    const own = (this.socket = new WebSocket(this.url));
    this.retryMs = null;
    own.onopen = () => { if (own === this.socket) { this.beat(); this.hello(this.store.last); } };
    own.onmessage = (event) => { if (own === this.socket) this.receive(event.data); };
    own.onclose = (event) => { if (own === this.socket) this.lost(event.code, event.reason); };
  }

  hello(since) {
    this.said = this.store.token;
    this.awaiting = since === 0; // a snapshot answers: until it is here no event can be applied
    this.say({ t: "hello", token: this.said, epoch: this.store.epoch, since });
  }

  say(frame) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  lost(code, reason) {
    clearTimeout(this.beatTimer);
    this.socket = null;
    this.holes = 0;
    this.isReady = false;
    this.on.up(false);
    if (code === 4006 && reason !== "blocked" && this.said !== null) this.on.refusedKey();
    else if (code === 4006 || STOP.includes(code)) { this.stop(); return; }
    this.retryTimer = setTimeout(() => this.connect(), this.wait(code));
    this.tries += 1;
  }

  /** Full jitter, so that a server that comes back is not met by everybody at once. */
  wait(code) {
    if (code === 1012) return Math.random() * (this.retryMs ?? 5000);
    if (code === 1008) return 1000 + Math.random() * 29000;
    return Math.random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.tries);
  }

  stop() {
    this.isStopped = true;
    this.on.stop();
  }

  cut(isQuiet) {
    const old = this.socket;
    clearTimeout(this.retryTimer);
    if (!old) return;
    if (isQuiet) { clearTimeout(this.beatTimer); this.socket = null; this.isReady = false; } else this.lost(0, "");
    old.close();
  }

  /** Another person's key, or none: what stood on the line belongs to the old one. */
  restart() {
    this.store.last = 0;
    this.cut(true);
    this.isStopped = false;
    this.now();
  }

  end() {
    this.isStopped = true;
    this.cut(true);
  }

  /** Ten seconds of quiet: ask. Five more without any frame: the line is dead, whatever the browser believes. */
  beat() {
    clearTimeout(this.beatTimer);
    this.beatTimer = setTimeout(() => {
      this.say({ t: "ping" });
      this.beatTimer = setTimeout(() => this.cut(), ANSWER_MS);
    }, BEAT_MS);
  }

  receive(text) {
    this.beat();
    let frame;
    try { frame = JSON.parse(text); } catch { return; }
    if (frame?.t === "welcome") this.welcome(frame);
    else if (frame?.t === "snapshot") this.snapshot(frame);
    else if (frame?.t === "event") this.event(frame);
    else if (frame?.t === "bye") this.retryMs = frame.retry_ms;
    else if (["ack", "refused", "typing"].includes(frame?.t)) this.on[frame.t](frame);
    // Unknown kinds are a newer server's: a page that was opened before an upgrade goes on.
  }

  welcome(frame) {
    this.tries = 0;
    if (!this.on.welcome(frame, this.said)) { this.restart(); return; }
    this.isReady = true;
    this.on.up(true);
  }

  snapshot(frame) {
    this.holes = 0;
    this.awaiting = false;
    this.store.last = frame.head;
    this.on.snapshot(frame);
  }

  /** Only the next number is applied. A hole is asked for once; at the second one everything is asked for. */
  event(frame) {
    if (frame.n <= this.store.last) return;
    if (frame.n === this.store.last + 1) {
      this.holes = 0;
      this.awaiting = false;
      this.store.last = frame.n;
      this.on.event(frame);
    } else if (!this.awaiting) {
      this.holes += 1;
      if (this.holes === 1) this.say({ t: "since", n: this.store.last });
      else this.hello(0);
    }
  }
}
