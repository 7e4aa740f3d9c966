"use strict";
// The page of `tinymaskrcnn annotate`: boxes [x1, y1, x2, y2, class] in pixels of the picture, saved at every change.

const at = id => document.getElementById(id);
let all, number = 0, boxes = [], chosen = -1, current = 0, drag = null, queue = Promise.resolve();

const picture = () => all.pictures[number];
const clamp = (value, high) => Math.min(Math.max(value, 0), high);

const tell = words => { at("said").textContent = words; };
const copy = rows => rows.map(row => [...row]);

async function ask(path, more) {
  const answer = await fetch(path, more);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// What a picture has is known here at once, and in the file when its turn comes: one write follows the other.
function save(place = number, rows = boxes) {
  const one = all.pictures[place], body = JSON.stringify(rows);
  one.boxes = copy(rows);
  queue = queue.then(async () => {
    try {
      tell(`saved: ${(await ask(`boxes/${place}`, {method: "PUT", body})).length} in ${one.name}`);
    } catch (error) {
      tell(`not saved: ${error.message}`);
    }
  });
}

// A suggestion takes its time; by then the boxes may be others than those it was to replace, and it is dropped.
async function suggest() {
  const place = number, one = picture(), before = one.boxes, count = before ? before.length : 0;
  if (one.asked || (count && !confirm(`${one.name} has boxes (${count}). Put what is suggested in their place?`))) return;
  one.asked = true;
  try {
    const found = await ask(`suggest/${place}`);
    if (one.boxes !== before || (drag && place === number)) throw new Error(`${one.name} was changed meanwhile`);
    save(place, found);
    if (place === number) { boxes = found; choose(-1); }
  } catch (error) {
    tell(`nothing suggested: ${error.message}`);
  }
  one.asked = false;
}

function draw() {
  document.querySelectorAll(".box").forEach(element => element.remove());
  const {width, height} = picture();
  boxes.forEach(([x1, y1, x2, y2, kind], k) => {
    const element = document.createElement("div");
    element.className = "box";
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", `box ${k + 1} of ${boxes.length}, class ${all.classes[kind]}`);
    Object.assign(element.style, {
      left: `${100 * x1 / width}%`, top: `${100 * y1 / height}%`,
      width: `${100 * (x2 - x1) / width}%`, height: `${100 * (y2 - y1) / height}%`});
    const label = document.createElement("span"), corner = document.createElement("i");
    label.textContent = all.classes[kind];
    element.append(label, corner);
    element.onfocus = () => { chosen = k; show_class(boxes[k][4]); };
    element.onpointerdown = event => begin(event, {k, resize: event.target === corner});
    at("stage").append(element);
  });
  if (chosen >= 0) document.querySelectorAll(".box")[chosen].focus({preventScroll: true});
}

function choose(k) { chosen = k; draw(); }

function show_class(kind) {
  current = kind;
  [...at("classes").children].forEach((button, k) => button.setAttribute("aria-pressed", k === kind));
}

function name_it(kind) {
  show_class(kind);
  if (chosen >= 0) { boxes[chosen][4] = kind; save(); draw(); }
}

function place(event) {
  const frame = at("picture").getBoundingClientRect(), {width, height} = picture();
  return [clamp((event.clientX - frame.left) / frame.width * width, width),
          clamp((event.clientY - frame.top) / frame.height * height, height)];
}

function begin(event, what) {
  if (event.button || drag) return;
  event.preventDefault();
  event.stopPropagation();
  const [x, y] = place(event);
  if (what.k === undefined) {
    boxes.push([x, y, x, y, current]);
    what = {k: boxes.length - 1, resize: true, fresh: true};
  }
  drag = {...what, x, y, before: [...boxes[what.k]]};
  at("stage").setPointerCapture(event.pointerId);
  choose(what.k);
}

function move(event) {
  if (!drag) return;
  const [x, y] = place(event), [x1, y1, x2, y2, kind] = drag.before, {width, height} = picture();
  if (drag.fresh) {
    boxes[drag.k] = [Math.min(x, drag.x), Math.min(y, drag.y), Math.max(x, drag.x), Math.max(y, drag.y), kind];
  } else if (drag.resize) {
    boxes[drag.k] = [x1, y1, Math.max(x, x1 + 1), Math.max(y, y1 + 1), kind];
  } else {
    const dx = clamp(x1 + x - drag.x, width - (x2 - x1)) - x1, dy = clamp(y1 + y - drag.y, height - (y2 - y1)) - y1;
    boxes[drag.k] = [x1 + dx, y1 + dy, x2 + dx, y2 + dy, kind];
  }
  draw();
}

function end() {
  if (!drag) return;
  const [x1, y1, x2, y2] = boxes[drag.k], fresh = drag.fresh;
  const moved = boxes[drag.k].some((value, k) => value !== drag.before[k]);
  drag = null;
  if (fresh && (x2 - x1 < 3 || y2 - y1 < 3)) { boxes.pop(); choose(-1); } else if (moved) save();
}

function remove() {
  if (chosen < 0) return;
  boxes.splice(chosen, 1);
  choose(Math.min(chosen, boxes.length - 1));
  save();
}

function add() {
  const {width, height} = picture(), [w, h] = [width / 10, height / 6];
  boxes.push([(width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2, current]);
  choose(boxes.length - 1);
  save();
}

function arrow(key, larger) {
  const {width, height} = picture(), step = Math.max(1, width / 400), box = boxes[chosen];
  const [dx, dy] = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[key];
  const [x1, y1, x2, y2] = box;
  if (larger) {
    box[2] = clamp(Math.max(x2 + dx, x1 + 1), width);
    box[3] = clamp(Math.max(y2 + dy, y1 + 1), height);
  } else if (x1 + dx >= 0 && x2 + dx <= width && y1 + dy >= 0 && y2 + dy <= height) {
    boxes[chosen] = [x1 + dx, y1 + dy, x2 + dx, y2 + dy, box[4]];
  }
  draw();
  save();
}

function go(to) {
  const {boxes: there, asked} = picture();
  if (to !== number && there === null && !asked) save();  // looked at and left: it holds nothing
  if (to < 0 || to >= all.pictures.length) return;
  number = to;
  boxes = copy(picture().boxes || []);
  at("picture").src = `picture/${number}`;
  at("name").textContent = picture().name;
  at("where").textContent = `${number + 1} of ${all.pictures.length}`;
  choose(-1);
  if (picture().boxes === null && all.suggests) suggest();
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.key === "Shift") return;
  end();
  if (/^[0-9]$/.test(event.key) && Number(event.key) < all.classes.length) name_it(Number(event.key));
  else if (event.key.startsWith("Arrow") && chosen >= 0) arrow(event.key, event.shiftKey);
  else if (event.key === "Delete" || event.key === "Backspace") remove();
  else if (event.key === "n") add();
  else if (event.key === "PageDown") go(number + 1);
  else if (event.key === "PageUp") go(number - 1);
  else return;
  event.preventDefault();
});

async function start() {
  all = await (await fetch("list")).json();
  all.classes.forEach((name, k) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.onclick = () => name_it(k);
    at("classes").append(button);
  });
  at("stage").onpointerdown = event => begin(event, {});
  at("stage").onpointermove = move;
  at("stage").onpointerup = at("stage").onpointercancel = end;
  document.addEventListener("click", end, true);  // of another finger: what was begun ends before anything else
  at("back").onclick = () => go(number - 1);
  at("on").onclick = () => go(number + 1);
  at("new").onclick = add;
  at("gone").onclick = remove;
  at("suggest").hidden = !all.suggests;
  at("suggest").onclick = suggest;
  show_class(0);
  go(0);
}

start();
