// The visitor's line: hello, a gapless number, acks, reconnect. Knows nothing of the screen.

const FIRST_RETRY_MS = 300;
const LONGEST_RETRY_MS = 15000;
const BEAT_MS = 8000;
const ANSWER_MS = 5000;

export class Line {
  /** `on` has: snapshot(frame), event(frame), ack(frame), refused(frame), typing(frame), welcome(frame), line(isUp), stop(). */
  constructor(url, memory, on) {
    Object.assign(this, { url, memory, on, tries: 0, holes: 0, heardAt: 0, isReady: false });
    setInterval(() => this.beat(), 1000);
    addEventListener("online", () => this.now());
    addEventListener("offline", () => this.cut());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.now(); });
  }

  now() {
    this.tries = 0;
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    if (this.isStopped || (this.socket && this.socket.readyState <= WebSocket.OPEN)) return;
    const own = (this.socket = new WebSocket(this.url));
    own.onopen = () => this.hello(this.memory.last);
    own.onmessage = (event) => { if (own === this.socket) this.receive(event.data); };
    own.onclose = (event) => { if (own === this.socket) this.lost(event.code); };
  }

  hello(since) {
    this.say({ t: "hello", token: this.memory.token, epoch: this.memory.epoch, since });
  }

  say(frame) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  lost(code) {
    this.socket = null;
    this.isReady = false;
    this.on.line(false);
    if (code === 4006) { this.isStopped = true; this.on.stop(); return; }
    const wait = Math.random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.tries);
    this.tries += 1;
    this.timer = setTimeout(() => this.connect(), wait);
  }

  cut() {
    const old = this.socket;
    if (!old) return;
    this.lost(0);
    old.close();
  }

  beat() {
    const quiet = Date.now() - this.heardAt;
    if (!this.isReady || quiet < BEAT_MS) return;
    if (quiet > BEAT_MS + ANSWER_MS) this.cut();
    else this.say({ t: "ping" });
  }

  receive(text) {
    this.heardAt = Date.now();
    let frame;
    try { frame = JSON.parse(text); } catch { return; }
    if (frame.t === "welcome") this.welcome(frame);
    else if (frame.t === "snapshot") this.snapshot(frame);
    else if (frame.t === "event") this.event(frame);
    else if (["ack", "refused", "typing"].includes(frame.t)) this.on[frame.t](frame);
  }

  welcome(frame) {
    this.isReady = true;
    this.tries = 0;
    this.memory.keep({ token: frame.token, epoch: frame.epoch });
    this.on.welcome(frame);
    this.on.line(true);
  }

  snapshot(frame) {
    this.holes = 0;
    this.memory.keep({ last: frame.head });
    this.on.snapshot(frame);
  }

  /** Only the next number is applied; a hole is asked for once, a second one starts over. */
  event(frame) {
    if (frame.n <= this.memory.last) return;
    if (frame.n !== this.memory.last + 1) {
      this.holes += 1;
      if (this.holes === 1) this.say({ t: "since", n: this.memory.last });
      else { this.memory.keep({ last: 0 }); this.hello(0); }
      return;
    }
    this.holes = 0;
    this.memory.keep({ last: frame.n });
    this.on.event(frame);
  }
}
