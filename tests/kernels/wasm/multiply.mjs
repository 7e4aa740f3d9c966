// node multiply.mjs LIBRARY CALLS MEMORY: the library's function over memory that a file holds, which is written again.
import { readFileSync, writeFileSync } from "node:fs";

const [library, calls, file] = process.argv.slice(2);
const content = readFileSync(file);
const memory = new WebAssembly.Memory({ initial: Math.ceil(content.length / 65536) });
const bytes = new Uint8Array(memory.buffer, 0, content.length);
bytes.set(content);
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(library)), { env: { memory } });
JSON.parse(readFileSync(calls, "utf8")).forEach((given) => exports.multiply(...given));
writeFileSync(file, bytes);
