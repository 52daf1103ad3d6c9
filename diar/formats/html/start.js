// The start of the page, when all its parts are there.

DARK.addEventListener("change", () => tables.forEach(table => table.fill()));

if (DATA.listen) {
  naming.load();
  if (recordingView.asked() !== null) document.body.classList.add("listening"); // tables need no layout yet
}

for (const root of document.querySelectorAll("[data-table]")) {
  const name = root.dataset.table;
  tables.set(name, new DataTable(root, DATA.tables[name]));
}
tables.forEach(table => table.arrange()); // when each can lead to any other
if (DATA.listen) {
  startKeys();
  recordingView.start();
}
