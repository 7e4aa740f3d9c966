// The playground: what is drawn goes to Python in the worker, and what Python says of it is drawn. Python computes it all.
import { Live } from "./live.js";
import { panel } from "./start.js";
import { INKS, array, bitmap, dot, frame, grey, line, on, rgb, rows, tag, warm } from "./draw.js";
import { Mover, Training } from "./learning.js";
import { MOST, PEN, SIDE, covers, fromLink, handles, held, mostRoom, named, ofStrokes, strokesOf, toLink } from "./sketch.js";

const $ = (id) => document.getElementById(id);
const make = (kind, words = "", more = {}, ...inside) => { const made = Object.assign(document.createElement(kind), { textContent: words }, more); made.append(...inside); return made; };
const swatch = (color) => { const made = make("i"); made.style.background = color; return made; };
const bar = (share) => { const made = make("i"); made.style.width = `${100 * share}%`; return made; };
const say = (words) => { $("said").textContent = words; };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const NEEDS_PYTHON = ["another", "one", "run", "train", "again", "nms", "top", "cut", "least", "noise", "clutter"];
const live = new Live();

let scene = { digits: [], noise: 0, clutter: 0, seed: 0 }, settings = {}, least = 0.5;
let look = null, of = null, cells = null, one = null; // what was said, of which question; of one cell; of one detection
let chosen = null, k = 0, cell = { level: 1, row: 4, column: 3 }; // a digit, a detection, a cell
let tool = "draw", trail = null, grip = null, drawn = null; // a stroke, or a digit, in the hand; the digit that was drawn last
let samples = [], number = 0, pictures = {}, mover, training;
const past = [];

// ---------------------------------------------------------------- asking Python

async function ask(name, given, channel = name) {
  try {
    return await live.call(`playground:${name}`, given, { channel });
  } catch (error) {
    say(error.message.split("\n").at(-1));
    if (error.ended) start();
    return null;
  }
}

let turn = 0, shown = 0, resting, linking;

async function refresh() {
  const start = performance.now(), mine = ++turn, given = structuredClone({ scene, settings, min_score: least });
  drawScene();
  if (!live.ready) return;
  const said = await ask("overview", given);
  if (said === null && mine === turn) { // refused: back to what was answered
    begin(structuredClone(of.scene))();
    [settings, least] = [structuredClone(of.settings), of.min_score];
  }
  if (!said || mine < shown) return controls();
  shown = mine;
  take(said, given);
  performance.measure("playground: reaction", { start });
  near();
  rest();
}

function rest() { // what takes a little is asked when the hand rests
  clearTimeout(resting);
  resting = setTimeout(() => { if (!grip && !trail) far(); }, 150);
}

function take(said, given) { // an overview becomes what is shown
  [look, of] = [said, given];
  const own = look.detections.findIndex(({ digit }) => chosen !== null && digit === chosen);
  k = own >= 0 ? own : held(k, 0, Math.max(look.detections.length - 1, 0));
  const colors = [[0, 0, 0, 0], ...look.detections.map(({ name }) => [...rgb(INKS[name]), 105])];
  pictures = { scene: bitmap(array(look.image).values, SIDE, SIDE, grey), masks: bitmap(array(look.owner).values, SIDE, SIDE, (number) => colors[number]) };
  drawAll();
}

async function near() { // what is said at once
  const given = of, wanted = look.detections.length && { scene: given.scene, settings: given.settings, k };
  const said = await Promise.all([ask("cell", { scene: given.scene, ...cell }), wanted && ask("detection", wanted)]);
  if (given !== of) return;
  cells = said[0] ?? cells;
  one = said[1] ?? one;
  drawCell();
  drawDetection();
}

async function far() {
  const given = of, mine = k, { detections, missed, digits } = look;
  const right = detections.filter(({ verdict }) => ["right", "found"].includes(verdict)).length, wrong = detections.length - right;
  const took = performance.getEntriesByName("playground: reaction").slice(1).at(-1)?.duration; // at first, the detector is loaded
  const more = wrong ? `, ${wrong} ${wrong === 1 ? "box is" : "boxes are"} wrong` : "";
  say(`${right} of ${digits.filter(Boolean).length} digits found${more}.${took ? ` It took ${(took / 1000).toFixed(2)} s.` : ""}`);
  if (mover.of !== given && !mover.going) mover.put(mover.box, given); // the slope is another one now
  const why = detections.length ? await ask("why", { ...given, k }) : { steps: [] };
  if (given !== of || mine !== k || !why) return;
  drawWhy(why);
  drawMissed(await Promise.all(missed.slice(0, 3).map(({ object }) => ask("missed", { ...given, object }, `missed ${object}`))));
}

function pick(detection) { // the one that the panels are about
  k = detection;
  chosen = look.detections[k].digit;
  controls();
  drawAll();
  if (live.ready) near().then(rest);
}

// ---------------------------------------------------------------- changing the scene

function change(how, before = JSON.stringify(scene)) { // before: what undo goes back to, "" for nothing
  if (before) past.push(before);
  how();
  controls();
  refresh();
  clearTimeout(linking);
  linking = setTimeout(() => history.replaceState(null, "", toLink({ scene, settings, least })), 400);
}

function place(stroke) { // a stroke that touches the digit that was drawn last belongs to it
  const last = scene.digits[drawn], joins = last?.strokes?.length < 12 && stroke.some((p) => covers(last, p, 3));
  if (!joins && scene.digits.length >= MOST) return say("Twelve digits are enough.");
  change(() => {
    if (joins) scene.digits[drawn] = { ...ofStrokes([...strokesOf(last), stroke]), digit: last.digit };
    else drawn = scene.digits.push(ofStrokes([stroke])) - 1;
    chosen = drawn;
  });
}

function add(digit) { // a handwritten one
  if (scene.digits.length >= MOST) return say("Twelve digits are enough.");
  const [x, y] = mostRoom(scene.digits), sample = samples[digit][number++ % samples[digit].length];
  change(() => { chosen = scene.digits.push({ x, y, size: 32, angle: 0, sample }) - 1; drawn = null; });
}

const drop = () => scene.digits[chosen] && change(() => { scene.digits.splice(chosen, 1); chosen = drawn = null; });
const begin = (other) => () => { scene = other; chosen = drawn = null; };

function adjust(more, before) { // the chosen digit
  const digit = { ...scene.digits[chosen], ...more }, angle = ((((digit.angle + 180) % 360) + 360) % 360) - 180;
  change(() => { scene.digits[chosen] = { ...digit, x: held(digit.x, -20, 148), y: held(digit.y, -20, 148), size: held(digit.size, 6, 128), angle }; }, before);
}

const SLIDERS = { // what each moves: read and write
  noise: [() => scene.noise, (value) => (scene.noise = value)],
  clutter: [() => scene.clutter, (value) => (scene.clutter = value)],
  least: [() => least, (value) => (least = value)],
  nms: [() => settings["rpn.nms_iou"] ?? 0.7, (value) => (settings["rpn.nms_iou"] = value)],
  top: [() => settings["rpn.post_nms_top_n"] ?? 64, (value) => (settings["rpn.post_nms_top_n"] = value)],
  cut: [() => settings["roi.mask_threshold"] ?? 0.5, (value) => (settings["roi.mask_threshold"] = value)],
  size: [() => scene.digits[chosen]?.size ?? 32, (size) => Object.assign(scene.digits[chosen], { size })],
  angle: [() => scene.digits[chosen]?.angle ?? 0, (angle) => Object.assign(scene.digits[chosen], { angle })],
};

function controls() { // show what is set
  for (const [id, [read]] of Object.entries(SLIDERS)) {
    $(id).value = read();
    const output = $(id).parentElement.querySelector("output");
    output.textContent = ["top", "size", "angle"].includes(id) ? Math.round(read()) : read().toFixed(2);
  }
  const digit = scene.digits[chosen];
  for (const id of ["size", "angle", "meant", "delete"]) $(id).disabled = !digit;
  $("meant").disabled ||= digit?.sample !== undefined;
  $("meant").value = digit?.digit ?? "";
}

function read(hash) { // whether the address holds a scene
  try {
    const given = fromLink(hash);
    if (given) ({ scene, settings, least } = given);
    return Boolean(given);
  } catch {
    say("This link holds no scene that can be read; here is another one.");
  }
}

// ---------------------------------------------------------------- pictures of it all

function picture(canvas, paint, window = [0, 0, SIDE, SIDE]) {
  on(canvas, window, (context, pixel) => {
    if (pictures.scene) context.drawImage(pictures.scene, 0, 0);
    paint(context, pixel);
  });
}

function drawScene() {
  picture($("scene"), (context, pixel) => {
    const { detections = [], missed = [], digits = [] } = look ?? {}, digit = scene.digits[chosen];
    if (pictures.masks) context.drawImage(pictures.masks, 0, 0);
    detections.forEach(({ box, name }, i) => frame(context, box, INKS[name], (i === k ? 3.5 : 1.6) * pixel));
    for (const { digit: lost } of missed) if (digits[lost]) frame(context, digits[lost], "#ff9d6a", 2.5 * pixel, [6 * pixel, 6 * pixel]);
    for (const drawing of turn > shown ? scene.digits : []) if (drawing.strokes && (drawing === digit || !live.ready)) for (const stroke of strokesOf(drawing)) line(context, stroke, "#ffffffaa", 2 * PEN * drawing.size);
    if (trail) line(context, trail, "#fff", 4.5);
    if (digit) {
      const { corners, top, size, angle } = handles(digit);
      line(context, corners, "#fff", pixel, [3 * pixel, 4 * pixel]);
      line(context, [top, angle], "#fff", pixel);
      for (const at of [size, angle]) dot(context, at, "#fff", 6 * pixel);
    }
    detections.forEach(({ box, name, score }) => tag(context, box, `${name}  ${score.toFixed(2)}`, INKS[name], pixel, SIDE));
  });
}

function drawAll() {
  if (!look) return;
  drawScene();
  const chip = (words, more, color, press) => make("button", "", { type: "button", onclick: press }, ...(color ? [swatch(color)] : []), words, make("small", more));
  const found = look.detections.map(({ name, score, verdict }, i) => {
    const button = chip(name, `${score.toFixed(2)}${["right", "found"].includes(verdict) ? "" : ` ${verdict}`}`, INKS[name], () => pick(i));
    button.setAttribute("aria-pressed", i === k);
    return button;
  });
  const lost = look.missed.map(({ digit, stage }) => Object.assign(chip("missed", stage, "", () => { chosen = digit; controls(); drawScene(); $("t6").scrollIntoView(); }), { className: "lost" }));
  const at = [...$("found").children].indexOf(document.activeElement);
  $("found").replaceChildren(...lost, ...found);
  $("found").children[at]?.focus();
  drawMaps();
  drawCell();
  drawProposals();
  drawDetection();
  mover?.draw();
}

function drawMaps() {
  look.levels.forEach(({ name, features, objectness }, level) => {
    const [height, width] = features.shape, home = $("maps").children[level] ?? $("maps").appendChild(column(level, `${name} · ${width} × ${height}`));
    const values = array(features).values, [low, high] = [Math.min(...values), Math.max(...values)];
    const maps = [bitmap(values, width, height, (v) => warm((v - low) / (high - low))), bitmap(array(objectness).values, width, height, (v) => warm(Math.sqrt(v)))];
    home.querySelectorAll("canvas").forEach((canvas, i) => on(canvas, [0, 0, width, height], (context, pixel) => {
      context.drawImage(maps[i], 0, 0);
      if (level === cell.level) frame(context, [cell.column, cell.row, cell.column + 1, cell.row + 1], "#fff", 2 * pixel);
    }));
  });
}

function column(level, name) { // two maps of a level, in which a cell is chosen
  const choose = (row, column) => {
    const [height, width] = look.levels[level].features.shape;
    cell = { level, row: held(row, 0, height - 1), column: held(column, 0, width - 1) };
    drawMaps();
    if (live.ready) near();
  };
  const map = (what) => {
    const canvas = make("canvas", "", { tabIndex: 0, role: "application", ariaLabel: `${name}, ${what}: arrow keys choose a cell` });
    canvas.onpointerdown = (event) => { const [x, y] = spot(canvas, event), [high, wide] = look.levels[level].features.shape; choose(Math.floor(y / SIDE * high), Math.floor(x / SIDE * wide)); };
    canvas.onkeydown = (event) => {
      const step = ARROWS[event.key];
      if (!step) return;
      event.preventDefault();
      if (cell.level === level) choose(cell.row + step[1], cell.column + step[0]);
      else choose(0, 0);
    };
    return canvas;
  };
  return make("figure", "", {}, map("what the backbone sees"), map("how sure it is that something is there"), make("figcaption", name));
}

function drawCell() {
  if (!cells) return;
  const { stride, name } = look.levels[cell.level], { boxes, moved, objectness, rank } = cells, list = make("dl");
  picture($("anchors"), (context, pixel) => {
    context.fillStyle = "#ffffff77";
    context.fillRect(cell.column * stride, cell.row * stride, stride, stride);
    boxes.forEach((box, i) => frame(context, box, INKS[i], 2 * pixel));
    moved.forEach((box, i) => frame(context, box, INKS[i], 2 * pixel, [6 * pixel, 5 * pixel]));
  });
  boxes.forEach(([x1, y1, x2, y2], i) => {
    const sure = objectness[i] < 0.001 ? objectness[i].toExponential(0) : objectness[i].toFixed(3);
    list.append(make("dt", "", {}, swatch(INKS[i]), `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)} px`), make("dd", `objectness ${sure}, number ${rank[i] + 1} of ${cells.of}`));
  });
  $("cell").replaceChildren(make("p", `${name}, row ${cell.row}, column ${cell.column}:`), list);
}

function drawProposals() {
  const { candidates, proposals, counts } = look;
  for (const [id, said] of [["before", candidates], ["after", proposals]]) {
    const [boxes, scores, level] = [rows(array(said.boxes)), array(said.scores).values, array(said.level).values];
    picture($(id), (context, pixel) => {
      for (let i = boxes.length - 1; i >= 0; i--) {
        context.globalAlpha = 0.15 + 0.85 * scores[i];
        frame(context, boxes[i], INKS[level[i] - 2], (0.8 + 1.2 * scores[i]) * pixel);
      }
    });
  }
  $("before-said").textContent = `${counts.anchors} anchors, the ${candidates.boxes.shape[0]} likeliest go on`;
  $("after-said").textContent = `${counts.kept} stay, the best ${proposals.boxes.shape[0]} become proposals`;
}

function drawDetection() {
  const found = look.detections[k];
  $("who").textContent = found ? `${named(found.name)} with ${found.score.toFixed(2)}` : "nothing is found";
  if (!one || !found) return;
  const { roi, grid, probabilities } = one, [x1, y1, x2, y2] = roi, side = 1.35 * Math.max(x2 - x1, y2 - y1, 8);
  picture($("roi"), (context, pixel) => {
    for (const x of grid.x_edges) line(context, [[x, y1], [x, y2]], "#ffffff55", pixel);
    for (const y of grid.y_edges) line(context, [[x1, y], [x2, y]], "#ffffff55", pixel);
    for (const x of grid.x) for (const y of grid.y) dot(context, [x, y], INKS[1], 1.3 * pixel);
    frame(context, roi, "#fff", 2 * pixel);
    frame(context, one.box, INKS[found.name], 2.5 * pixel, [7 * pixel, 6 * pixel]);
  }, [(x1 + x2 - side) / 2, (y1 + y2 - side) / 2, side, side]);
  $("roi-said").textContent = `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)} px, read from ${one.level}; dashed: after its deltas`;
  const crop = array(one.crop), most = Math.max(...crop.values), ink = rgb(INKS[found.name]), cut = SLIDERS.cut[0]();
  const show = (id, { shape: [high, wide], values }, color) => on($(id), [0, 0, wide, high], (context) => context.drawImage(bitmap(values, wide, high, color), 0, 0));
  show("crop", crop, (v) => warm(v / most));
  show("mask", array(one.mask), (v) => (v >= cut ? [...ink.map((c) => c * (0.45 + 0.55 * v)), 255] : grey(110 * v)));
  const best = Math.max(...probabilities);
  $("classes").replaceChildren(...one.classes.map((name, i) => make("div", "", { className: probabilities[i] === best ? "best" : "" },
    make("b", i ? name : "–", { title: name }), bar(probabilities[i]), make("span", probabilities[i].toFixed(2)))));
}

const steps = (chain) => chain.steps.map(({ name, text, others }) => make("li", "", {}, make("b", name), make("span", text), ...others.map((other) => make("small", `→ ${other}`))));
const drawWhy = (chain) => $("why").replaceChildren(...(chain.steps.length ? steps(chain) : [make("li", "Nothing is found that could be explained.")]));

function drawMissed(chains) {
  const told = look.missed.map(({ digit, stage, reason, counts }, i) => {
    const most = Math.log(1 + Math.max(1, ...Object.values(counts))), names = Object.keys(counts), passed = names.slice(0, names.indexOf(stage) + 1);
    const funnel = passed.flatMap((name) => { const className = name === stage ? "end" : ""; return [make("span", name, { className }), bar(Math.log(1 + counts[name]) / most), make("span", counts[name], { className })]; });
    const chain = chains[i] ? [make("ol", "", { className: "why" }, ...steps(chains[i]))] : [make("p", reason)];
    return make("div", "", {}, make("h3", `Digit ${digit + 1} was lost at “${stage}”`), ...chain, make("p", "Boxes that fit it, after each stage:", { className: "quiet" }), make("div", "", { className: "funnel" }, ...funnel));
  });
  const tiny = () => { add(7); adjust({ size: 9 }, ""); };
  const none = [make("p", "Nothing is missed. Draw a tiny digit, cover one with another, or"), make("button", "Add one that is too small", { type: "button", onclick: tiny })];
  $("missed").replaceChildren(...(told.length ? told : none));
}

// ---------------------------------------------------------------- hands and keys

function spot(canvas, event) { // in pixels of the picture
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [((event.clientX - left) * SIDE) / width, ((event.clientY - top) * SIDE) / height];
}

const isNear = ([x, y], [u, v], room) => Math.hypot(x - u, y - v) <= room;
const under = (at) => { const found = scene.digits.findLastIndex((digit) => covers(digit, at)); return found < 0 ? null : found; };

function press(event) {
  if (event.button) return;
  const at = spot($("scene"), event), room = event.pointerType === "touch" ? 8 : 5, hold = scene.digits[chosen] && handles(scene.digits[chosen]);
  const kind = hold && ["size", "angle"].find((name) => isNear(at, hold[name], room));
  $("scene").setPointerCapture(event.pointerId);
  if (!kind && tool === "draw") { trail = [at]; return; }
  if (!kind) choose(at);
  if (chosen !== null) grip = { kind, at, digit: scene.digits[chosen], before: JSON.stringify(scene) };
}

function choose(at) { // what lies there: a digit and what was found of it, or what was found alone
  chosen = under(at);
  const found = look?.detections.findIndex(({ digit, box: [x1, y1, x2, y2] }) => (chosen === null ? at[0] > x1 && at[0] < x2 && at[1] > y1 && at[1] < y2 : digit === chosen));
  controls();
  if (found >= 0) pick(found);
  else drawScene();
}

function drag(event) {
  const at = spot($("scene"), event);
  if (trail && !isNear(at, trail.at(-1), 0.7)) { trail.push(at); drawScene(); }
  if (!grip) return;
  const { digit, kind, before } = grip, [x, y, u, v] = [at[0] - digit.x, at[1] - digit.y, grip.at[0] - digit.x, grip.at[1] - digit.y];
  grip.before = "";
  if (kind === "size") adjust({ size: (digit.size * Math.hypot(x, y)) / Math.max(Math.hypot(u, v), 1) }, before);
  else if (kind === "angle") adjust({ angle: digit.angle - ((Math.atan2(y, x) - Math.atan2(v, u)) * 180) / Math.PI }, before);
  else adjust({ x: digit.x + x - u, y: digit.y + y - v }, before);
}

function release() {
  const stroke = trail ?? [], length = stroke.reduce((sum, [x, y], i) => sum + (i ? Math.hypot(x - stroke[i - 1][0], y - stroke[i - 1][1]) : 0), 0);
  trail = grip = null;
  if (length >= 3) place(stroke);
  else if (stroke.length) choose(stroke[0]); // a tap
  if (look) rest();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { x, y, size, angle } = scene.digits[chosen] ?? {}, by = event.shiftKey ? 8 : 1, step = ARROWS[event.key];
  const other = { "[": { angle: angle + 5 }, "]": { angle: angle - 5 }, "+": { size: size + 2 }, "=": { size: size + 2 }, "-": { size: size - 2 } }[event.key];
  if (/^\d$/.test(event.key)) add(event.key);
  else if (event.key === "Delete" || event.key === "Backspace") drop();
  else if (x !== undefined && (step || other)) adjust(other ?? { x: x + by * step[0], y: y + by * step[1] });
  else return;
  event.preventDefault();
}

function pen(mode) {
  tool = mode;
  for (const name of ["draw", "move"]) $(`tool-${name}`).setAttribute("aria-pressed", name === mode);
  $("scene").classList.toggle("move", mode === "move");
}

function beside() { // a box that is off, next to the first digit that can be seen
  const index = Math.max(0, look.digits.findIndex(Boolean)), [x1, y1, x2, y2] = look.digits[index] ?? [40, 40, 70, 75];
  $("towards").value = look.detections.find(({ digit }) => digit === index)?.name ?? 3;
  mover.put([x1 + 7, y1 - 5, x2 + 9, y2 - 3]);
}

function wire() {
  Object.assign($("scene"), { onpointerdown: press, onpointermove: drag, onpointerup: release, onpointercancel: release, onkeydown: key });
  const buttons = { "tool-draw": () => pen("draw"), "tool-move": () => pen("move"), undo: () => past.length && change(begin(JSON.parse(past.pop())), ""), empty: () => change(begin({ ...scene, digits: [] })), delete: drop };
  for (const [id, onclick] of Object.entries(buttons)) $(id).onclick = onclick;
  $("another").onclick = async () => { const said = await ask("example", { number: ++number }); if (said) change(begin(said)); };
  $("link").onclick = async () => {
    history.replaceState(null, "", toLink({ scene, settings, least }));
    await navigator.clipboard?.writeText(location.href).catch(() => {});
    say("The address of this page now holds the scene, and is copied where the browser allows it.");
  };
  for (let digit = 0; digit < 10; digit++) {
    $("pad").append(make("button", digit, { type: "button", ariaLabel: `Add a ${digit}`, onclick: () => add(digit) }));
    for (const id of ["meant", "towards"]) $(id).append(make("option", digit, { value: digit }));
  }
  for (const [id, [, write]] of Object.entries(SLIDERS)) $(id).oninput = () => change(() => write(Number($(id).value)), "");
  $("meant").onchange = () => adjust({ digit: $("meant").value === "" ? undefined : Number($("meant").value) });
  addEventListener("hashchange", () => { if (read(location.hash)) change(() => { chosen = drawn = null; }, ""); });
  new ResizeObserver(() => { drawAll(); training?.draw(); }).observe($("scene"));
}

async function start() { // Python: once, and again when it was ended
  for (const id of NEEDS_PYTHON) $(id).disabled = true;
  if ($("start").hidden) $("start").replaceWith(make("div", "", { id: "start" }));
  await panel($("start"), live, { asked: true });
  for (const id of NEEDS_PYTHON) $(id).disabled = false;
  say("Python has started; the detector is being loaded …");
  refresh();
}

wire();
const recorded = await fetch("playground.json").then((reply) => reply.json()).catch((error) => { say(`The page is not whole: ${error.message}`); throw error; });
const page = { ask, ready: () => live.ready, draw: picture, spot, scene: () => of.scene };
({ samples, scene, at: cell, cell: cells, detection: one } = recorded);
take(recorded.overview, { scene, settings, min_score: least });
mover = new Mover(page);
training = new Training(page, recorded.film);
beside();
drawWhy(recorded.why);
drawMissed([]);
if (read(location.hash)) turn++;
controls();
drawScene();
start();
