// The audio of a recording, in seconds from the recording's start.

/** Return an element of the page by its id. */
function element(id) {
  return document.getElementById(id);
}

/** Addresses at which the audio at `path` may be, the likeliest first; none where the page may load none. */
function audioAddresses(path) {
  const local = path.replace(/^file:\/\//, "");
  if (!local.startsWith("/")) return [];
  const encoded = parts => parts.map(encodeURIComponent).join("/");
  const there = local.split("/"), here = DATA.listen.root.split("/");
  let same = 0;
  while (same < here.length && same < there.length - 1 && here[same] === there[same]) same++;
  const beside = [...here.slice(same).map(() => ".."), ...there.slice(same)];
  const moved = beside.map(part => part === ".." ? part : encodeURIComponent(part)).join("/");
  return location.protocol === "file:" ? [`file://${encoded(there)}`, moved] : [moved];
}

class Player {
  constructor(audio, told) {
    this.audio = audio;
    this.told = told; // {tick(), playing(yes), missing(path)}
    this.still = 0; // where it is while there is no audio
    audio.addEventListener("loadedmetadata", () => this.loaded());
    audio.addEventListener("error", () => this.next());
    audio.addEventListener("seeked", () => this.told.tick());
    for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => this.changed());
  }

  open(path, offset, duration) {
    this.close();
    Object.assign(this, {path, offset, duration, still: 0, wanted: false, left: audioAddresses(path)});
    this.next();
  }

  /** Take another file that the reader chose. */
  choose(file) {
    if (this.blob) URL.revokeObjectURL(this.blob);
    this.blob = URL.createObjectURL(file);
    this.left = [];
    this.audio.src = this.blob;
  }

  close() {
    this.audio.pause();
    this.ready = false;
    this.audio.removeAttribute("src");
    this.audio.load();
  }

  next() {
    this.ready = false;
    if (this.left.length) this.audio.src = this.left.shift();
    else if (this.path !== undefined) this.told.missing(this.path);
  }

  loaded() {
    this.ready = true;
    this.audio.currentTime = this.offset + this.still;
    this.audio.playbackRate = this.rate || 1;
    this.told.ready();
    if (this.wanted) this.play();
  }

  get time() {
    return this.ready ? Math.max(0, this.audio.currentTime - this.offset) : this.still;
  }

  get playing() { return this.ready && !this.audio.paused; }

  seek(time) {
    this.still = Math.min(Math.max(0, time), this.duration);
    if (this.ready) this.audio.currentTime = this.offset + this.still;
    this.told.tick();
  }

  hear(time) {
    this.seek(time);
    this.play();
  }

  play() {
    this.wanted = true;
    if (!this.ready) return;
    if (this.time >= this.duration - 0.05) this.audio.currentTime = this.offset;
    this.audio.play().catch(error => { if (error.name === "NotSupportedError") this.told.missing(this.path); });
  }

  pause() {
    this.wanted = false;
    this.audio.pause();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  speed(rate) {
    this.rate = rate;
    this.audio.playbackRate = rate;
  }

  changed() {
    this.told.playing(this.playing);
    if (this.playing) requestAnimationFrame(() => this.run());
  }

  run() {
    if (!this.playing) return;
    if (this.time >= this.duration) this.pause(); // the recording is a part of its file
    this.told.tick();
    requestAnimationFrame(() => this.run());
  }
}
