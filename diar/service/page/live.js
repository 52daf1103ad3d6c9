// The page: buttons and drops to audio, audio to the server, events to pictures and tables.

import {openFile, openMicrophone} from "./audio.js";
import {Board} from "./board.js";
import {Connection} from "./connection.js";
import {amount, clock, color, draw, lanesOf} from "./lanes.js";

const $ = id => document.getElementById(id);
const MOST_LATEST = 60, MOST_PARAGRAPHS = 60, CORRECTED_AFTER = 5; // turns; seconds after which a turn that is told is part of a correction
let board = new Board(), connection = null, source = null, recording = "live", stale = true, delays = [], notice = "";

$("microphone").onclick = () => begin("microphone", take => openMicrophone(take));
$("file").onchange = () => { if ($("file").files.length) playFile($("file").files[0]); };
$("stop").onclick = stop;
$("finalize").onclick = () => connection.control({type: "Finalize"});
$("rttm").onclick = () => download(`${recording}.rttm`, board.rttm(recording), "text/plain");
$("json").onclick = () => download(`${recording}.json`, board.json(recording, connection.heard), "application/json");
$("view").onchange = () => { stale = true; };
$("drop").ondragover = event => { event.preventDefault(); $("drop").classList.add("over"); };
$("drop").ondragleave = () => $("drop").classList.remove("over");
$("drop").ondrop = event => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files.length && !running()) playFile(event.dataTransfer.files[0]);
};
window.addEventListener("resize", () => { stale = true; });
setInterval(() => { if (running() || board.ghosts.length) stale = true; }, 100);
requestAnimationFrame(frame);

function running() { return connection !== null && !connection.over; }

async function playFile(file) {
  const pace = Number($("pace").value), aloud = $("aloud").checked;
  await begin(file.name.replace(/\.[^.]*$/, ""), () => openFile(file, pace, aloud));
  $("file").value = "";
}

/** Begin a session; `open(take)` opens the audio and may give blocks at once. */
async function begin(name, open) {
  if (running()) return;
  problem("");
  busy(true);
  const early = [];
  let take = block => early.push(block);
  try {
    source = await open(block => take(block));
  } catch (error) {
    busy(false);
    problem(`The audio cannot be opened: ${error.message || error}`);
    return;
  }
  [board, delays, recording] = [new Board(), [], name];
  const most = Number($("max_speakers").value) || null;
  connection = new Connection(source.rate, most, $("words").checked, $("token").value.trim(), {
    told,
    state: text => { notice = text; stale = true; },
    failed: text => { stopSource(); busy(false); problem(text); },
  });
  connection.open();
  take = block => connection.send(block);
  early.forEach(take);
  if (source.play) source.play(take, () => connection.waiting(), stop);
}

function told(event) {
  if (event.type === "turn.started" && event.delay < CORRECTED_AFTER) {
    const delay = connection.since(event.turn.start);
    if (delay !== null) delays.push(delay);
  }
  const before = board.speakers();
  board.take(event);
  const appeared = board.speakers().filter(speaker => !before.includes(speaker));
  if (event.type === "speaker.merged") text($("said"), board.changes[0].text);
  else if (appeared.length) text($("said"), `${appeared.map(speaker => board.name(speaker)).join(", ")}: new`);
  if (event.type === "session.ended") {
    busy(false);
    notice = "The session has ended; these are the final turns.";
  } else if (event.type === "error") notice = event.message;
  stale = true;
}

function stop() {
  stopSource();
  if (connection) connection.control({type: "CloseStream"});
  $("stop").disabled = $("finalize").disabled = true;
  notice = "Waiting for the final turns.";
  stale = true;
}

function stopSource() {
  if (source) source.stop();
  source = null;
}

function busy(yes) {
  $("microphone").disabled = $("file").disabled = yes;
  document.querySelector(".file.main").classList.toggle("disabled", yes);
  $("stop").disabled = $("finalize").disabled = !yes;
}

function problem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text;
}

function frame() {
  if (stale) {
    stale = false;
    show();
  }
  requestAnimationFrame(frame);
}

function show() {
  const seconds = connection ? connection.heard : 0, speakers = board.speakers();
  draw($("lanes"), board, board.final ? board.final.duration : seconds, Number($("view").value));
  showFacts(seconds, speakers);
  showLabels(speakers);
  showPeople(speakers);
  showTranscript();
  showLatest();
  showChanges();
  $("rttm").disabled = $("json").disabled = !board.turns.size;
  const behind = running() ? Math.round(connection.seconds - seconds) : 0;
  const saying = behind ? `Listening; the server is ${amount(behind)} behind.` : running() ? "Listening." : connection ? "" : "Nothing is sent yet.";
  text($("status"), notice || saying);
}

function showFacts(seconds, speakers) {
  text($("heard"), amount(board.final ? board.final.duration : seconds));
  text($("count"), String(speakers.length));
  text($("turns"), String(board.turns.size));
  text($("overlap"), amount(board.overlaps().reduce((sum, [start, end]) => sum + end - start, 0)));
  text($("corrected"), String(board.corrected));
  const sorted = [...delays].sort((a, b) => a - b);
  text($("delay"), sorted.length ? `${sorted[Math.floor(sorted.length / 2)].toFixed(1)} s` : "–");
}

function showLabels(speakers) {
  const talking = talkingNow(), shown = lanesOf(board, speakers);
  fill($("labels"), shown, () => document.createElement("li"), (item, speaker) => {
    text(item, board.name(speaker));
    item.classList.toggle("talking", talking.has(speaker));
  });
}

function talkingNow() { return new Set([...board.turns.values()].filter(turn => turn.open).map(turn => turn.speaker)); }

function showPeople(speakers) {
  $("nobody").hidden = speakers.length > 0;
  $("people").hidden = !speakers.length;
  const seconds = new Map(), counts = new Map(), talking = talkingNow();
  for (const {speaker, start, end} of board.turns.values()) {
    seconds.set(speaker, (seconds.get(speaker) || 0) + end - start);
    counts.set(speaker, (counts.get(speaker) || 0) + 1);
  }
  const all = [...seconds.values()].reduce((sum, value) => sum + value, 0) || 1;
  fill($("people").tBodies[0], speakers, personRow, (row, speaker) => {
    row.dataset.speaker = speaker;
    const [name, time, share, turns, now] = row.cells, input = name.querySelector("input");
    name.querySelector(".dot").style.background = color(board.order.indexOf(speaker));
    input.setAttribute("aria-label", `Name of speaker ${speaker}`);
    if (document.activeElement !== input) input.value = board.name(speaker);
    text(time, amount(seconds.get(speaker)));
    text(share, `${Math.round(100 * seconds.get(speaker) / all)} %`);
    text(turns, String(counts.get(speaker)));
    text(now, talking.has(speaker) ? "talks" : "");
  });
}

function personRow() {
  const row = document.createElement("tr"), name = document.createElement("th"), box = document.createElement("div");
  const dot = document.createElement("span"), input = document.createElement("input");
  name.scope = "row";
  dot.className = "dot";
  input.maxLength = 100;
  input.onkeydown = event => {
    if (event.key === "Enter") input.blur();
    if (event.key === "Escape") {
      input.value = board.name(row.dataset.speaker);
      input.blur();
    }
  };
  input.onchange = () => {
    const given = input.value.trim();
    if (!given || given === board.name(row.dataset.speaker)) return;
    if (running()) connection.control({type: "Rename", speaker: row.dataset.speaker, name: given});
    else board.names.set(row.dataset.speaker, given); // for the downloads
    stale = true;
  };
  box.append(dot, input);
  name.append(box);
  row.append(name, ...["number", "number", "number", ""].map(kind => {
    const cell = document.createElement("td");
    if (kind) cell.className = kind;
    return cell;
  }));
  return row;
}

function showTranscript() {
  $("transcript-part").hidden = !board.words.length && !board.partial.length;
  const shown = board.paragraphs(MOST_PARAGRAPHS).reverse();
  fill($("transcript"), shown, paragraph, (item, {speaker, start, text: certain, partial}) => {
    const [when, dot, who, said, maybe] = item.children;
    text(when, `${clock(start)} `);
    dot.style.background = speaker === null ? "" : color(board.order.indexOf(speaker));
    text(who, speaker === null ? "Somebody: " : `${board.name(speaker)}: `);
    text(said, certain);
    text(maybe, partial);
  });
}

function paragraph() { return parts(["when", "dot", "who", "said", "maybe"]); }

function showLatest() {
  const latest = board.sorted().slice(-MOST_LATEST).reverse();
  fill($("latest"), latest, entry, (item, turn) => {
    const others = turn.overlaps.map(speaker => board.name(speaker)).join(", ");
    const [when, dot, what] = item.children;
    text(when, `${clock(turn.start)}, ${turn.open ? "talks" : amount(turn.end - turn.start)} `);
    dot.style.background = color(board.order.indexOf(turn.speaker));
    text(what, board.name(turn.speaker) + (others ? `, over ${others}` : ""));
    item.classList.toggle("open", turn.open);
  });
}

function showChanges() {
  fill($("changes"), board.changes, entry, (item, change) => {
    const [when, dot, what] = item.children;
    text(when, `${clock(change.when)} `);
    dot.hidden = true;
    text(what, change.text + (change.at === null ? "" : `, at ${clock(change.at)}`));
  });
}

function entry() { return parts(["when", "dot", "what"]); }

function parts(kinds) {
  const item = document.createElement("li");
  for (const kind of kinds) {
    const part = document.createElement("span");
    part.className = kind;
    item.append(part);
  }
  return item;
}

/** Make a list's children as many as the values, and show each value in its child; nothing is made anew. */
function fill(list, values, make, show) {
  while (list.children.length > values.length) list.lastElementChild.remove();
  while (list.children.length < values.length) list.append(make());
  values.forEach((value, place) => show(list.children[place], value));
}

function text(element, value) { if (element.textContent !== value) element.textContent = value; }

function download(name, content, kind) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], {type: kind}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
