"use strict";
(() => {
  const $ = (id) => document.getElementById(id), data = JSON.parse($("data").textContent), f = Math.fround;
  const drawn = $("drawn"), svg = drawn.ownerSVGElement, view = svg.viewBox.baseVal, thin = Math.max(view.width, view.height) / 260;
  const make = (name, given, parent) => { const e = document.createElementNS("http://www.w3.org/2000/svg", name); for (const key in given) e.setAttribute(key, given[key]); (parent || drawn).append(e); return e; };
  const box = ([x1, y1, x2, y2], color, given = {}) => make("rect", { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0), fill: "none", stroke: color, "stroke-width": thin, ...given });
  const clear = () => drawn.replaceChildren();
  const press = (on) => document.querySelectorAll("#found button, #lost button").forEach((b) => b.setAttribute("aria-pressed", b === on));

  // ---------------------------------------------------------------- stages
  let at = data.stages.length - 1;
  data.stages.forEach((stage, k) => {
    const b = document.createElement("button");
    b.type = "button"; b.textContent = `${stage.name}: ${stage.count}`;
    b.addEventListener("click", () => go(k));
    const li = document.createElement("li"); li.append(b); $("stages").append(li);
  });
  const steps = [...$("stages").querySelectorAll("button")];
  function go(k) {
    at = Math.min(Math.max(k, 0), data.stages.length - 1);
    const stage = data.stages[at];
    clear(); choose(null);
    stage.boxes.forEach((b, i) => box(b, "#E69F00", { opacity: Math.max(0.12, Math.min(1, stage.sure[i])), "stroke-width": thin * 0.7 }));
    steps.forEach((b, i) => (i === at ? b.setAttribute("aria-current", "step") : b.removeAttribute("aria-current")));
    $("caption").textContent = `${stage.name}, ${stage.count}: ${stage.words}.`;
    if (at === data.stages.length - 1) clickable();
  }
  $("back").addEventListener("click", () => go(at - 1));
  $("on").addEventListener("click", () => go(at + 1));
  $("stages").addEventListener("keydown", (e) => {
    const way = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[e.key];
    if (way) { e.preventDefault(); go(steps.indexOf(e.target) + way); steps[at].focus(); }
  });

  // ---------------------------------------------------------------- detections and their chains
  function choose(name) {
    document.querySelectorAll("#why article").forEach((a) => { a.hidden = a.id !== name; });
    $("none").hidden = name !== null;
    if (name === null) press(null);
  }
  function clickable() {
    data.detections.forEach((d, k) => box(d.box, "#56B4E9", { "pointer-events": "all", style: "cursor:pointer" }).addEventListener("click", (e) => { e.stopPropagation(); found(k); }));
  }
  function found(k) {
    const d = data.detections[k];
    clear(); clickable();
    if (d.mask) make("image", { href: d.mask, width: view.width, height: view.height, "pointer-events": "none" });
    if (d.way.anchor) box(d.way.anchor, "#F0E442", { "stroke-dasharray": `${thin * 2} ${thin * 2}` });
    box(d.way.proposal, "#E69F00"); box(d.box, "#56B4E9", { "stroke-width": thin * 1.6 });
    choose(`chain${k}`);
    press(document.querySelector(`[data-found="${k}"]`));
    $("caption").textContent = `${d.words}. ${d.way.anchor ? "Dashed yellow: its anchor; o" : "O"}range: its proposal; blue: its box${d.mask ? " and mask" : ""}.`;
  }
  function missed(k) {
    clear(); box(data.missed[k], "#D55E00", { "stroke-width": thin * 1.6 });
    choose(`missed${k}`);
    press(document.querySelector(`[data-missed="${k}"]`));
    $("caption").textContent = "Where the missed object is.";
  }
  document.querySelectorAll("[data-found]").forEach((b) => b.addEventListener("click", () => found(Number(b.dataset.found))));
  document.querySelectorAll("[data-missed]").forEach((b) => b.addEventListener("click", () => missed(Number(b.dataset.missed))));

  // ---------------------------------------------------------------- cells
  if ($("level")) {
    const level = $("level"), row = $("row"), column = $("column");
    data.levels.forEach((l, k) => { const o = document.createElement("option"); o.value = k; o.textContent = `${l.name}, ${l.rows} x ${l.columns}`; level.append(o); });
    function cell() {
      const l = data.levels[Number(level.value)];
      if (!l) return;
      row.max = l.rows - 1; column.max = l.columns - 1;
      const r = Math.min(Math.max(Number(row.value) || 0, 0), l.rows - 1), c = Math.min(Math.max(Number(column.value) || 0, 0), l.columns - 1);
      clear(); choose(null);
      box([c * view.width / l.columns, r * view.height / l.rows, (c + 1) * view.width / l.columns, (r + 1) * view.height / l.rows], "#ffffff", { "stroke-width": thin * 0.6 });
      const rows = [];
      for (let i = 0; i < l.per; i++) {
        const k = (r * l.columns + c) * l.per + i, a = l.boxes.slice(4 * k, 4 * k + 4), m = l.moved.slice(4 * k, 4 * k + 4);
        box(a, "#F0E442", { "stroke-dasharray": `${thin * 2} ${thin * 2}` }); box(m, "#E69F00", { opacity: Math.max(0.15, l.sure[k]) });
        const li = document.createElement("li");
        li.textContent = `${(a[2] - a[0]).toFixed(0)} x ${(a[3] - a[1]).toFixed(0)} px: objectness ${l.sure[k].toFixed(3)}, moved to ${m.map((v) => v.toFixed(0)).join(", ")}`;
        rows.push(li);
      }
      $("anchors").replaceChildren(...rows);
      $("caption").textContent = `${l.name}, row ${r}, column ${c}: its ${l.per} anchors, dashed, and where their deltas move them.`;
    }
    for (const e of [level, row, column]) e.addEventListener("input", cell);
    svg.addEventListener("pointermove", (e) => {
      const l = data.levels[Number(level.value)];
      if (!l || !e.isPrimary || (e.pointerType === "mouse" && document.querySelector("#found [aria-pressed=true], #lost [aria-pressed=true]"))) return;
      const where = new DOMPoint(e.clientX, e.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const r = Math.floor(where.y / view.height * l.rows), c = Math.floor(where.x / view.width * l.columns);
      if (String(r) === row.value && String(c) === column.value && $("anchors").children.length) return;
      row.value = r; column.value = c; cell();
    });
  }

  // ---------------------------------------------------------------- what if: as explain.what_if decides, in float32
  const b = data.boxes, count = b.score.length, settings = data.settings;
  const area = (k) => f(f(Math.max(f(b.box[4 * k + 2] - b.box[4 * k]), 0)) * f(Math.max(f(b.box[4 * k + 3] - b.box[4 * k + 1]), 0)));
  function overlap(i, j) {
    const side = (a) => Math.max(f(Math.min(b.box[4 * i + a + 2], b.box[4 * j + a + 2]) - Math.max(b.box[4 * i + a], b.box[4 * j + a])), 0);
    const shared = f(side(0) * side(1)), union = f(f(area(i) + area(j)) - shared);
    return f(shared / (union > 0 ? union : 1));
  }
  function decide({ proposals, threshold, iou, most, shown }) {
    const size = f(settings.size), limit = f(iou);
    const likely = [...Array(count).keys()].filter((k) => b.proposal[k] < proposals && b.score[k] > f(threshold)
      && f(b.box[4 * k + 2] - b.box[4 * k]) >= size && f(b.box[4 * k + 3] - b.box[4 * k + 1]) >= size);
    likely.sort((i, j) => b.score[j] - b.score[i] || i - j);
    const kept = [];
    for (const k of likely) if (!kept.some((i) => b.label[i] === b.label[k] && overlap(i, k) > limit)) kept.push(k);
    return kept.slice(0, most).filter((k) => b.score[k] >= f(shown))
      .map((k) => ({ label: b.label[k], score: b.score[k], box: b.box.slice(4 * k, 4 * k + 4) }));
  }
  window.tmrDecide = decide;
  const inputs = {};
  for (const name of ["proposals", "threshold", "iou", "most", "shown"]) {
    const s = settings[name], wrap = document.createElement("div"), label = document.createElement("label"), out = document.createElement("output"), input = document.createElement("input");
    Object.assign(input, { type: "range", id: `if-${name}`, min: s.low, max: s.high, step: s.step === 1 ? 1 : "any", value: s.now });
    label.htmlFor = out.htmlFor = input.id; label.textContent = s.label; wrap.className = "slide";
    wrap.append(label, out, input); $("sliders").append(wrap);
    inputs[name] = { input, out, now: s.now, step: s.step };
    input.addEventListener("input", whatIf);
    input.addEventListener("keydown", (e) => {
      const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[e.key];
      if (!way) return;
      e.preventDefault();
      input.value = Math.min(Math.max(Math.round(Number(input.value) / s.step + way) * s.step, s.low), s.high);
      whatIf();
    });
  }
  const now = () => Object.fromEntries(Object.entries(inputs).map(([name, { input }]) => [name, Number(input.value)]));
  function show() { for (const { input, out, step } of Object.values(inputs)) { out.value = step === 1 ? input.value : Number(input.value).toFixed(2); input.setAttribute("aria-valuetext", out.value); } }
  function whatIf() {
    show();
    const told = decide(now());
    clear(); choose(null);
    for (const d of told) { box(d.box, "#56B4E9"); const t = make("text", { x: d.box[0], y: Math.max(d.box[1] - thin, 5 * thin), fill: "#56B4E9", "font-size": thin * 7, "font-family": "sans-serif" }); t.textContent = data.names[d.label]; }
    $("said").textContent = told.length ? `${told.length} shown: ${told.slice(0, 12).map((d) => `${data.names[d.label]} ${d.score.toFixed(2)}`).join(", ")}${told.length > 12 ? ", ..." : ""}` : "Nothing is shown.";
    $("caption").textContent = "What would be shown with the numbers of the sliders.";
  }
  $("reset").addEventListener("click", () => { for (const { input, now: was } of Object.values(inputs)) input.value = was; whatIf(); });
  show();

  $("theme").addEventListener("click", () => {
    const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  go(at);
})();
