// A value of a table: how it looks, what it is sorted by, what a search finds in it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const COLLATOR = new Intl.Collator(undefined, {numeric: true});
const NUMBER = new Intl.NumberFormat("en");

/** Make an element; `children` are elements or texts, never HTML. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

/** The text of a value, as shown and as searched. */
function textOf(column, row) {
  const value = column.values[row];
  switch (column.kind) {
    case "choice": return column.values.of[column.values.is[row]];
    case "person": return value === null ? "" : DATA.names[value];
    case "people": return value.map(person => DATA.names[person]).join(", ");
    case "turns": return "";
  }
  if (value === null) return "–";
  switch (column.kind) {
    case "number": return fixed(value, column.decimals || 0);
    case "share": return `${(100 * value).toFixed(column.decimals || 0)} %`;
    case "seconds": return amount(value);
  }
  return value;
}

const FORMATS = new Map();

function fixed(value, decimals) {
  if (!FORMATS.has(decimals)) {
    const digits = {minimumFractionDigits: decimals, maximumFractionDigits: decimals};
    FORMATS.set(decimals, new Intl.NumberFormat("en", digits));
  }
  return FORMATS.get(decimals).format(value);
}

const NUMERIC = new Set(["number", "share", "seconds"]);
const SEARCHED = new Set(["text", "choice", "path", "entry", "person", "people"]);

/** Return each row's place in ascending order, equal for equal values; NaN where there is no value. */
function ranks(column, rows) {
  const keys = new Array(rows);
  for (let row = 0; row < rows; row++) keys[row] = sortKey(column, row);
  const number = keys.find(key => key !== null);
  const compare = typeof number === "number" ? (a, b) => a - b : COLLATOR.compare;
  const order = [...keys.keys()].filter(row => keys[row] !== null);
  order.sort((a, b) => compare(keys[a], keys[b]));
  const places = new Float64Array(rows).fill(NaN);
  let place = -1, before = null;
  for (const row of order) {
    if (before === null || compare(before, keys[row]) !== 0) place++;
    before = keys[row];
    places[row] = place;
  }
  return places;
}

function sortKey(column, row) {
  if (column.kind === "people") return column.values[row].length;
  if (column.kind === "choice") return column.values.is[row]; // in the order of their first appearance
  if (NUMERIC.has(column.kind)) return column.values[row];
  return textOf(column, row) || null;
}

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** A person's colour, as the pictures have it; lighter on a dark page. */
function onScreen(person) {
  const color = DATA.colors[person];
  if (!DARK.matches) return color;
  const parts = [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16));
  return `rgb(${parts.map(part => Math.round(part + 0.35 * (255 - part))).join(",")})`;
}

/** A name with its colour; a click shows where the person is. */
function personButton(person, table) {
  const dot = make("span", {class: "dot"});
  dot.style.background = onScreen(person);
  const name = DATA.names[person], shown = make("bdi", null, name);
  const target = tables.get(table.target);
  if (!target) return make("span", {class: "who", title: name}, dot, shown);
  const show = () => target.showPerson(person);
  return make("button", {type: "button", class: "who", title: `show the ${target.spec.things} of ${name}`,
    onclick: show}, dot, shown);
}

/** A long name that may break after its separators; at most three lines, more when the row is opened. */
function longName(text) {
  const parts = (text.match(/[^/\\_.-]*[/\\_.-]+|[^/\\_.-]+/g) || []).flatMap(part => [part, make("wbr")]);
  return make("span", {class: "clamp", title: text.length > 60 ? text : null}, ...parts);
}

/** A name that shows its row in the table's target. */
function entryButton(text, table) {
  const target = tables.get(table.target);
  if (!target || !target.rowOf(text)) return longName(text);
  return make("button", {type: "button", class: "leads", onclick: () => target.showEntry(text)}, longName(text));
}

/** Whether a name leads to the view of a recording. */
function opensRecording(column, row, table) {
  return DATA.listen && table.root.dataset.table === "recordings" && column === table.columns[0]
    && table.value("Length", row) !== null;
}

const FEW = 3; // people that a cell names

/** Fill a cell of the table's row. */
function fillCell(cell, column, row, table) {
  const value = column.values[row];
  if (column.kind === "person" && value !== null) {
    cell.append(personButton(value, table));
    if (DATA.listen && table.root.dataset.table === "people") cell.append(renameButton(value) || "");
  }
  else if (column.kind === "people") {
    cell.append(...value.slice(0, FEW).map(person => personButton(person, table)));
    if (value.length > FEW) cell.append(make("span", {class: "quiet"}, ` and ${value.length - FEW} more`));
  } else if (column.kind === "turns") {
    if (value) cell.append(make("canvas", {class: "strip", height: 26, role: "img", "aria-label": described(table, row)}));
    else cell.append(make("span", {class: "quiet"}, "–"));
  } else if (column.kind === "path") cell.append(opensRecording(column, row, table)
    ? make("a", {href: addressOf(value), title: "read and listen"}, longName(value)) : longName(value));
  else if (column.kind === "entry") cell.append(entryButton(value, table));
  else cell.append(textOf(column, row));
}

/** Who speaks how long, in words. */
function described(table, row) {
  const {turns, people} = table.spoken(row);
  const seconds = people.map(() => 0);
  for (const {start, end, who} of turns) seconds[who] += end - start;
  const parts = people.map((person, who) => `${DATA.names[person]} ${amount(seconds[who])}`);
  return `timeline: ${parts.slice(0, 12).join(", ")}`;
}
