// The opened row of a table.

/** Lanes of the people, the values that have no column, and links to the files. */
function rowDetails(table, row) {
  const parts = [];
  const turns = table.columns.find(column => column.kind === "turns");
  if (turns && turns.values[row]) parts.push(lanes(table, row));
  const pairs = table.columns
    .filter(column => column.kind !== "turns" && column.kind !== "people")
    .filter(column => column.values[row] !== null && textOf(column, row) !== "")
    .map(column => make("div", null, make("dt", null, column.title), make("dd", null, textOf(column, row))));
  parts.push(make("dl", {class: "values"}, ...pairs));
  if (table.spec.files) parts.push(fileLinks(table.spec.files, row));
  return parts;
}

function lanes(table, row) {
  const {turns, people} = table.spoken(row);
  const seconds = people.map(() => 0), counts = people.map(() => 0);
  for (const {start, end, who} of turns) {
    seconds[who] += end - start;
    counts[who] += 1;
  }
  const names = people.map((person, who) => make("li", null, personButton(person, table),
    make("span", {class: "quiet"}, ` ${amount(seconds[who])}, ${counts[who]} turn${counts[who] === 1 ? "" : "s"}`)));
  const canvas = make("canvas", {class: "lanes", role: "img", "aria-label": described(table, row)});
  const at = make("output", {class: "quiet"});
  const duration = table.value("Length", row) || 1, origin = table.value("Starts at", row) || 0;
  canvas.addEventListener("pointermove", event => {
    const time = event.offsetX / canvas.clientWidth * duration;
    const now = turns.filter(turn => turn.start <= time && time < turn.end);
    const names = [...new Set(now.map(turn => DATA.names[people[turn.who]]))].join(", ");
    at.textContent = `${clock(time + origin)} ${names || "nobody speaks"}`;
  });
  return make("div", {class: "spoken"}, make("ul", {class: "speaking"}, ...names), make("div", null, canvas, at));
}

/** Links to the files in the folder of a row. */
function fileLinks(files, row) {
  const folder = files.folders[row].split("/").map(encodeURIComponent).join("/");
  const links = files.sets[files.is[row]].map(name =>
    make("li", null, make("a", {href: `${folder}/${encodeURIComponent(name)}`}, name)));
  return make("ul", {class: "files"}, ...links);
}
