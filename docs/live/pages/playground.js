// The playground: what is drawn goes to Python in the worker, and what Python says of it is drawn. Python computes it all.
import { Live } from "./live.js";
import { panel } from "./start.js";
import { INKS, bitmap, dot, frame, grey, hand, labelled, line, on, rgb, rows, show, warm } from "./draw.js";
import { Mover, Training } from "./learning.js";
import { MOST, PEN, SIDE, covers, handles, held, mostRoom, ofStrokes, strokesOf, toLink } from "./sketch.js";

const $ = (id) => document.getElementById(id);
const say = (words) => { $("said").textContent = words; };
const refuse = (words) => { say(words); refused = of; }; // which stays to be read: no other words about what is shown
const NEEDS_PYTHON = ["another", "one", "run", "train", "again", "nms", "top", "cut", "least", "noise", "clutter"];
const live = new Live();

let scene, settings, least = 0.5; // the question that the page asks
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
    refuse(error.message.split("\n").at(-1));
    if (error.ended) start().then(refresh);
    return null;
  }
}

let turn = 0, shown = 0, resting, linking, refused;

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
  pictures = { scene: bitmap(look.image, grey), masks: bitmap(look.owner, (number) => colors[number]) };
  drawAll();
}

async function near() { // what is said at once
  const given = of, wanted = look.detections.length && { scene: given.scene, settings: given.settings, k };
  const said = await Promise.all([ask("cell", { scene: given.scene, ...cell }), wanted && ask("detection", wanted)]);
  if (given !== of) return;
  [cells, one] = [said[0] || cells, said[1] || one];
  drawCell();
  drawDetection();
}

async function far() {
  const given = of, mine = k;
  const took = performance.getEntriesByName("playground: reaction").slice(1).at(-1)?.duration; // at first, the detector is loaded
  if (of !== refused) say(`${look.words}${took ? ` It took ${(took / 1000).toFixed(2)} s.` : ""}`);
  if (mover.of !== given && !mover.going) mover.put(mover.box, given); // the slope is another one now
  const why = await ask("why", { ...given, k });
  if (given !== of || mine !== k || !why) return;
  $("why").innerHTML = why.html;
  const lost = await ask("missed", given);
  if (lost && given === of) $("missed").innerHTML = lost.html;
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
  if (!joins && scene.digits.length >= MOST) return refuse("Twelve digits are enough.");
  change(() => {
    if (joins) scene.digits[drawn] = { ...ofStrokes([...strokesOf(last), stroke]), digit: last.digit };
    else drawn = scene.digits.push(ofStrokes([stroke])) - 1;
    chosen = drawn;
  });
}

function add(digit, size = 32) { // a handwritten one
  if (scene.digits.length >= MOST) return refuse("Twelve digits are enough.");
  const [x, y] = mostRoom(scene.digits), sample = samples[digit][number++ % samples[digit].length];
  change(() => { chosen = scene.digits.push({ x, y, size, angle: 0, sample }) - 1; drawn = null; });
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
  nms: [() => settings["rpn.nms_iou"], (value) => (settings["rpn.nms_iou"] = value)],
  top: [() => settings["rpn.post_nms_top_n"], (value) => (settings["rpn.post_nms_top_n"] = value)],
  cut: [() => settings["roi.mask_threshold"], (value) => (settings["roi.mask_threshold"] = value)],
  size: [() => scene.digits[chosen]?.size ?? 32, (size) => Object.assign(scene.digits[chosen], { size })],
  angle: [() => scene.digits[chosen]?.angle ?? 0, (angle) => Object.assign(scene.digits[chosen], { angle })],
};

function controls() { // show what is set
  for (const [id, [read]] of Object.entries(SLIDERS)) {
    $(id).value = read();
    $(id).parentElement.querySelector("output").textContent = read().toFixed($(id).step < 1 ? 2 : 0);
  }
  const digit = scene.digits[chosen];
  for (const id of ["size", "angle", "meant", "delete"]) $(id).disabled = !digit;
  $("meant").disabled ||= digit?.sample !== undefined;
  $("meant").value = digit?.digit ?? "";
}

async function follow() { // the scene that the address holds
  const [, link] = location.hash.match(/^#scene=(.+)/) ?? [], given = link && await ask("linked", { link });
  if (given) change(() => { ({ scene, settings, min_score: least } = given); chosen = drawn = null; }, "");
  return given;
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
    const digit = scene.digits[chosen];
    const unseen = turn > shown ? scene.digits.filter((one) => one.strokes && (one === digit || !live.ready)) : [];
    context.drawImage(pictures.masks, 0, 0);
    for (const { box } of look.missed) frame(context, box, "#ff9d6a", 2.5 * pixel, [6 * pixel, 6 * pixel]);
    labelled(context, look.detections, pixel, SIDE, (i) => (i === k ? 3.5 : 1.6));
    for (const one of unseen) for (const stroke of strokesOf(one)) line(context, stroke, "#ffffffaa", 2 * PEN * one.size);
    if (trail) line(context, trail, "#fff", 4.5);
    if (!digit) return;
    const { corners, top, size, angle } = handles(digit);
    line(context, corners, "#fff", pixel, [3 * pixel, 4 * pixel]);
    line(context, [top, angle], "#fff", pixel);
    for (const at of [size, angle]) dot(context, at, "#fff", 6 * pixel);
  });
}

function drawAll() {
  drawScene();
  const lost = look.missed.map((one) => chip(one, () => find(one.digit), { className: "lost" }));
  const found = look.detections.map((one, i) => chip(one, () => pick(i), { ariaPressed: i === k }));
  const at = [...$("found").children].indexOf(document.activeElement);
  $("found").replaceChildren(...lost, ...found);
  $("found").children[at]?.focus();
  drawMaps();
  drawCell();
  drawProposals();
  drawDetection();
  mover?.draw();
}

function chip({ label, name }, onclick, also) {
  const button = Object.assign(document.createElement("button"), { type: "button", innerHTML: label, onclick, ...also });
  button.firstChild.style.background = INKS[name];
  return button;
}

function find(digit) { // one that was missed
  chosen = digit;
  controls();
  drawScene();
  $("t6").scrollIntoView();
}

function eachMap(use) { // use(canvas, its map, level)
  look.levels.forEach(({ maps }, level) => $("maps").children[level].querySelectorAll("canvas").forEach((canvas, i) => use(canvas, maps[i], level)));
}

function drawMaps() {
  const { row, column } = cell;
  eachMap((canvas, map, level) => show(canvas, map, warm, (context, pixel) => {
    if (level === cell.level) frame(context, [column, row, column + 1, row + 1], "#fff", 2 * pixel);
  }));
}

function touch(level, row, column) { // a cell of a map
  const [high, wide] = look.levels[level].maps[0].shape;
  cell = { level, row: held(row, 0, high - 1), column: held(column, 0, wide - 1) };
  drawMaps();
  if (live.ready) near();
}

function drawCell() {
  picture($("anchors"), (context, pixel) => {
    context.fillStyle = "#ffffff77";
    context.fillRect(...cells.place);
    cells.boxes.forEach((box, i) => frame(context, box, INKS[i], 2 * pixel));
    cells.moved.forEach((box, i) => frame(context, box, INKS[i], 2 * pixel, [6 * pixel, 5 * pixel]));
  });
  $("cell").innerHTML = cells.html;
}

function drawProposals() {
  for (const [id, { boxes, words }] of Object.entries(look.nms)) {
    picture($(id), (context, pixel) => {
      for (const [x1, y1, x2, y2, score, level] of rows(boxes)) {
        context.globalAlpha = 0.15 + 0.85 * score;
        frame(context, [x1, y1, x2, y2], INKS[level], (0.8 + 1.2 * score) * pixel);
      }
    });
    $(`${id}-said`).textContent = words;
  }
}

function drawDetection() {
  const found = look.detections[k];
  $("who").textContent = found?.title ?? "nothing is found";
  if (!found) return;
  picture($("roi"), (context, pixel) => {
    for (const edge of one.lines) line(context, edge, "#ffffff55", pixel);
    for (const point of one.dots) dot(context, point, INKS[1], 1.3 * pixel);
    frame(context, one.roi, "#fff", 2 * pixel);
    frame(context, one.box, INKS[found.name], 2.5 * pixel, [7 * pixel, 6 * pixel]);
  }, one.window);
  $("roi-said").textContent = one.words;
  const ink = rgb(INKS[found.name]), cut = settings["roi.mask_threshold"];
  show($("crop"), one.crop, warm);
  show($("mask"), one.mask, (v) => (v >= cut ? [...ink.map((c) => c * (0.45 + 0.55 * v)), 255] : grey(110 * v)));
  $("classes").innerHTML = one.html;
}

// ---------------------------------------------------------------- hands and keys

const isNear = ([x, y], [u, v], room) => Math.hypot(x - u, y - v) <= room;
const inside = ([x, y], [x1, y1, x2, y2]) => x > x1 && x < x2 && y > y1 && y < y2;

function press(at, event) {
  const room = event.pointerType === "touch" ? 8 : 5, digit = scene.digits[chosen], hold = digit && handles(digit);
  const kind = hold && ["size", "angle"].find((name) => isNear(at, hold[name], room));
  if (!kind && tool === "draw") { trail = [at]; return; }
  if (!kind) choose(at);
  if (chosen !== null) grip = { kind, at, digit: scene.digits[chosen], before: JSON.stringify(scene) };
}

function choose(at) { // what lies there: a digit and what was found of it, or what was found alone
  const lying = scene.digits.findLastIndex((digit) => covers(digit, at));
  chosen = lying < 0 ? null : lying;
  const found = look.detections.findIndex(({ digit, box }) => (chosen === null ? inside(at, box) : digit === chosen));
  controls();
  if (found >= 0) pick(found);
  else drawScene();
}

function drag(at) {
  if (trail && !isNear(at, trail.at(-1), 0.7)) { trail.push(at); drawScene(); }
  if (!grip) return;
  const { digit, kind, before } = grip, [[x, y], [u, v]] = [at, grip.at].map((p) => [p[0] - digit.x, p[1] - digit.y]);
  grip.before = "";
  if (kind === "size") adjust({ size: (digit.size * Math.hypot(x, y)) / Math.max(Math.hypot(u, v), 1) }, before);
  else if (kind === "angle") adjust({ angle: digit.angle - ((Math.atan2(y, x) - Math.atan2(v, u)) * 180) / Math.PI }, before);
  else adjust({ x: digit.x + x - u, y: digit.y + y - v }, before);
}

function release() {
  const stroke = trail ?? [], steps = stroke.slice(1).map(([x, y], i) => Math.hypot(x - stroke[i][0], y - stroke[i][1]));
  trail = grip = null;
  if (steps.reduce((sum, step) => sum + step, 0) >= 3) place(stroke);
  else if (stroke.length) choose(stroke[0]); // a tap
  rest();
}

function key(event, step) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { x, y, size, angle } = scene.digits[chosen] ?? {}, by = event.shiftKey ? 8 : 1;
  const turns = { "[": { angle: angle + 5 }, "]": { angle: angle - 5 } };
  const other = { ...turns, "+": { size: size + 2 }, "=": { size: size + 2 }, "-": { size: size - 2 } }[event.key];
  if (/^\d$/.test(event.key)) add(event.key);
  else if (event.key === "Delete" || event.key === "Backspace") drop();
  else if (x !== undefined && (step || other)) adjust(other ?? { x: x + by * step[0], y: y + by * step[1] });
  else return false;
}

function pen(mode) {
  tool = mode;
  for (const name of ["draw", "move"]) $(`tool-${name}`).setAttribute("aria-pressed", name === mode);
  $("scene").classList.toggle("move", mode === "move");
}

function wire() {
  hand($("scene"), SIDE, { press, drag, release, key });
  const undo = () => past.length && change(begin(JSON.parse(past.pop())), ""), empty = () => change(begin({ ...scene, digits: [] }));
  const buttons = { "tool-draw": () => pen("draw"), "tool-move": () => pen("move"), undo, empty, delete: drop };
  for (const [id, onclick] of Object.entries(buttons)) $(id).onclick = onclick;
  $("another").onclick = () => ask("example", { number: ++number }).then((said) => said && change(begin(said)));
  $("link").onclick = async () => {
    history.replaceState(null, "", toLink({ scene, settings, least }));
    await navigator.clipboard?.writeText(location.href).catch(() => {});
    say("The address of this page now holds the scene, and is copied where the browser allows it.");
  };
  $("pad").onclick = ({ target }) => target.value && add(target.value);
  $("missed").onclick = ({ target }) => target.type === "button" && add(7, 9);
  eachMap((canvas, { shape: [high, wide] }, level) => hand(canvas, 1, {
    press: ([x, y]) => touch(level, Math.floor(y * high), Math.floor(x * wide)),
    key: (event, step) => {
      if (!step) return false;
      const from = cell.level === level ? cell : { row: 0, column: 0 };
      touch(level, from.row + step[1], from.column + step[0]);
    },
  }));
  for (const [id, [, write]] of Object.entries(SLIDERS)) $(id).oninput = () => change(() => write(Number($(id).value)), "");
  $("meant").onchange = () => adjust({ digit: $("meant").value === "" ? undefined : Number($("meant").value) });
  addEventListener("hashchange", follow);
  new ResizeObserver(() => { drawAll(); training?.draw(); }).observe($("scene"));
}

async function start() { // Python: once, and again when it was ended
  for (const id of NEEDS_PYTHON) $(id).disabled = true;
  $("start").hidden = false;
  await panel($("start"), live, { asked: true });
  for (const id of NEEDS_PYTHON) $(id).disabled = false;
  say("Python has started; the detector is being loaded …");
}

const recorded = await fetch("playground.json").then((reply) => reply.json()).catch((error) => {
  say(`The page is not whole: ${error.message}`);
  throw error;
});
({ samples, scene, settings, at: cell, cell: cells, detection: one } = recorded);
look = recorded.overview;
wire();
take(look, structuredClone({ scene, settings, min_score: least }));
const page = { ask, ready: () => live.ready, draw: picture, scene: () => of.scene };
mover = new Mover(page, recorded.mover);
training = new Training(page, recorded.film);
$("why").innerHTML = recorded.why.html;
$("missed").innerHTML = recorded.missed.html;
controls();
await start();
if (turn || await follow() === undefined) refresh(); // a link that is refused: its reason stays, until somebody does something
