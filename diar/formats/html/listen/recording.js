// One recording: its player, lanes and words. `#recording=NAME` and `#recording=NAME&t=SECONDS` lead to it.

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2, 3];
const WORDS_OLD = "older than the turns";

/** The address of a recording in this page. */
function addressOf(name) {
  return `#recording=${encodeURIComponent(name)}`;
}

const loading = new Map(); // scripts of words that were asked for: what takes them, by recording

/** Called by `words.js` of a recording. */
function takeWords(script) {
  const take = loading.get(script.recording);
  if (take) take(script);
}

const recordingView = {
  row: null,

  start() {
    this.table = tables.get("recordings");
    this.player = new Player(element("audio"), {
      tick: () => this.tick(false),
      playing: yes => element("play").setAttribute("aria-label", yes ? "Pause" : "Play"),
      ready: () => this.tell(this.remarks),
      missing: path => this.missing(path),
    });
    const hear = time => { this.player.hear(time); this.tick(true); };
    const seek = time => { this.player.seek(time); this.tick(true); };
    this.lanes = new Lanes(hear, seek);
    this.transcript = new Transcript(hear);
    this.search = new Search(this.transcript, seek);
    this.seek = seek;
    element("play").onclick = () => this.player.toggle();
    element("position").oninput = event => seek(Number(event.target.value));
    element("rate").append(...RATES.map(rate => make("option", {value: rate, selected: rate === 1}, `${rate} \u00d7`)));
    element("rate").onchange = event => this.player.speed(Number(event.target.value));
    element("closer").onclick = () => this.lanes.zoom(-1);
    element("wider").onclick = () => this.lanes.zoom(1);
    element("follow").onchange = () => this.tick(true);
    element("earlier").onclick = () => this.step(-1);
    element("later").onclick = () => this.step(1);
    element("names-save").onclick = () => naming.save();
    element("names-forget").onclick = () => naming.forget();
    DARK.addEventListener("change", () => this.colorAgain());
    addEventListener("hashchange", () => this.route());
    this.route();
  },

  /** The recording that the address names; a result of one recording shows that at first. */
  asked() {
    const names = DATA.tables.recordings.columns[0].values;
    const only = names.length === 1 && !location.hash ? names[0] : null;
    return new URLSearchParams(location.hash.slice(1)).get("recording") ?? only;
  },

  /** Show what the address names. */
  route() {
    const found = this.table.rowOf(this.asked());
    if (!found || this.table.value("Length", found.row) === null) return this.leave();
    if (found.row !== this.row) this.open(found.row);
    const time = new URLSearchParams(location.hash.slice(1)).get("t");
    if (time) this.seek(Number(time) || 0);
    return undefined;
  },

  open(row) {
    if (this.row === null) this.scrolled = scrollY;
    this.row = row;
    const table = this.table, name = table.columns[0].values[row], {turns, people} = table.spoken(row);
    this.origin = table.value("Starts at", row) || 0;
    this.duration = table.value("Length", row);
    const offset = this.origin || table.value("Begins in its file at", row) || 0;
    document.body.classList.add("listening");
    element("recording").hidden = false;
    document.title = name;
    element("recording-name").replaceChildren(longName(name));
    element("position").max = this.duration;
    this.remarks = this.oldWords(row) ? [OLD] : [];
    this.tell(this.remarks);
    this.people = people;
    this.nameLanes(turns);
    this.lanes.show(turns, people, this.duration, this.origin);
    this.loadWords(name, row, turns);
    element("recording-files").replaceChildren(fileLinks(table.spec.files, row));
    element("earlier").parentElement.hidden = table.spec.rows === 1;
    element("earlier").disabled = this.neighbour(-1) === undefined;
    element("later").disabled = this.neighbour(1) === undefined;
    this.player.open(table.value("Audio", row), offset, this.duration);
    this.tick(true);
    scrollTo(0, 0);
    element("recording-name").focus({preventScroll: true});
  },

  leave() {
    const left = this.row;
    if (left !== null) this.player.close();
    this.row = null;
    document.body.classList.remove("listening");
    element("recording").hidden = true;
    document.title = document.querySelector("h1").textContent;
    tables.forEach(table => table.draw());
    scrollTo(0, this.scrolled || 0);
    const link = left !== null && this.table.rows.querySelector(`tr[data-row="${left}"] th a`);
    if (link) link.focus({preventScroll: true});
  },

  oldWords(row) {
    const column = this.table.columns.find(one => one.title === "Words");
    return column && textOf(column, row) === WORDS_OLD;
  },

  /** Show the words, for which their script is asked; or the turns, where there is none. */
  loadWords(name, row, turns) {
    const column = this.table.columns.find(one => one.title === "Words");
    const there = column && textOf(column, row);
    this.showWords(null, there ? [] : turns, Boolean(there));
    if (!there) return;
    const folder = this.table.spec.files.folders[row].split("/").map(encodeURIComponent).join("/");
    const script = make("script", {src: `${folder}/words.js`});
    const end = () => { loading.delete(name); script.remove(); };
    loading.set(name, words => { if (this.row === row) this.showWords(readWords(words), turns); });
    script.onload = end;
    script.onerror = () => {
      end();
      if (this.row !== row) return;
      this.remarks.push("The words cannot be read: words.js is missing.");
      this.tell(this.remarks);
      this.showWords(null, turns);
    };
    document.head.append(script);
  },

  showWords(words, turns, soon = false) {
    this.transcript.show(words, turns, this.people, this.origin);
    this.search.show(words);
    element("recording").classList.toggle("wordless", !words && !soon);
    if (words) this.transcript.at(this.player.time, true);
  },

  nameLanes(turns) {
    const seconds = this.people.map(() => 0);
    for (const {start, end, who} of turns) seconds[who] += end - start;
    element("lane-names").replaceChildren(...this.people.map((person, who) => {
      const name = make("span", {class: "speaker"});
      name.dataset.person = person;
      nameIn(name);
      return make("li", null, name, renameButton(person), make("span", {class: "quiet"}, amount(seconds[who])));
    }));
  },

  /** Write the names again that have changed. */
  nameAgain() {
    if (this.row === null) return;
    for (const place of element("recording").querySelectorAll(".speaker")) {
      const person = Number(place.dataset.person), name = place.lastElementChild;
      if (person >= 0 && name.textContent !== DATA.names[person]) name.textContent = DATA.names[person];
    }
    for (const [who, button] of element("lane-names").querySelectorAll(".rename").entries()) {
      button.setAttribute("aria-label", `rename ${DATA.names[this.people[who]]}`);
    }
  },

  colorAgain() {
    if (this.row === null) return;
    for (const place of element("recording").querySelectorAll(".speaker")) nameIn(place);
    this.lanes.draw();
  },

  tick(jumped) {
    if (this.row === null) return;
    const time = this.player.time, shown = `${clock(time + this.origin)} / ${clock(this.duration + this.origin)}`;
    if (element("clock").textContent !== shown) {
      element("clock").textContent = shown;
      element("position").value = time;
      element("position").setAttribute("aria-valuetext", shown);
    }
    this.lanes.at(time);
    this.transcript.at(time, jumped);
  },

  neighbour(by) {
    const order = this.table.order, place = order.indexOf(this.row);
    for (let at = place + by; place >= 0 && at >= 0 && at < order.length; at += by) {
      if (this.table.value("Length", order[at]) !== null) return order[at];
    }
    return undefined;
  },

  step(by) {
    const row = this.neighbour(by);
    if (row !== undefined) location.hash = addressOf(this.table.columns[0].values[row]);
  },

  tell(texts, ...more) {
    element("notice").hidden = texts.length + more.length === 0;
    element("notice").replaceChildren(...texts.map(text => make("p", null, text)), ...more);
  },

  missing(path) {
    const choose = make("input", {type: "file", accept: "audio/*,video/*", "aria-label": "Audio of this recording",
      onchange: event => { if (event.target.files.length) this.player.choose(event.target.files[0]); }});
    const why = `The audio is not at ${path}, or this browser cannot play it. Choose it, or a copy as WAV, MP3, M4A `
      + "or FLAC:";
    this.tell(this.remarks, make("p", null, why), choose);
  },
};

const OLD = "The words are older than the turns: their speakers may have changed since. Run diar words again.";
