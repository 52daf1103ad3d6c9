// The picture of turns: one lane a speaker, time to the right.

import {sharp} from "./canvas.js";

// As diar/plots/style.py, so that a speaker has the same colour in every picture
export const PALETTE = [
  "#4787d1", "#00a52d", "#ffc32d", "#b40f96", "#00e1c3", "#f087a5", "#5a5a00", "#9678ff",
  "#b4d22d", "#d2875a", "#2dc3e1", "#0f693c", "#f01e78", "#b4d287", "#784b87", "#e1690f",
  "#ffa5ff", "#d2c3ff", "#963c3c", "#d2b45a", "#1e87ff", "#2d6900", "#5ad287", "#4ba596",
];
const LANE = 28, AXIS = 22, PALE = 0.45; // pixels, and how strongly a turn is drawn that may change
const TICKS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200];

export function color(place) { return PALETTE[place % PALETTE.length]; }

/** Draw the board; `seconds` have been heard, `view` are shown, 0 = all. */
export function draw(canvas, board, seconds, view) {
  const speakers = board.speakers(), shown = lanesOf(board, speakers);
  const width = canvas.clientWidth, bottom = LANE * Math.max(2, shown.length);
  const context = sharp(canvas, width, bottom + AXIS);
  const style = getComputedStyle(canvas);
  const length = view ? Math.max(view, 1) : Math.max(seconds, 10);
  const origin = view ? Math.max(0, seconds - length) : 0;
  const x = time => (time - origin) / length * width;
  drawAxis(context, style, origin, length, width, bottom);
  drawOverlap(context, board, style, x, bottom);
  for (const turn of board.turns.values()) {
    const lane = shown.indexOf(turn.speaker);
    if (lane < 0 || turn.end < origin) continue;
    context.globalAlpha = turn.final ? 1 : PALE;
    context.fillStyle = color(board.order.indexOf(turn.speaker));
    const left = Math.max(0, x(turn.start));
    bar(context, left, lane * LANE + 4, Math.max(2, x(turn.end) - left), LANE - 8);
    context.fill();
  }
  context.globalAlpha = 1;
  drawGhosts(context, board, shown, x);
  drawNow(context, style, x(seconds), bottom);
}

/** Speakers with a lane: who has turns, and for a moment who had some. */
export function lanesOf(board, speakers) {
  const ghosts = new Set(board.ghosts.map(ghost => ghost.speaker));
  return board.order.filter(speaker => speakers.includes(speaker) || ghosts.has(speaker));
}

function drawAxis(context, style, origin, length, width, bottom) {
  context.strokeStyle = style.getPropertyValue("--line");
  context.fillStyle = style.getPropertyValue("--quiet");
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  const step = TICKS.find(tick => tick / length * width >= 64) || 7200;
  for (let time = Math.ceil(origin / step) * step; time <= origin + length; time += step) {
    const x = (time - origin) / length * width;
    line(context, x, 0, x, bottom + 4);
    if (x > 14 && x < width - 14) context.fillText(clock(time), x, bottom + 17);
  }
}

function drawOverlap(context, board, style, x, bottom) {
  context.fillStyle = style.getPropertyValue("--mark");
  for (const [start, end] of board.overlaps()) {
    const left = x(start), width = Math.max(1, x(end) - left);
    context.globalAlpha = 0.18;
    context.fillRect(left, 0, width, bottom);
    context.globalAlpha = 1;
    context.fillRect(left, 0, width, 3);
  }
}

function drawGhosts(context, board, shown, x) {
  const now = performance.now();
  board.ghosts = board.ghosts.filter(ghost => ghost.until > now);
  context.setLineDash([4, 3]);
  context.lineWidth = 1.5;
  for (const {speaker, start, end} of board.ghosts) {
    context.strokeStyle = color(board.order.indexOf(speaker));
    bar(context, x(start), shown.indexOf(speaker) * LANE + 4, Math.max(2, x(end) - x(start)), LANE - 8);
    context.stroke();
  }
  context.setLineDash([]);
  context.lineWidth = 1;
}

function drawNow(context, style, x, bottom) {
  context.strokeStyle = style.getPropertyValue("--mark");
  line(context, x, 0, x, bottom + 4);
}

function bar(context, left, top, width, height) {
  context.beginPath();
  context.roundRect(left, top, width, height, Math.min(3, width / 2));
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** `m:ss` or `h:mm:ss`. */
export function clock(seconds) {
  const whole = Math.floor(seconds), two = value => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `4.2 s`, from a minute on as `clock`. */
export function amount(seconds) { return seconds < 59.95 ? `${seconds.toFixed(1)} s` : clock(seconds); }
