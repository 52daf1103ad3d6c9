// What was said, in paragraphs; or the turns where nobody wrote the words down.

const LONG = 400, PAUSE = 2.5, MOST = 1_500; // letters and seconds that end a paragraph; letters that always do
const AT_ONCE = 150; // paragraphs that are built in one go
const ENDS_SENTENCE = /[.?!\u2026\u3002\uff1f\uff01]["'\u201d\u2019)\]]*$/;

/** Return words with times in seconds and people by number. */
function readWords(script) {
  const count = script.text.length, start = new Float64Array(count), end = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    at += script.start[i];
    start[i] = at / 1000;
    end[i] = (at + script.length[i]) / 1000;
  }
  const people = script.people.map(numberOf);
  return {start, end, text: script.text, blank: script.blank, language: script.language,
    who: script.who.map(who => who < 0 ? -1 : people[who])};
}

/** The number of a person by the name in the turns; a new one for a name that the turns do not have. */
function numberOf(name) {
  const known = (DATA.listen.inTurns || WRITTEN).indexOf(name);
  if (known >= 0) return known;
  const added = DATA.names.indexOf(name, WRITTEN.length);
  if (added >= 0) return added;
  DATA.colors.push("#808080");
  return DATA.names.push(name) - 1;
}

/** Divide words into paragraphs {first, last, who, start, text, at}; `at` = where each word is in the text. */
function paragraphsOf(words) {
  const found = [];
  let now = null;
  for (let i = 0; i < words.text.length; i++) {
    const long = now && now.text.length;
    if (!now || now.who !== words.who[i] || words.start[i] - words.end[i - 1] > PAUSE || long > MOST
        || (long > LONG && ENDS_SENTENCE.test(words.text[i - 1]))) {
      now = {first: i, last: i, who: words.who[i], start: words.start[i], text: "", at: []};
      found.push(now);
    }
    if (now.text) now.text += words.blank;
    now.at.push(now.text.length);
    now.text += words.text[i];
    now.last = i;
  }
  return found;
}

/** The place of the last of ascending values that is not above `value`; -1 where all are. */
function lastUpTo(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

class Transcript {
  constructor(hear) {
    this.list = element("transcript");
    this.hear = hear;
    this.list.addEventListener("click", event => this.pressed(event));
    for (const name of ["wheel", "touchmove"]) this.list.addEventListener(name, () => this.letGo(), {passive: true});
    this.list.addEventListener("keydown", event => { if (/^(Page|Home|End)/.test(event.key)) this.letGo(); });
  }

  letGo() { if (recordingView.player.playing) element("follow").checked = false; }

  show(words, turns, people, origin) {
    this.words = words;
    this.origin = origin;
    this.parts = words ? paragraphsOf(words) : turns.map(turn =>
      ({who: people[turn.who], start: turn.start, end: turn.end, text: amount(turn.end - turn.start)}));
    this.starts = this.parts.map(part => part.start);
    this.firsts = this.parts.map(part => part.first); // words
    this.items = [];
    this.now = this.word = -1;
    this.list.replaceChildren();
    this.list.classList.toggle("only-turns", !words);
    this.list.scrollTop = 0;
    paint("word", []);
    this.buildSoon();
  }

  /** Build the rest in pieces, so that the page answers in between. */
  buildSoon() {
    const parts = this.parts;
    this.buildTo(this.items.length + AT_ONCE - 1);
    if (this.items.length < parts.length) setTimeout(() => { if (this.parts === parts) this.buildSoon(); });
  }

  buildTo(last) {
    const wide = Math.max(20, this.list.clientWidth / 11), added = [];
    for (let n = this.items.length; n <= Math.min(last, this.parts.length - 1); n++) {
      const item = this.item(n);
      item.style.containIntrinsicBlockSize = `auto ${24 * Math.ceil(this.parts[n].text.length / wide) + 10}px`;
      this.items.push(item);
      added.push(item);
    }
    this.list.append(...added);
  }

  item(n) {
    const part = this.parts[n], same = n > 0 && this.parts[n - 1].who === part.who;
    const who = make("span", {class: same && this.words ? "speaker hidden" : "speaker"});
    who.dataset.person = part.who;
    nameIn(who);
    const when = make("button", {type: "button", class: "when"}, clock(part.start + this.origin));
    const text = make("p", {lang: this.words ? this.words.language : null, dir: "auto"}, part.text);
    const item = make("li", null, when, who, text);
    item.dataset.n = n;
    return item;
  }

  pressed(event) {
    const item = event.target.closest("li"), selection = getSelection();
    if (!item || !selection.isCollapsed) return;
    const part = this.parts[item.dataset.n], text = item.querySelector("p").firstChild;
    const at = this.words && event.target.closest("p") ? offsetAt(event, text) : null;
    element("follow").checked = true;
    this.hear(at === null ? part.start : this.words.start[part.first + lastUpTo(part.at, at)]);
  }

  /** Show what is said at a time; `jumped`: it was sought. */
  at(time, jumped) {
    const n = lastUpTo(this.starts, time + 1e-3);
    if (n !== this.now) {
      if (this.items[this.now]) this.items[this.now].removeAttribute("aria-current");
      this.now = n;
      if (n >= 0) {
        this.buildTo(n);
        this.items[n].setAttribute("aria-current", "true");
      }
    }
    const word = this.words ? lastUpTo(this.words.start, time + 1e-3) : -1;
    if (word === this.word && !jumped) return;
    this.word = word;
    paint("word", word >= 0 ? [this.range(word)] : []);
    if (n >= 0 && element("follow").checked) this.reveal(word >= 0 ? this.range(word) : this.items[n], jumped);
  }

  /** The range of the page that holds a word. */
  range(word) {
    return this.ranges(word, word)[0];
  }

  /** The ranges of the page that hold words in a row: one a paragraph. */
  ranges(first, last) {
    const found = [];
    for (let n = lastUpTo(this.firsts, first); n < this.parts.length && this.parts[n].first <= last; n++) {
      this.buildTo(n);
      const part = this.parts[n], text = this.items[n].querySelector("p").firstChild, range = new Range();
      const end = Math.min(last, part.last);
      range.setStart(text, part.at[Math.max(first, part.first) - part.first]);
      range.setEnd(text, part.at[end - part.first] + this.words.text[end].length);
      found.push(range);
    }
    return found;
  }

  /** Scroll something into the middle part of the list. */
  reveal(what, jumped, again = 2) {
    const pane = this.list.getBoundingClientRect(), place = what.getBoundingClientRect();
    const above = place.top - pane.top, room = pane.height;
    if (above < 0.08 * room || above > 0.75 * room) {
      const smooth = !jumped && Math.abs(above) < 2 * room && !CALM.matches;
      this.list.scrollBy({top: above - 0.3 * room, behavior: smooth ? "smooth" : "instant"});
      if (again && !smooth) requestAnimationFrame(() => this.reveal(what, jumped, again - 1)); // heights were estimates
    }
  }

  /** The start of the paragraph by so many after or before the one at a time. */
  step(time, by) {
    const n = lastUpTo(this.starts, time + 1e-3);
    const back = by < 0 && n >= 0 && time - this.starts[n] > 1.5 ? 0 : by;
    return this.starts[Math.min(Math.max(0, n + back), this.starts.length - 1)] ?? 0;
  }
}

const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** Write a person's name with its colour. */
function nameIn(place) {
  const person = Number(place.dataset.person), dot = make("span", {class: "dot"});
  if (person >= 0) dot.style.background = onScreen(person);
  place.replaceChildren(dot, make("bdi", null, person < 0 ? "nobody" : DATA.names[person]));
}

/** Where in a text a pointer is, in letters; null beside it. */
function offsetAt(event, text) {
  if (document.caretPositionFromPoint) {
    const place = document.caretPositionFromPoint(event.clientX, event.clientY);
    return place && place.offsetNode === text ? place.offset : null;
  }
  const range = document.caretRangeFromPoint(event.clientX, event.clientY);
  return range && range.startContainer === text ? range.startOffset : null;
}

/** Mark ranges by a highlight of the style sheet; browsers without it still mark the paragraph. */
function paint(name, ranges) {
  if (window.Highlight) CSS.highlights.set(name, new Highlight(...ranges));
}
