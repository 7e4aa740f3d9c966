// node node.mjs PYODIDE MOUNTS SCRIPT: run a file of Python in Pyodide, with folders of this machine mounted by name.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, mounts, script] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
const began = process.cpuUsage();
const pyodide = await loadPyodide({ indexURL: `${folder}/`, packageCacheDir: folder, env: { HOME: "/home/pyodide" } });
await pyodide.loadPackage(["numpy", "scipy", "matplotlib", "pillow", "threadpoolctl"], { messageCallback: () => {} });
for (const [name, root] of Object.entries(JSON.parse(mounts))) {
  pyodide.FS.mkdirTree(name);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root }, name);
}
const { user, system } = process.cpuUsage(began);
pyodide.globals.set("BOOT_SECONDS", (user + system) / 1e6);
try {
  await pyodide.runPythonAsync(readFileSync(script, "utf8"), { filename: script });
} catch (error) {
  console.error(String(error.message).slice(0, 4000)); // and not the line of the interpreter, which has a megabyte
  process.exitCode = 1;
}
