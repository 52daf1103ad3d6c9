// Search in what was said: words in a row, also parts of words, whatever their case and punctuation.

const MOST_MARKED = 2_000;

class Search {
  constructor(transcript, seek) {
    this.transcript = transcript;
    this.seek = seek;
    this.input = element("find");
    this.input.addEventListener("input", () => this.soon());
    element("find-before").addEventListener("click", () => this.step(-1));
    element("find-after").addEventListener("click", () => this.step(1));
  }

  show(words) {
    this.words = words;
    this.text = null;
    this.input.value = "";
    this.input.disabled = !words;
    this.find();
  }

  soon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.find(), 120);
  }

  find() {
    clearTimeout(this.waiting);
    const wanted = this.words ? bare(this.input.value.split(/\s+/), this.words.blank).trim() : "";
    this.hits = wanted ? this.hitsOf(wanted) : [];
    this.hit = -1;
    paint("found", this.hits.slice(0, MOST_MARKED).flatMap(([first, last]) => this.transcript.ranges(first, last)));
    paint("hit", []);
    if (this.hits.length) this.step(1, true);
    else this.tell(wanted ? "not found" : "");
  }

  /** First and last word of every place where the words say `wanted`. */
  hitsOf(wanted) {
    if (!this.text) this.index();
    const found = [];
    for (let at = this.text.indexOf(wanted); at >= 0; at = this.text.indexOf(wanted, at + wanted.length)) {
      found.push([lastUpTo(this.places, at), lastUpTo(this.places, at + wanted.length - 1)]);
    }
    return found;
  }

  index() {
    const parts = [];
    let length = 0;
    this.places = new Float64Array(this.words.text.length);
    this.words.text.forEach((word, i) => {
      const part = letters(word) + this.words.blank;
      this.places[i] = length;
      length += part.length;
      parts.push(part);
    });
    this.text = parts.join("");
  }

  /** Go to another hit; the first one is the next after the playhead. */
  step(by, first = false) {
    if (this.waiting && this.input.value && !this.hits.length) this.find();
    if (!this.hits.length) return;
    const {words, transcript} = this, time = recordingView.player.time;
    const ahead = this.hits.findIndex(([start]) => words.start[start] >= time - 0.01);
    this.hit = first ? Math.max(0, ahead) : (this.hit + by + this.hits.length) % this.hits.length;
    const [from, to] = this.hits[this.hit];
    paint("hit", transcript.ranges(from, to));
    this.tell(`${NUMBER.format(this.hit + 1)} of ${NUMBER.format(this.hits.length)}`);
    if (recordingView.player.playing) element("follow").checked = false;
    else this.seek(words.start[from]);
    transcript.reveal(transcript.range(from), true);
  }

  tell(text) { element("found").textContent = text; }
}

function letters(word) {
  return fold(word).replace(/[^\p{L}\p{N}\p{M}]+/gu, "");
}

function bare(words, blank) {
  return words.map(letters).filter(Boolean).join(blank);
}
