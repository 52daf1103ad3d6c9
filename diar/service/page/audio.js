// Where audio comes from: a microphone, or a file at the pace of a clock. Both give blocks of 0.1 s, 16 bit mono.

const FILE_RATE = 16000, MOST_WAITING = 1 << 20; // bytes that may wait in the browser

/** Open the microphone; `take` gets ArrayBuffers. Returns {rate, stop}. */
export async function openMicrophone(take) {
  if (!navigator.mediaDevices) throw new Error("A browser gives the microphone to pages over HTTPS or on this machine only.");
  const plain = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
  const stream = await navigator.mediaDevices.getUserMedia({audio: plain});
  const context = new AudioContext({sampleRate: 16000});
  await context.audioWorklet.addModule("page/worklet.js");
  const node = new AudioWorkletNode(context, "blocks");
  node.port.onmessage = event => take(event.data);
  context.createMediaStreamSource(stream).connect(node);
  await context.resume();
  return {
    rate: context.sampleRate,
    stop() {
      for (const track of stream.getTracks()) track.stop();
      context.close();
    },
  };
}

/** Decode a file; returns {rate, play, stop}: `play(take, waiting, done)` sends it at `pace` times real time. */
export async function openFile(file, pace, aloud) {
  const decoder = new OfflineAudioContext(1, 1, FILE_RATE);
  const decoded = await decoder.decodeAudioData(await file.arrayBuffer());
  const samples = mono(decoded);
  let timer = 0, context = null;
  const stop = () => {
    clearTimeout(timer);
    timer = 0;
    if (context) context.close();
    context = null;
  };
  return {
    rate: FILE_RATE,
    seconds: samples.length / FILE_RATE,
    play(take, waiting, done) {
      if (aloud && pace === 1) {
        context = new AudioContext();
        const source = context.createBufferSource();
        source.buffer = decoded;
        source.connect(context.destination);
        source.start();
      }
      const started = performance.now(), step = FILE_RATE / 10;
      let at = 0;
      const tick = () => {
        const due = pace ? (performance.now() - started) / 1000 * pace * FILE_RATE : samples.length;
        while (at < samples.length && at + step <= due + step / 2 && waiting() < MOST_WAITING) {
          take(pcm(samples.subarray(at, at + step)));
          at += step;
        }
        if (at >= samples.length) return done();
        timer = setTimeout(tick, pace ? 40 : 5);
      };
      timer = setTimeout(tick, 0);
    },
    stop,
  };
}

function mono(decoded) {
  const sum = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const values = decoded.getChannelData(channel);
    for (let i = 0; i < sum.length; i++) sum[i] += values[i] / decoded.numberOfChannels;
  }
  return sum;
}

function pcm(samples) {
  const block = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) block[i] = Math.round(Math.max(-1, Math.min(1, samples[i])) * 32767);
  return block.buffer;
}
