// A table that sorts, searches and shows some rows at a time: a page of ten thousand rows stays light.

const tables = new Map();
const SIZES = [20, 50, 200];
const SMALL = 10; // rows up to which there is no search field

class DataTable {
  constructor(root, spec) {
    this.root = root;
    this.spec = spec;
    this.columns = spec.columns;
    this.shown = spec.columns.filter(column => !column.more);
    this.target = spec.target;
    this.size = SIZES[spec.files ? 1 : 0];
    this.page = 0;
    this.words = [];
    this.only = null; // a test that rows must pass
    this.sorted = spec.order ? {column: spec.columns[spec.order[0]], down: spec.order[1]} : null;
    this.open = new Set();
    this.opens = spec.columns.some(column => column.more || column.kind === "turns");
    this.ranks = new Map();
    this.haystack = null;
    this.order = []; // rows that pass the search, sorted
    this.build();
  }

  build() {
    const id = `search-${this.root.dataset.table}`;
    this.search = make("input", {type: "search", id, autocomplete: "off", spellcheck: "false",
      oninput: () => this.searchSoon()});
    this.chip = make("span", {class: "chip"});
    this.status = make("p", {class: "status", role: "status"});
    this.head = make("thead", null, this.heads());
    this.rows = make("tbody");
    const label = `Search ${this.spec.things}`;
    const tools = make("div", {class: "tools"},
      make("label", {for: id}, label), this.search, this.chip, this.status, this.pager());
    if (this.spec.rows <= SMALL) tools.classList.add("few");
    const name = this.spec.things[0].toUpperCase() + this.spec.things.slice(1);
    this.region = make("div", {class: "scroll", role: "region", "aria-label": `${name}, table`, tabindex: 0},
      make("table", null, make("caption", {class: "hidden"}, name), this.head, this.rows));
    this.root.append(tools, this.region);
    new ResizeObserver(() => this.draw()).observe(this.region);
  }

  pager() {
    const turn = by => () => { this.page += by; this.fill(); this.root.scrollIntoView({block: "start"}); };
    this.back = make("button", {type: "button", onclick: turn(-1)}, "Previous");
    this.next = make("button", {type: "button", onclick: turn(1)}, "Next");
    const choose = event => { this.size = Number(event.target.value); this.page = 0; this.fill(); };
    const sizes = SIZES.map(size => make("option", {value: size, selected: size === this.size}, `${size} rows`));
    this.sizes = make("select", {"aria-label": "Rows at a time", onchange: choose}, ...sizes);
    return make("div", {class: "pager"}, this.back, this.next, this.sizes);
  }

  heads() {
    const cells = this.shown.map(column => {
      const cell = make("th", {scope: "col", class: this.classOf(column)});
      if (column.kind === "turns") cell.append(column.title);
      else cell.append(make("button", {type: "button", onclick: () => this.sortBy(column)}, column.title));
      return cell;
    });
    if (this.opens) cells.unshift(make("th", {scope: "col"}, make("span", {class: "hidden"}, "Details")));
    return make("tr", null, ...cells);
  }

  classOf(column) {
    return [column.kind, NUMERIC.has(column.kind) ? "number" : "", column.minor ? "minor" : ""].join(" ").trim();
  }

  searchSoon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.words = fold(this.search.value).split(/\s+/).filter(Boolean);
      this.page = 0;
      this.arrange();
    }, 80);
  }

  showPerson(person) {
    this.showOnly(DATA.names[person], row => this.hasPerson(row, person));
  }

  showEntry(name) {
    const wanted = this.rowOf(name);
    if (this.opens) this.open.add(wanted.row);
    this.showOnly(name, row => row === wanted.row);
  }

  /** The row whose first column has this name; undefined without one. */
  rowOf(name) {
    this.entries ??= new Map(this.columns[0].values.map((value, row) => [value, {row}]));
    return this.entries.get(name);
  }

  /** Show the rows that pass a test, until all are asked for. */
  showOnly(name, test) {
    this.only = test;
    this.search.value = "";
    this.words = [];
    const end = () => { this.only = null; this.chip.replaceChildren(); this.page = 0; this.arrange(); };
    this.chip.replaceChildren(make("span", null, `only ${name} `),
      make("button", {type: "button", onclick: end}, "show all"));
    this.page = 0;
    this.arrange();
    this.root.scrollIntoView({block: "start"});
    this.region.focus({preventScroll: true});
  }

  sortBy(column) {
    const same = this.sorted !== null && this.sorted.column === column;
    this.sorted = {column, down: same ? !this.sorted.down : NUMERIC.has(column.kind)};
    this.page = 0;
    this.arrange();
  }

  /** Decide which rows there are, and their order. */
  arrange() {
    let rows = [...Array(this.spec.rows).keys()];
    if (this.only) rows = rows.filter(this.only);
    if (this.words.length) {
      this.haystack ??= rows.length ? this.texts() : [];
      rows = rows.filter(row => this.words.every(word => this.haystack[row].includes(word)));
    }
    if (this.sorted) {
      const {column, down} = this.sorted, sign = down ? -1 : 1;
      if (!this.ranks.has(column)) this.ranks.set(column, ranks(column, this.spec.rows));
      const rank = this.ranks.get(column);
      rows.sort((a, b) => Number.isNaN(rank[a]) - Number.isNaN(rank[b]) || sign * (rank[a] - rank[b]) || a - b);
    }
    this.order = rows;
    this.shown.forEach((column, place) => {
      const state = this.sorted && this.sorted.column === column && (this.sorted.down ? "descending" : "ascending");
      const cell = this.head.rows[0].cells[place + (this.opens ? 1 : 0)];
      if (state) cell.setAttribute("aria-sort", state);
      else cell.removeAttribute("aria-sort");
    });
    this.fill();
  }

  hasPerson(row, person) {
    return this.columns.some(({kind, values}) =>
      kind === "people" ? values[row].includes(person) : kind === "person" && values[row] === person);
  }

  /** What a search looks through, a text for each row. */
  texts() {
    const searched = this.columns.filter(column => SEARCHED.has(column.kind));
    return Array.from({length: this.spec.rows}, (_, row) =>
      fold(searched.map(column => textOf(column, row)).join("\n")));
  }

  /** Show the rows of this page. */
  fill() {
    const count = this.order.length, pages = Math.max(1, Math.ceil(count / this.size));
    this.page = Math.min(Math.max(0, this.page), pages - 1);
    const first = this.page * this.size, last = Math.min(count, first + this.size);
    const part = this.order.slice(first, last);
    this.rows.replaceChildren(...part.flatMap(row => this.rowElements(row)));
    const range = count > this.size ? `${NUMBER.format(first + 1)}–${NUMBER.format(last)} of ` : "";
    const found = count < this.spec.rows ? ` found among ${NUMBER.format(this.spec.rows)}` : "";
    const things = count === 1 ? this.spec.thing : this.spec.things;
    this.status.textContent = `${range}${NUMBER.format(count)} ${things}${found}`;
    this.back.disabled = this.page === 0;
    this.next.disabled = this.page === pages - 1;
    this.root.classList.toggle("one-page", this.spec.rows <= SIZES[0]);
    this.draw();
  }

  rowElements(row) {
    const cells = this.shown.map((column, place) => {
      const heading = place === 0 && column.kind !== "number";
      const cell = make(heading ? "th" : "td", {scope: heading ? "row" : null, class: this.classOf(column)});
      fillCell(cell, column, row, this);
      return cell;
    });
    const line = make("tr", null, ...cells);
    line.dataset.row = row;
    if (!this.opens) return [line];
    line.prepend(make("td", {class: "opener"}, this.opener(row)));
    return this.open.has(row) ? [line, this.details(row)] : [line];
  }

  opener(row) {
    const name = textOf(this.shown[0], row);
    return make("button", {type: "button", "aria-expanded": String(this.open.has(row)),
      "aria-label": `details of ${name}`, onclick: event => this.toggle(row, event.currentTarget)});
  }

  toggle(row, button) {
    const line = button.closest("tr");
    if (this.open.delete(row)) line.nextElementSibling.remove();
    else {
      this.open.add(row);
      line.after(this.details(row));
      this.draw();
    }
    button.setAttribute("aria-expanded", String(this.open.has(row)));
  }

  details(row) {
    const cell = make("td", {colspan: this.shown.length + 1}, make("div", null, ...rowDetails(this, row)));
    const line = make("tr", {class: "details"}, cell);
    line.dataset.row = row;
    return line;
  }

  /** The turns of a row and the people in them. */
  spoken(row) {
    const turns = this.columns.find(column => column.kind === "turns");
    const people = this.columns.find(column => column.kind === "people");
    return {turns: readTurns(turns.values[row] || ""), people: people.values[row]};
  }

  draw() {
    if (document.body.classList.contains("listening")) return; // nobody sees the tables
    for (const canvas of this.rows.querySelectorAll("canvas")) {
      const row = Number(canvas.closest("tr").dataset.row), {turns, people} = this.spoken(row);
      const colors = people.map(onScreen);
      const duration = this.value("Length", row) || 1, origin = this.value("Starts at", row) || 0;
      if (canvas.classList.contains("strip")) drawStrip(canvas, turns, duration, colors);
      else drawLanes(canvas, turns, duration, colors, origin);
    }
  }

  value(title, row) {
    const column = this.columns.find(one => one.title === title);
    return column ? column.values[row] : null;
  }
}

/** A text in which a search ignores case and the ways to write one letter. */
function fold(text) {
  return text.normalize("NFKC").toLowerCase();
}
