// What is known of the session: turns and names, as the events tell them.

const FLASH = 4000; // milliseconds for which a correction is drawn

export class Board {
  constructor() {
    this.turns = new Map(); // id → turn; `open` while the speaker talks
    this.names = new Map(); // speaker → name
    this.order = []; // speakers, by first appearance
    this.ghosts = []; // {speaker, start, end, until}: where something was before it was corrected
    this.changes = []; // {when, text}, the latest first
    this.corrected = 0; // changes of who spoke
    this.final = null; // the last event
    this.words = []; // what was said and never changes: {text, start, end, speaker, turn}
    this.partial = []; // words after them that may change
  }

  /** Take an event. */
  take(event) {
    const {type, turn} = event;
    if (type === "snapshot") this.reset(event);
    else if (type === "turn.corrected") this.correct(event);
    else if (type === "speaker.merged") this.merge(event);
    else if (type === "speaker.split") this.split(event);
    else if (type === "speaker.named") this.names.set(event.speaker, event.name);
    else if (type === "word") this.say(event);
    else if (type === "session.ended") this.end(event);
    else if (turn) {
      const known = this.turns.get(turn.id);
      const open = type === "turn.started" || (type === "turn.updated" && (!known || known.open));
      this.put({...turn, open});
    }
  }

  say({words, partial}) {
    this.words.push(...words);
    this.partial = partial;
  }

  /** Whose a word is: its turn's speaker, who may have been corrected; at last whoever's final turns cover it most. */
  speakerOf(word) {
    if (!this.final) {
      const turn = this.turns.get(word.turn);
      return turn ? turn.speaker : word.speaker;
    }
    let best = null, most = 0;
    for (const turn of this.turns.values()) {
      const common = Math.min(turn.end, word.end) - Math.max(turn.start, word.start);
      if (common > most) [best, most] = [turn.speaker, common];
    }
    return best ?? word.speaker;
  }

  /** What was said, a paragraph a speaker, the last `most`: {speaker, start, text, partial}; `partial` may change. */
  paragraphs(most) {
    const found = [], add = (word, certain) => {
      const speaker = this.speakerOf(word), last = found[found.length - 1];
      const place = last && last.speaker === speaker ? last : {speaker, start: word.start, text: "", partial: ""};
      if (place !== last) found.push(place);
      place[certain ? "text" : "partial"] += `${word.text} `;
    };
    for (const word of this.words.slice(-40 * most)) add(word, true);
    for (const word of this.partial) add(word, false);
    return found.slice(-most);
  }

  reset({turns, names, words, partial}) {
    if (words) [this.words, this.partial] = [words, partial];
    const open = new Set([...this.turns.values()].filter(turn => turn.open).map(turn => turn.id));
    this.turns = new Map();
    for (const turn of turns) this.put({...turn, open: open.has(turn.id)});
    this.names = new Map(Object.entries(names));
  }

  put(turn) {
    this.turns.set(turn.id, turn);
    for (const speaker of [turn.speaker, ...turn.overlaps]) if (!this.order.includes(speaker)) this.order.push(speaker);
  }

  correct({turn, was, removed, time}) {
    const moved = removed || was.speaker !== turn.speaker;
    const far = Math.abs(was.start - turn.start) + Math.abs(was.end - turn.end) >= 0.25;
    if (moved || far) this.ghosts.push({speaker: was.speaker, start: was.start, end: was.end, until: performance.now() + FLASH});
    const known = this.turns.get(turn.id);
    if (removed) this.turns.delete(turn.id);
    else this.put({...turn, open: Boolean(known && known.open)});
    if (removed) this.change(time, was.start, `${this.name(was.speaker)} did not speak`);
    else if (moved) this.change(time, turn.start, `${this.name(turn.speaker)}, not ${this.name(was.speaker)}`);
  }

  merge({speaker, into, time}) {
    this.change(time, null, `${this.name(speaker)} is ${this.name(into)}: one person`);
    for (const turn of this.turns.values()) if (turn.speaker === speaker) {
      this.ghosts.push({speaker, start: turn.start, end: turn.end, until: performance.now() + FLASH});
      turn.speaker = into;
    }
    for (const turn of this.turns.values()) turn.overlaps = [...new Set(turn.overlaps.map(one => one === speaker ? into : one))];
  }

  split({speaker, into, turns, time}) {
    if (!this.order.includes(into)) this.order.push(into);
    this.change(time, null, `${this.name(speaker)} is two people: some turns are ${this.name(into)}’s`);
    for (const id of turns) {
      const turn = this.turns.get(id);
      if (turn && turn.speaker === speaker) turn.speaker = into;
    }
  }

  end(event) {
    this.final = event;
    this.partial = [];
    const wanted = Object.entries(event.names);
    this.names = new Map([...this.names, ...wanted]);
    this.turns = new Map();
    event.turns.forEach((turn, place) => this.put({...turn, id: place + 1, overlaps: [], final: true, open: false}));
  }

  change(when, at, text) {
    this.corrected++;
    this.changes.unshift({when, at, text});
    this.changes.length = Math.min(this.changes.length, 200);
  }

  name(speaker) { return this.names.get(speaker) || `Speaker ${speaker}`; }

  nameOf(word) {
    const speaker = this.speakerOf(word);
    return speaker === null ? null : this.name(speaker);
  }

  /** Speakers who have turns, in the order of their first appearance. */
  speakers() {
    const talking = new Set([...this.turns.values()].map(turn => turn.speaker));
    return this.order.filter(speaker => talking.has(speaker));
  }

  /** All turns by their start. */
  sorted() { return [...this.turns.values()].sort((a, b) => a.start - b.start || a.id - b.id); }

  /** Intervals [start, end] in which two or more talk. */
  overlaps() {
    const edges = [];
    for (const {start, end} of this.turns.values()) if (end > start) edges.push([start, 1], [end, -1]);
    edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const found = [];
    let talking = 0;
    for (const [time, step] of edges) {
      if (talking === 1 && step === 1) found.push([time, time]);
      if (talking >= 2) found[found.length - 1][1] = time;
      talking += step;
    }
    return found.filter(([start, end]) => end > start);
  }

  /** RTTM, as diar's own files are written. */
  rttm(recording) {
    const field = text => text.replace(/[ %\p{C}]/gu, one => encodeURIComponent(one));
    return this.sorted().filter(turn => turn.end > turn.start).map(({start, end, speaker}) =>
      `SPEAKER ${field(recording)} 1 ${start.toFixed(3)} ${(end - start).toFixed(3)} <NA> <NA> ${field(this.name(speaker))} <NA> <NA>\n`
    ).join("");
  }

  /** What was found, as JSON; the last event where the session has ended. */
  json(recording, seconds) {
    const turns = this.sorted().map(({start, end, speaker}) => ({start, end, speaker: this.name(speaker)}));
    const words = this.words.map(word => ({start: word.start, end: word.end, text: word.text, speaker: this.nameOf(word)}));
    const said = words.length ? {words} : {};
    return JSON.stringify({recording, final: this.final !== null, duration: seconds, turns, ...said}, null, 1) + "\n";
  }
}
