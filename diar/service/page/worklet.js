"use strict";
// Runs in the audio thread: blocks of 0.1 s of 16 bit samples to the page.

class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
  }

  process([input]) {
    if (!input.length) return true;
    for (let i = 0; i < input[0].length; i++) {
      let value = 0;
      for (const channel of input) value += channel[i];
      value = Math.max(-1, Math.min(1, value / input.length));
      this.block[this.filled++] = Math.round(value * 32767);
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.buffer.slice(0));
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("blocks", Blocks);
