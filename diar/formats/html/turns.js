// Turns: from their text (turns_text.py) to pictures.

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const DIGIT = new Uint8Array(128);
for (let i = 0; i < LETTERS.length; i++) DIGIT[LETTERS.charCodeAt(i)] = i;
const STEPS = 100; // in a second
const TICKS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 14400, 43200, 86400];

/** Return a list of {start, end, who}, in seconds, who = place in the recording's list of people. */
function readTurns(text) {
  const turns = [];
  let at = 0, start = 0;
  const number = () => {
    let value = 0, digit = 0;
    do {
      digit = DIGIT[text.charCodeAt(at++)];
      value = value * 32 + (digit & 31);
    } while (digit & 32);
    return value;
  };
  while (at < text.length) {
    start += number();
    const length = number(), who = number();
    turns.push({start: start / STEPS, end: (start + length) / STEPS, who});
  }
  return turns;
}

/** Draw one lane a person, all in the height of a table's row. */
function drawStrip(canvas, turns, duration, colors) {
  const width = canvas.clientWidth, height = Math.max(26, Math.min(64, 7 * colors.length));
  const lane = height / Math.max(1, colors.length);
  const context = sharp(canvas, width, height);
  for (const {start, end, who} of turns) {
    context.fillStyle = colors[who];
    const left = start / duration * width;
    context.fillRect(left, who * lane + (lane > 4 ? 1 : 0), Math.max(0.75, end / duration * width - left),
      Math.max(1, lane > 4 ? lane - 1.5 : lane));
  }
}

const LANE = 24, AXIS = 20; // pixels

/**
 * Draw a lane a person, with the time below: `duration` seconds of the recording, `from` its start; `origin` is the
 * clock there.
 */
function drawLanes(canvas, turns, duration, colors, origin, from = 0) {
  const width = canvas.clientWidth, bottom = LANE * Math.max(1, colors.length);
  const context = sharp(canvas, width, bottom + AXIS);
  const style = getComputedStyle(canvas);
  context.strokeStyle = style.getPropertyValue("--line");
  context.fillStyle = style.getPropertyValue("--quiet");
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  const step = TICKS.find(tick => tick / duration * width >= 64) || 86400;
  const first = origin + from;
  for (let time = Math.ceil(first / step) * step; time <= first + duration; time += step) {
    const x = (time - first) / duration * width;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, bottom + 4);
    context.stroke();
    const text = clock(time), half = context.measureText(text).width / 2;
    if (x >= half && x <= width - half) context.fillText(text, x, bottom + 16);
  }
  for (const {start, end, who} of turns) {
    context.fillStyle = colors[who];
    const left = (start - from) / duration * width;
    context.fillRect(left, who * LANE + 3, Math.max(1, (end - from) / duration * width - left), LANE - 6);
  }
}

/** `m:ss` or `h:mm:ss`. */
function clock(seconds) {
  const whole = Math.round(seconds), two = value => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `4.2 s`, from a minute on as `clock`. */
function amount(seconds) {
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : clock(seconds);
}
