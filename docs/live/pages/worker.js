// The worker of these pages: Python (Pyodide) with the package in it. live.js talks to it; see there for the words.
//
// A message {id, boot: what live.json says} or {id, name: "module:function", given: its arguments as JSON} is answered
// by {id, answer} or {id, error}; before that may come {id, told}: progress, or what Python sends by tab.tell(value).
const HERE = new URL("./", import.meta.url).href;
let python, current;

self.tell = (told) => postMessage({ id: current, told });

addEventListener("message", async ({ data: { id, boot, name, given } }) => {
  current = id;
  try {
    const reply = boot ? await start(boot) : python(name, given);
    postMessage({ id, ...reply });
  } catch (error) {
    postMessage({ id, error: String(error?.message || error).trim().slice(-2000) });
  }
});

async function start({ pyodide: place, packages, wheels, megabytes }) {
  const stop = count((loaded) => tell({ doing: "Loading Python and the course", share: Math.min(loaded / (megabytes * 1e6), 1) }));
  const indexURL = new URL(place, HERE).href;
  const { loadPyodide } = await import(`${indexURL}pyodide.mjs`);
  const env = { HOME: "/home/pyodide", MPLBACKEND: "Agg", TINYMASKRCNN_FAST: "1" };
  const pyodide = await loadPyodide({ indexURL, env, stdout: console.debug, stderr: console.debug });
  const failed = [];
  const options = { messageCallback: () => {}, errorCallback: (message) => failed.push(message) };
  const [archives] = await Promise.all([Promise.all(wheels.map(bytes)), pyodide.loadPackage(packages, options)]);
  if (failed.length) throw new Error(failed[0]);
  for (const archive of archives) pyodide.unpackArchive(archive, "wheel");
  stop();
  tell({ doing: "Starting", share: 1 });
  python = pyodide.runPython("import tab; tab.lighten(); tab.answer");
  return { answer: null };
}

async function bytes(name) {
  const reply = await fetch(HERE + name);
  if (!reply.ok) throw new Error(`${name}: ${reply.status} ${reply.statusText}`);
  return reply.arrayBuffer();
}

// Counts the bytes that are loaded until it is stopped.
function count(told) {
  const plain = self.fetch;
  let loaded = 0;
  self.fetch = async (...asked) => {
    const reply = await plain(...asked);
    if (!reply.ok || !reply.body) return reply;
    const counted = new TransformStream({
      transform(chunk, out) { loaded += chunk.length; told(loaded); out.enqueue(chunk); },
    });
    const { status, statusText, headers } = reply;
    return new Response(reply.body.pipeThrough(counted), { status, statusText, headers });
  };
  return () => { self.fetch = plain; };
}
