// Lanes of the speakers: the whole recording, and the minutes around the playhead.

const WINDOWS = [30, 120, 600, Infinity]; // seconds that are shown near the playhead
const USUAL = 1;
const AHEAD = 0.1; // share of the window before the playhead when it turns

class Lanes {
  constructor(hear, seek) {
    this.whole = element("whole");
    this.near = element("near");
    this.hear = hear;
    this.seek = seek;
    this.level = USUAL;
    new ResizeObserver(() => this.draw()).observe(this.near.parentElement);
    this.near.addEventListener("click", event => this.pressed(event));
    this.near.addEventListener("pointermove", event => this.pointed(event));
    this.near.addEventListener("pointerleave", () => { element("pointed").textContent = ""; });
    this.whole.addEventListener("pointerdown", event => this.drag(event));
    this.whole.addEventListener("pointermove", event => { if (event.buttons & 1) this.drag(event); });
  }

  show(turns, people, duration, origin) {
    Object.assign(this, {turns, people, duration, origin, from: 0, time: 0});
    this.whole.setAttribute("aria-label", "the whole recording");
    this.near.setAttribute("aria-label", "lanes of the speakers");
    requestAnimationFrame(() => this.draw()); // with the first layout, not before it
  }

  get length() { return Math.min(this.duration, WINDOWS[this.level]); }

  zoom(by) {
    const most = WINDOWS.findIndex(seconds => seconds >= this.duration);
    this.level = Math.min(Math.max(0, Math.min(this.level, most) + by), most);
    this.from = this.place(this.time);
    this.draw();
  }

  /** The start of a window with `time` in it. */
  place(time) {
    return Math.min(Math.max(0, time - AHEAD * this.length), Math.max(0, this.duration - this.length));
  }

  draw() {
    if (!this.turns || !this.near.clientWidth) return;
    const colors = this.people.map(onScreen), all = this.length >= this.duration;
    this.whole.parentElement.hidden = all;
    if (!all) drawStrip(this.whole, this.turns, this.duration, colors);
    const seen = this.turns.filter(turn => turn.end > this.from && turn.start < this.from + this.length);
    drawLanes(this.near, seen, this.length, colors, this.origin, this.from);
    this.at(this.time);
  }

  /** Move the playheads. */
  at(time) {
    this.time = time;
    if (time < this.from || time > this.from + this.length) {
      const from = this.place(time);
      if (from !== this.from) {
        this.from = from;
        return this.draw();
      }
    }
    const frame = this.whole.parentElement.querySelector(".frame");
    frame.style.left = `${100 * this.from / this.duration}%`;
    frame.style.width = `${100 * this.length / this.duration}%`;
    move(this.whole, time / this.duration);
    move(this.near, (time - this.from) / this.length);
    return undefined;
  }

  timeAt(event) {
    return this.from + event.offsetX / this.near.clientWidth * this.length;
  }

  pressed(event) {
    const time = this.timeAt(event), who = Math.floor(event.offsetY / LANE);
    const turn = this.turns.find(one => one.who === who && one.start <= time && time < one.end);
    if (turn) this.hear(turn.start);
    else this.seek(time);
  }

  pointed(event) {
    const time = this.timeAt(event);
    const now = this.turns.filter(turn => turn.start <= time && time < turn.end);
    const names = [...new Set(now.map(turn => DATA.names[this.people[turn.who]]))].join(", ");
    element("pointed").textContent = `${clock(time + this.origin)} ${names || "nobody speaks"}`;
  }

  drag(event) {
    this.seek(event.offsetX / this.whole.clientWidth * this.duration);
  }
}

function move(canvas, share) {
  const playhead = canvas.parentElement.querySelector(".playhead");
  playhead.style.transform = `translateX(${share * canvas.clientWidth}px)`;
}
