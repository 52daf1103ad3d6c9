// Keys of a recording.

const SKIP = 5; // seconds
const KEYS = [
  ["Space or k", "play, pause", [" ", "k"], view => view.player.toggle()],
  ["\u2190 \u2192", `${SKIP} seconds back, ahead`, ["ArrowLeft", "ArrowRight"],
    (view, key) => view.seek(view.player.time + (key === "ArrowLeft" ? -SKIP : SKIP))],
  ["\u2191 \u2193", "the paragraph before, the next one", ["ArrowUp", "ArrowDown"],
    (view, key) => view.seek(view.transcript.step(view.player.time, key === "ArrowUp" ? -1 : 1))],
  ["/", "search the words", ["/"], () => { element("find").focus(); element("find").select(); }],
  ["n, N", "the next hit, the one before", ["n", "N"], (view, key) => view.search.step(key === "n" ? 1 : -1)],
  ["f", "follow the playback, or not", ["f"], view => { element("follow").checked ^= true; view.tick(true); }],
  ["+ \u2212", "show less or more time", ["+", "=", "-"], (view, key) => view.lanes.zoom(key === "-" ? 1 : -1)],
  ["< >", "slower, faster", ["<", ">"], (view, key) => changeRate(key === "<" ? -1 : 1)],
  ["[ ]", "the recording before, the next one", ["[", "]"], (view, key) => view.step(key === "[" ? -1 : 1)],
  ["Esc", "back to all of the result", ["Escape"], () => { location.hash = "#overview"; }],
  ["?", "these keys", ["?"], () => element("keys").showModal()],
];

function changeRate(by) {
  const rate = element("rate");
  rate.selectedIndex = Math.min(Math.max(0, rate.selectedIndex + by), RATES.length - 1);
  rate.onchange({target: rate});
}

/** Whether a key means something to the element that has the focus. */
function isTaken(event) {
  const at = event.target;
  if (at.closest("dialog[open]")) return true;
  if (at.matches("input[type=search], input:not([type]), select, input[type=file]")) return true;
  if (at.matches("input[type=range]")) return event.key.startsWith("Arrow");
  return event.key === " " && at.matches("button, a, input, summary");
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (recordingView.row === null) return inTables(event);
  if (event.target === element("find")) return inSearch(event);
  const meant = isTaken(event) ? undefined : KEYS.find(([, , keys]) => keys.includes(event.key));
  if (!meant) return;
  event.preventDefault();
  meant[3](recordingView, event.key);
}

/** The keys that mean something outside of a recording. */
function inTables(event) {
  if (isTaken(event) || !["/", "?"].includes(event.key)) return;
  event.preventDefault();
  if (event.key === "?") element("keys").showModal();
  else tables.get("recordings").search.focus();
}

function inSearch(event) {
  if (event.key === "Enter") recordingView.search.step(event.shiftKey ? -1 : 1);
  else if (event.key === "Escape") element("transcript").focus();
  else return;
  event.preventDefault();
}

function startKeys() {
  element("keys-table").append(...KEYS.map(([keys, what]) =>
    make("tr", null, make("th", {scope: "row"}, keys), make("td", null, what))));
  element("help").onclick = () => element("keys").showModal();
  document.addEventListener("keydown", onKey);
  // a button that was clicked gives the focus back, or the space key would press it again
  element("recording").addEventListener("click", event => {
    const button = event.detail && event.target.closest("button");
    if (button) button.blur();
  });
}
