// Homework in the page: choose an exercise, write, check. The text of each homework is one file, kept by this browser.
import { Live } from "./live.js";
import { panel } from "./start.js";

const LIMIT = 30; // seconds for a check; a loop without an end is ended with the worker
const live = new Live();
const at = (id) => document.getElementById(id);
const kept = {
  get(name) { try { return localStorage.getItem(`tinymaskrcnn.${name}`); } catch { return null; } },
  set(name, text) { try { localStorage.setItem(`tinymaskrcnn.${name}`, text); } catch { say("This browser keeps nothing: save your file before you leave."); } },
};
let all, homework, exercise, text, shown, words = verdicts();

function verdicts() { // of each exercise, the word that it was told last
  try { return { ...JSON.parse(kept.get("verdicts")) }; } catch { return {}; }
}

function say(said) { at("said").textContent = said; }

function make(tag, content = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = content;
  if (name) element.className = name;
  return element;
}

// ---------------------------------------------------------------- what is chosen

// Where the part of the exercise begins and ends in the file: from the line over its title to the next such line.
function part() {
  const line = `# ${"-".repeat(100)}\n`;
  const title = text.indexOf(`(${exercise.id},`);
  const from = text.lastIndexOf(line, title);
  if (at("whole").checked || title < 0 || from < 0) return [0, text.length];
  const next = text.indexOf(line, title);
  return [from + line.length, next < 0 ? text.length : next];
}

function choose(id) {
  homework = all.find((one) => id.startsWith(one.id)) || all[0];
  exercise = homework.exercises.find((one) => one.id === id) || homework.exercises[0];
  text = kept.get(homework.id) ?? homework.text;
  at("homework").value = homework.id;
  history.replaceState(null, "", `#${exercise.id}`);
  at("verdict").replaceChildren();
  say("");
  list();
  show();
}

function list() {
  at("exercises").replaceChildren(...homework.exercises.map((one) => {
    const button = make("button", one.id.split(".")[1], words[one.id] ? (words[one.id] === "right" ? "right" : "wrong") : "");
    button.type = "button";
    button.setAttribute("aria-pressed", String(one === exercise));
    button.setAttribute("aria-label", `${one.id.split(".")[1]}, ${words[one.id] || "not checked yet"}`);
    button.addEventListener("click", () => choose(one.id));
    const item = make("li");
    item.append(button);
    return item;
  }));
  const row = at("exercises"), chosen = row.querySelector("[aria-pressed=true]");
  row.scrollLeft = chosen.offsetLeft - row.offsetLeft - 16; // on a phone the row is longer than the screen is wide
  const left = homework.exercises.filter((one) => words[one.id] !== "right").length;
  at("save").textContent = `Save ${homework.id}.py${left ? "" : " ✓"}`;
}

function show() {
  const [from, to] = part();
  shown = { from, after: text.slice(to) };
  at("text").value = text.slice(from, to).replace(/\n+$/, "\n");
  at("title").replaceChildren(exercise.title, make("small", `${exercise.id} · lesson ${exercise.lesson} explains it`));
  number();
}

// The numbers beside the lines are those of the whole file, as verdicts name them.
function number() {
  const first = text.slice(0, shown.from).split("\n").length, count = at("text").value.split("\n").length;
  at("numbers").textContent = Array.from({ length: count }, (_, k) => first + k).join("\n");
  at("text").rows = count;
}

// ---------------------------------------------------------------- writing

function written() {
  const gap = shown.after ? "\n\n" : "";
  text = text.slice(0, shown.from) + `${at("text").value.trimEnd()}\n` + gap + shown.after;
  kept.set(homework.id, text);
  number();
}

function insert(words) { document.execCommand("insertText", false, words); } // which can be undone

at("text").addEventListener("input", written);
at("text").addEventListener("keydown", (event) => {
  const area = at("text"), line = area.value.slice(0, area.selectionStart).split("\n").pop();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("check").click();
  else if (event.key === "Escape") return void (area.dataset.leaves = "yes");
  else if (event.key === "Tab" && !area.dataset.leaves && !event.shiftKey) insert(" ".repeat(4 - (line.length % 4)));
  else if (event.key === "Backspace" && /^ +$/.test(line) && line.length % 4 === 0 && area.selectionStart === area.selectionEnd) {
    area.setSelectionRange(area.selectionStart - 4, area.selectionStart);
    document.execCommand("delete");
  } else if (event.key === "Enter" && !event.shiftKey) insert(`\n${/^ */.exec(line)[0]}${/:\s*(#.*)?$/.test(line) ? "    " : ""}`);
  else return void (event.key === "Tab" || delete area.dataset.leaves);
  event.preventDefault();
});

// ---------------------------------------------------------------- checking

async function check() {
  const asked = exercise, mine = homework;
  at("check").disabled = true;
  try {
    await ready();
    say("Checking …");
    const written = mine === homework ? text : kept.get(mine.id) ?? mine.text; // another one may have been chosen meanwhile
    const found = await live.call("homework:check", { homework: mine.id, text: written, only: [asked.id] }, { seconds: LIMIT });
    say("");
    tell(found);
  } catch (error) {
    if (!error.ended) say(`The check itself failed. ${error.message}`);
    else {
      tell({ verdicts: [{ id: asked.id, word: "too slow", headline: "", lines: [`The check was ended after ${LIMIT} seconds: is there a loop that has no end?`] }], notes: [], printed: "" });
      say("Python was ended, and starts anew.");
      await ready().catch(() => {});
      say("Python is ready again.");
    }
  }
  at("check").disabled = false;
}

function ready() {
  if (live.ready) return Promise.resolve();
  at("start").hidden = false;
  say("");
  return panel(at("start"), live, { asked: true }).then(() => {
    say("Looking up the exercises …");
    return live.call("homework:get_ready");
  });
}

function tell({ verdicts, notes, printed }) {
  const told = verdicts.map(({ id, word, headline, lines, png, whole }) => {
    words[id] = word;
    const right = word === "right", box = make("article", "", right ? "right" : "wrong");
    const title = make("h3", right ? "Right" : whole ? "The file cannot be run" : word[0].toUpperCase() + word.slice(1));
    const cases = headline.match(/\d+ of \d+ cases/);
    if (cases) title.append(make("span", `  ${cases[0]} right`));
    box.append(title, ...lines.filter((line) => line.startsWith("=> ")).map((line) => make("p", line.slice(3), "says")));
    const rest = lines.filter((line) => !line.startsWith("=> "));
    if (rest.length) box.append(make("pre", rest.join("\n")));
    if (png) {
      const image = new Image();
      image.src = URL.createObjectURL(new Blob([png], { type: "image/png" }));
      image.alt = "wanted, yours, and the difference";
      box.append(image);
    }
    if (right) box.append(make("p", next()));
    return box;
  });
  if (printed) told.push(make("pre", `your file printed:\n${printed}`));
  at("verdict").replaceChildren(...told, ...notes.map((note) => make("p", `note: ${note}`)));
  kept.set("verdicts", JSON.stringify(words));
  list();
  at("verdict").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function next() {
  const left = homework.exercises.filter((one) => words[one.id] !== "right");
  return left.length ? `Next: ${left[0].id.split(".")[1]}, ${left[0].title.toLowerCase()}.` : `All of ${homework.id} is right: save the file and hand it in.`;
}

// ---------------------------------------------------------------- files

at("check").addEventListener("click", check);
at("whole").addEventListener("change", show);
at("homework").addEventListener("change", () => choose(at("homework").value));
at("again").addEventListener("click", () => {
  const [from, to] = [text.slice(0, shown.from), shown.after];
  if (!confirm(from || to ? `Throw away what you wrote for ${exercise.id}?` : `Throw away all of ${homework.id}?`)) return;
  const mine = text;
  text = homework.text;
  const [begin, end] = part();
  const fresh = text.slice(begin, end);
  text = mine;
  at("text").value = fresh.replace(/\n+$/, "\n");
  written();
});
at("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/x-python" }));
  link.download = `${homework.id}.py`;
  link.click();
  URL.revokeObjectURL(link.href);
});
at("open").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", async () => {
  const [file] = at("file").files;
  at("file").value = "";
  if (!file) return;
  const named = all.find((one) => file.name.toLowerCase().includes(one.id));
  if (!named) return void say(`The file's name must say which homework it is, like hw01.py; it is ${file.name}.`);
  if (kept.get(named.id) && !confirm(`Put ${file.name} in the place of what you wrote for ${named.id} here?`)) return;
  kept.set(named.id, await file.text());
  choose(named.id);
});
addEventListener("storage", ({ key, newValue }) => { // another tab writes the same file: its text is the newer one
  if (key === "tinymaskrcnn.verdicts") words = verdicts();
  if (key === `tinymaskrcnn.${homework?.id}` && newValue !== null && newValue !== text) {
    text = newValue;
    show();
    say("This homework was changed in another tab; here is what was written there.");
  }
  if (all) list();
});
addEventListener("hashchange", () => choose(location.hash.slice(1)));

fetch("homework.json").then((reply) => reply.json()).then((found) => {
  all = found;
  at("homework").append(...all.map((one) => Object.assign(make("option", `${Number(one.id.slice(2))}. ${one.title}`), { value: one.id })));
  at("desk").hidden = false;
  choose(location.hash.slice(1));
}).catch((error) => {
  at("desk").hidden = false;
  say(`The exercises could not be loaded. ${error.message}`);
});
