// One live session over a WebSocket that comes back when it is lost; what was sent last is sent again.

const REMEMBERED = 30; // seconds of audio
const ASK = 5, BEHIND = 10; // seconds without news after which the server is asked how far it is, and counts as behind
const PAUSES = [100, 300, 700, 1000, 2000], PATIENCE = 30000; // milliseconds
const FOR_GOOD = new Set(["bad_request", "bad_audio", "unauthorized", "forbidden", "not_found", "too_large", "gone", "idle",
  "too_many"]);

export class Connection {
  /** `told(event)` gets every message; `state(text)` and `failed(text)` what a person should know. */
  constructor(rate, maxSpeakers, words, token, {told, state, failed}) {
    this.opening = {format: "pcm_s16le", sample_rate: rate, channels: 1, max_speakers: maxSpeakers, words};
    Object.assign(this, {rate, token, told, state, failed});
    this.session = null;
    this.lastSeq = this.known = 0; // `known`: seconds of audio that the server has told of
    this.asked = false;
    this.kept = []; // blocks that were sent last
    this.keptBytes = this.sentBytes = 0;
    this.closing = this.over = false;
    this.lostAt = performance.now();
    this.attempts = 0;
    this.times = []; // [seconds of audio, when sent]
  }

  async open() {
    let ticket;
    try {
      ticket = await this.ticket();
    } catch (problem) {
      if (problem.forGood) return this.fail(problem.message);
      return this.again();
    }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const path = new URL("v1/live", location.href);
    this.socket = new WebSocket(`${scheme}://${path.host}${path.pathname}?ticket=${encodeURIComponent(ticket)}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.opened();
    this.socket.onmessage = message => this.received(JSON.parse(message.data));
    this.socket.onclose = () => { if (!this.over) this.again(); };
  }

  async ticket() {
    const headers = this.token ? {Authorization: `Bearer ${this.token}`} : {};
    const answer = await fetch("v1/live", {method: "POST", headers});
    const body = await answer.json();
    if (answer.ok) return body.ticket;
    throw Object.assign(new Error(body.message), {forGood: FOR_GOOD.has(body.code)});
  }

  opened() {
    const position = (this.sentBytes - this.keptBytes) / 2 / this.rate;
    const first = this.session === null ? {type: "start", ...this.opening}
      : {type: "resume", session: this.session, last_seq: this.lastSeq, position, ...this.opening};
    this.socket.send(JSON.stringify(first));
    for (const block of this.kept) this.socket.send(block);
    if (this.closing) this.control({type: "CloseStream"});
    this.attempts = 0;
    this.asked = false;
    this.lostAt = performance.now();
    this.state("");
  }

  received(event) {
    if (event.type === "snapshot") [this.session, this.asked] = [event.session, false];
    this.known = Math.max(this.known, event.time || event.received_seconds || 0);
    if (event.type === "error" && FOR_GOOD.has(event.code)) return this.fail(event.message);
    if (event.seq) this.lastSeq = Math.max(this.lastSeq, event.seq);
    this.told(event);
    if (event.type === "session.ended") this.close();
  }

  /** Send 0.1 s of audio; while there is no connection, keep it. */
  send(block) {
    this.kept.push(block);
    this.keptBytes += block.byteLength;
    this.sentBytes += block.byteLength;
    this.times.push([this.sentBytes / 2 / this.rate, performance.now()]);
    if (this.times.length > 1200) this.times.shift();
    while (this.keptBytes - this.kept[0].byteLength > REMEMBERED * 2 * this.rate) this.keptBytes -= this.kept.shift().byteLength;
    if (this.ready()) this.socket.send(block);
  }

  /** Send a control message; returns false while there is no connection. */
  control(message) {
    if (message.type === "CloseStream") this.closing = true;
    if (!this.ready()) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Seconds of audio sent, and seconds since a moment of it was sent. */
  get seconds() { return this.sentBytes / 2 / this.rate; }

  /** Seconds that the server has heard: what was sent, unless it is behind. */
  get heard() {
    const ahead = this.seconds - this.known;
    if (ahead > ASK && !this.asked && !this.closing) this.asked = this.control({type: "Snapshot"});
    return ahead > BEHIND ? this.known : this.seconds;
  }

  since(moment) {
    const entry = this.times.find(([end]) => end > moment);
    return entry ? (performance.now() - entry[1]) / 1000 : null;
  }

  waiting() { return this.ready() ? this.socket.bufferedAmount : Infinity; }

  ready() { return this.socket && this.socket.readyState === WebSocket.OPEN; }

  again() {
    if (this.over) return;
    if (performance.now() - this.lostAt > PATIENCE) return this.fail("The server cannot be reached.");
    this.state("The connection was lost; trying again.");
    setTimeout(() => this.open(), PAUSES[Math.min(this.attempts++, PAUSES.length - 1)]);
  }

  fail(text) {
    this.close();
    this.failed(text);
  }

  close() {
    this.over = true;
    if (this.socket) this.socket.close();
  }
}
