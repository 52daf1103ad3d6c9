// Names that a reader gives people: shown at once, kept by the browser, saved as names.json for stage 2.

const WRITTEN = DATA.listen && [...DATA.names]; // names as the page was written
const GENERATED = /^(person|speaker)_\d+$/;
const MERGING = "Naming does not merge people: if they are one person, run stage 2 with a lower --link_probability, "
  + "or enrol the voice.";

const naming = {
  given: new Map(), // new names by the id of the person

  /** The place where the browser keeps the names of this result. */
  get key() { return `diar names ${location.pathname} ${DATA.listen.made}`; },

  load() {
    let kept = {};
    try {
      kept = JSON.parse(localStorage.getItem(this.key) || "{}");
    } catch (error) {
      console.warn(`names are not kept: ${error.message}`); // a browser may refuse any storage to files
    }
    for (const [id, name] of Object.entries(kept)) {
      const person = DATA.listen.ids.indexOf(id);
      if (person >= 0 && !this.fault(person, name)) this.set(person, name);
    }
    this.tell();
  },

  keep() {
    try {
      localStorage.setItem(this.key, JSON.stringify(Object.fromEntries(this.given)));
    } catch (error) {
      console.warn(`names are not kept: ${error.message}`);
    }
  },

  /** Why a person cannot have a name; "" where they can. */
  fault(person, name) {
    if (!name) return "A name is not empty.";
    if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return "A name has no line breaks.";
    const id = DATA.listen.ids[person];
    if (GENERATED.test(name) && name !== id) return `${name} is the number of another person. ${MERGING}`;
    const taken = DATA.names.some((other, number) => other === name && number !== person && DATA.listen.ids[number]);
    return taken || DATA.listen.taken.includes(name) ? `Somebody else has this name. ${MERGING}` : "";
  },

  set(person, name) {
    DATA.names[person] = name;
    if (name === WRITTEN[person]) this.given.delete(DATA.listen.ids[person]);
    else this.given.set(DATA.listen.ids[person], name);
  },

  forget() {
    this.given.clear();
    for (let person = 0; person < WRITTEN.length; person++) DATA.names[person] = WRITTEN[person];
    this.changed();
  },

  /** Show new names everywhere. */
  changed() {
    this.keep();
    tables.forEach(table => { table.haystack = null; table.ranks.clear(); table.entries = undefined; table.arrange(); });
    recordingView.nameAgain();
    this.tell();
  },

  tell() {
    const count = this.given.size;
    element("names-bar").hidden = count === 0;
    element("names-told").textContent = count === 1 ? "1 name is given in this browser only."
      : `${count} names are given in this browser only.`;
  },

  /** What stage 2 reads: all names but those of enrolled people, and where each voice is heard. */
  document() {
    const names = {}, heard = {};
    DATA.listen.ids.forEach((id, person) => {
      if (!id || DATA.names[person] === id) return;
      if (DATA.listen.enrolled.includes(person) && !this.given.has(id)) return;
      names[id] = DATA.names[person];
      const moment = momentOf(person);
      if (moment) heard[id] = moment;
    });
    return {schema: "diar.names", schema_version: "1.0", names, heard};
  },

  save() {
    const text = JSON.stringify(this.document(), null, 1) + "\n";
    const link = make("a", {href: URL.createObjectURL(new Blob([text], {type: "application/json"})), download: "names.json"});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  },
};

const MOST_LOOKED_AT = 20; // recordings of a person

/** The middle of the longest turn in which a person speaks alone. */
function momentOf(person) {
  const table = tables.get("recordings"), found = [];
  for (let row = 0, looked = 0; row < table.spec.rows && looked < MOST_LOOKED_AT; row++) {
    const {turns, people} = table.hasPerson(row, person) ? table.spoken(row) : {turns: []};
    if (!turns.length) continue;
    looked++;
    const who = people.indexOf(person);
    for (const turn of turns.filter(turn => turn.who === who)) {
      const time = (turn.start + turn.end) / 2;
      const alone = !turns.some(other => other.who !== who && other.start <= time && time < other.end);
      found.push({row, time, length: turn.end - turn.start + (alone ? 1e6 : 0)});
    }
  }
  if (!found.length) return null;
  const best = found.reduce((a, b) => a.length >= b.length ? a : b);
  return {recording: table.columns[0].values[best.row], time: Math.round(100 * best.time) / 100};
}

/** A button that asks for a new name; null for somebody who is not a person of the result. */
function renameButton(person) {
  if (!DATA.listen || !DATA.listen.ids[person]) return null;
  return make("button", {type: "button", class: "rename", "aria-label": `rename ${DATA.names[person]}`,
    title: "rename", onclick: () => askName(person)}, "\u270e");
}

function askName(person) {
  const dialog = element("rename"), input = element("rename-name"), fault = element("rename-fault");
  element("rename-title").textContent = `Who is ${DATA.names[person]}?`;
  input.value = GENERATED.test(DATA.names[person]) ? "" : DATA.names[person];
  fault.textContent = "";
  element("rename-cancel").onclick = () => dialog.close();
  dialog.querySelector("form").onsubmit = event => {
    event.preventDefault();
    const name = input.value.trim().normalize("NFC");
    fault.textContent = naming.fault(person, name);
    if (fault.textContent) return input.focus();
    naming.set(person, name);
    dialog.close();
    naming.changed();
  };
  dialog.showModal();
  input.select();
}
