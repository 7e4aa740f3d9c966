// Python in a worker, for the pages of this folder and the lessons beside it.
//
//   const live = new Live();
//   const about = await live.about();            // what boot() would load: {pyodide, megabytes, external, ...}
//   await live.boot(({doing, share}) => ...);    // loads it: seconds, once; rejects with what went wrong
//   const answer = await live.call("cell:run_cell", {code: "1 + 1"}, {seconds: 10, channel: "cells", told: (v) => ...});
//   live.end();                                  // ends the worker, whatever it does; boot() starts another one
//
// A name is "module:function" of docs/live/python/tab, its arguments and answer are what JSON can hold (an answer also
// Uint8Arrays, from bytes). Requests are worked on one after another, in the order they came. Of those of one `channel`
// that wait, only the latest is worked on: the others' answer is undefined. A request that takes more `seconds`
// ends the worker: it and all that wait reject with an error whose `ended` is true, and all variables are gone.
// Other errors reject with an Error whose message is Python's text.

const HERE = new URL("./", import.meta.url).href;
const PATIENCE = 60; // seconds without a word while Python is loaded

export class Live {
  constructor() {
    this.waiting = [];
    this.now = this.worker = this.booting = null;
    this.number = 0;
  }

  async about() {
    const reply = await fetch(`${HERE}live.json`, { cache: "no-cache" });
    if (!reply.ok) throw new Error(`live.json: ${reply.status} ${reply.statusText}`);
    const about = await reply.json();
    return { ...about, external: /^https?:/.test(about.pyodide) ? about.pyodide : "" };
  }

  get ready() { return this.booted === true; }

  boot(told = () => {}) {
    this.booting ??= this.about().then((boot) => {
      const why = lacking();
      if (why) throw new Error(why);
      this.worker = new Worker(`${HERE}worker.js`, { type: "module" });
      this.worker.addEventListener("message", ({ data }) => this.heard(data));
      this.worker.addEventListener("error", (event) => this.end(event.message || "the worker could not be started"));
      const watch = () => {
        clearTimeout(this.clock);
        this.clock = setTimeout(() => this.end(`Nothing has come for ${PATIENCE} seconds: what was loaded may be broken, or the connection.`), 1000 * PATIENCE);
      };
      watch();
      return this.ask({ boot }, { told: (value) => { watch(); told(value); } });
    }).then(() => { this.booted = true; }, (error) => { this.end(); throw error; });
    return this.booting;
  }

  call(name, given = {}, { channel, seconds, told } = {}) {
    if (!this.worker) return Promise.reject(new Error("Python has not been started"));
    return this.ask({ name, given: JSON.stringify(given) }, { channel, seconds, told });
  }

  end(why = "Python was ended") {
    this.worker?.terminate();
    clearTimeout(this.clock);
    const left = [this.now, ...this.waiting].filter(Boolean);
    this.waiting = [];
    this.now = this.worker = this.booting = null;
    this.booted = false;
    for (const one of left) one.reject(Object.assign(new Error(why), { ended: true }));
  }

  // ---------------------------------------------------------------- between the page and its worker

  ask(message, { channel, seconds, told }) {
    return new Promise((resolve, reject) => {
      const old = channel && this.waiting.findIndex((one) => one.channel === channel);
      if (channel && old >= 0) this.waiting.splice(old, 1)[0].resolve(undefined);
      this.waiting.push({ message: { id: ++this.number, ...message }, channel, seconds, told, resolve, reject });
      this.next();
    });
  }

  next() {
    if (this.now || !this.waiting.length) return;
    const { message, seconds } = (this.now = this.waiting.shift());
    this.worker.postMessage(message);
    if (seconds) this.clock = setTimeout(() => this.end(`ended after ${seconds} seconds`), 1000 * seconds);
  }

  heard({ id, told, answer, error }) {
    if (id !== this.now?.message.id) return;
    if (told !== undefined) return void this.now.told?.(told);
    const { resolve, reject } = this.now;
    this.now = null;
    clearTimeout(this.clock);
    if (error === undefined) resolve(answer);
    else reject(new Error(error));
    this.next();
  }
}

// Why this browser cannot run Python; "" where it can.
export function lacking() {
  if (typeof WebAssembly !== "object") return "This browser has no WebAssembly, so Python cannot run in it.";
  if (typeof Worker !== "function") return "This browser starts no workers, so Python cannot run in it.";
  return "";
}
