// RoIPool, RoIWarp, RoIAlign and PrRoIPool of one RoI that is dragged over a small map.
kit.start("operators", (root, data) => {
  const NAMES = ["RoIPool", "RoIWarp", "RoIAlign", "PrRoIPool"], SAMPLES = 2;
  const map = data.map, height = map.length, width = map[0].length;
  const margin = 1, window = [-margin, -margin, width + margin, height + margin];
  const values = map.flat(), low = Math.min(...values), spread = Math.max(...values) - low || 1;
  const shade = (value) => 40 + 190 * Math.min(Math.max((value - low) / spread, 0), 1);
  const grey = (value) => { const s = Math.round(shade(value)); return `rgb(${s},${s},${s})`; };
  let roi = [...data.roi], bin = [0, 0];

  const board = kit.add(root, "div.tmr-board");
  const stage = kit.stage(board, window, "the map, and a region to drag");
  draw(stage, true);
  const hand = kit.box(stage, { name: "region", look: "tmr-roi", step: data.step, radius: 0.17, changed: (box) => { roi = box; show(); } });
  const side = kit.add(board, "div.tmr-side");
  const fields = kit.fields(side, "region, in cells", "tmr-roi", data.step, (box) => { roi = box; show(); });
  const settings = kit.add(side, "div.tmr-settings");
  const bins = choice("crop", [1, 2, 3, 4], data.bins, (n) => `${n} × ${n}`);
  const stride = choice("a cell is", [1, 4, 8, 16, 32], data.stride, (n) => `${n} px`);
  const round = kit.add(kit.add(settings, "label"), "input", { type: "checkbox", autocomplete: "off" });
  round.parentElement.append("RoIWarp rounds the region first, as its code did");
  round.addEventListener("change", show);
  key(side, [["tmr-asked", "the region that was asked for"], ["tmr-used", "what rounding makes of it"], ["tmr-read", "cells the chosen bin reads"], ["tmr-point", "points"], ["tmr-winner", "the largest cell, all that is kept"]]);
  const verdict = kit.add(side, "p.tmr-verdict");

  const four = kit.add(root, "div.tmr-four");
  const panels = NAMES.map((name) => {
    const one = kit.add(four, "section.tmr-one", { "aria-label": name });
    kit.add(one, "h4", {}, name);
    const svg = kit.add(one, "svg.tmr-stage", { viewBox: stage.getAttribute("viewBox"), role: "img" });
    draw(svg, false);
    const marks = kit.add(svg, "g");
    const crop = kit.add(one, "div.tmr-crop", { role: "group", "aria-label": `the crop of ${name}: choose a bin` });
    const notes = kit.add(one, "dl");
    const [edges, place] = ["edges moved by rounding, up to", "the chosen bin is read"].map((what) => {
      kit.add(notes, "dt", {}, what);
      return kit.add(notes, "dd");
    });
    return { name, svg, marks, crop, edges, place };
  });
  kit.add(root, "p.tmr-help", {}, "Drag the region or a corner of it. With the keyboard: Tab to it, arrow keys move it by a quarter of a cell, Shift and arrow keys stretch it. Choose a bin by its number in a crop. RoIWarp reads one point, at the first corner of each bin, so it is half a bin off, and by the same share wherever the region lies.");
  const say = kit.speaker(root);

  function choice(name, options, start, text) {
    const label = kit.add(settings, "label", {}, name);
    const select = kit.add(label, "select", { autocomplete: "off" });
    for (const n of options) kit.add(select, "option", { value: n, ...(n === start ? { selected: "" } : {}) }, text(n));
    select.addEventListener("change", () => { bin = bin.map((k) => Math.min(k, bins.value - 1)); show(); });
    return select;
  }

  function draw(svg, numbered) {
    map.forEach((row, y) => row.forEach((value, x) => {
      kit.add(svg, "rect.tmr-cell", { x, y, width: 1, height: 1, fill: grey(value) });
      if (numbered) kit.add(svg, "text.tmr-number", { x: x + 0.5, y: y + 0.5, fill: shade(value) > 118 ? "#000" : "#fff" }, value.toFixed(2).replace(/^0/, ""));
    }));
  }

  function key(parent, entries) {
    const list = kit.add(parent, "ul.tmr-key");
    for (const [look, text] of entries) {
      const svg = kit.add(kit.add(list, "li"), "svg", { viewBox: "0 0 24 16", "aria-hidden": true });
      const dot = ["tmr-point", "tmr-winner"].includes(look);
      kit.add(svg, dot ? `circle.${look}` : `rect.${look}`, dot ? { cx: 12, cy: 8, r: look === "tmr-point" ? 4 : 6 } : { x: 3, y: 2, width: 18, height: 12 });
      svg.parentElement.append(text);
    }
  }

  const rounded = (name) => {
    if (name === "RoIPool") { // whole cells, the last one included
      const [x1, y1, x2, y2] = roi.map(maths.nearest);
      return [x1, y1, x1 + Math.max(x2 - x1 + 1, 1), y1 + Math.max(y2 - y1 + 1, 1)];
    }
    return name === "RoIWarp" && round.checked ? roi.map(maths.nearest) : roi;
  };

  function show() {
    const count = Number(bins.value), pixels = Number(stride.value), words = [];
    hand.show(roi); fields.show(roi);
    for (const panel of panels) {
      const { name } = panel, used = rounded(name);
      const result = maths.crop(name, map, name === "RoIPool" ? roi : used, count, SAMPLES);
      paint(panel, used, result, count);
      buttons(panel, result.crop);
      const moved = Math.max(...used.map((edge, k) => Math.abs(edge - roi[k])));
      tell(panel.edges, moved * pixels, `${kit.short(moved * pixels)} px`);
      const share = bin.map((k) => (k + 0.5) / count), at = maths.placeRead(name, result, ...bin);
      const asked = [roi[0] + share[1] * (roi[2] - roi[0]), roi[1] + share[0] * (roi[3] - roi[1])];
      const off = at && [at[0] - asked[0], at[1] - asked[1]].map((x) => x * pixels);
      if (off) tell(panel.place, Math.hypot(...off), Math.hypot(...off) < 5e-5 ? "where it is: 0 px off" : `${kit.signed(off[0])} px across, ${kit.signed(off[1])} px down`);
      else tell(panel.place, 0, "nowhere: it lies outside", "");
      words.push(`${name} ${result.crop[bin[0]][bin[1]].toFixed(2)}${off ? `, ${kit.short(Math.round(Math.hypot(...off) * 10) / 10)} px off` : ""}`);
      kit.set(panel.svg, { "aria-label": `${name}: what bin ${bin.join(", ")} reads of the map` });
    }
    const empty = !(roi[2] > roi[0] && roi[3] > roi[1]);
    verdict.textContent = empty ? "A region without area: RoIPool still reads a cell, PrRoIPool has nothing to average."
      : `Row ${bin[0]}, column ${bin[1]} of each crop. Move the region by less than a cell: only what rounds stays behind, and then jumps.`;
    say(`Bin ${bin.join(", ")}: ${words.join("; ")}.`);
  }

  function tell(element, size, text, look) {
    element.textContent = text;
    element.dataset.value = size;
    element.className = look ?? (size < 5e-5 ? "tmr-right" : "tmr-off");
  }

  function buttons(panel, crop) {
    panel.crop.style.gridTemplateColumns = `repeat(${crop.length}, minmax(0, 1fr))`;
    const wanted = crop.length ** 2;
    while (panel.crop.children.length > wanted) panel.crop.lastChild.remove();
    while (panel.crop.children.length < wanted) {
      const button = kit.add(panel.crop, "button", { type: "button" });
      button.addEventListener("click", () => { bin = JSON.parse(button.dataset.bin); show(); });
    }
    crop.forEach((row, i) => row.forEach((value, j) => {
      const button = panel.crop.children[i * crop.length + j];
      button.textContent = value.toFixed(crop.length > 2 ? 2 : 3);
      Object.assign(button.dataset, { bin: JSON.stringify([i, j]), value });
      kit.set(button, { "aria-pressed": i === bin[0] && j === bin[1], "aria-label": `bin ${i}, ${j}: ${value.toFixed(4)}` });
    }));
  }

  function paint(panel, used, result, count) {
    const { marks, name } = panel, [i, j] = bin;
    marks.replaceChildren();
    const box = (look, [x1, y1, x2, y2]) => kit.place(kit.add(marks, `rect.${look}`), [x1, y1, x2, y2]);
    if (name === "RoIPool") {
      const [top, bottom] = result.rows[i], [left, right] = result.columns[j];
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) kit.set(box("tmr-read", [x, y, x + 1, y + 1]), { opacity: 0.55 });
    } else {
      const sums = new Map(), most = 1e-9;
      for (const [y, x, w] of result.reads[i][j]) sums.set(`${x},${y}`, (sums.get(`${x},${y}`) || 0) + w);
      const top = Math.max(most, ...sums.values());
      for (const [at, w] of sums) { const [x, y] = at.split(",").map(Number); kit.set(box("tmr-read", [x, y, x + 1, y + 1]), { opacity: 0.12 + 0.7 * (w / top) }); }
    }
    box("tmr-asked", roi);
    if (used !== roi) box("tmr-used", used);
    const [x1, y1, x2, y2] = used, across = (k) => x1 + (k / count) * (x2 - x1), down = (k) => y1 + (k / count) * (y2 - y1);
    if (name !== "RoIPool") {
      for (let k = 1; k < count; k++) kit.add(marks, "path.tmr-bins", { d: `M${across(k)} ${y1}V${y2}M${x1} ${down(k)}H${x2}` });
      box("tmr-chosen", [across(j), down(i), across(j + 1), down(i + 1)]);
    } else box("tmr-chosen", [result.columns[j][0], result.rows[i][0], result.columns[j][1], result.rows[i][1]]);
    const dot = (look, x, y, r) => kit.add(marks, `circle.${look}`, { cx: x, cy: y, r });
    if (name === "RoIPool") for (const [y, x] of result.reads[i][j]) dot("tmr-winner", x + 0.5, y + 0.5, 0.42);
    if (name === "RoIWarp") dot("tmr-point", across(j), down(i), 0.16);
    if (name === "RoIAlign")
      for (const y of maths.alignPoints(y1, y2, count, SAMPLES)[i]) for (const x of maths.alignPoints(x1, x2, count, SAMPLES)[j]) dot("tmr-point", x + 0.5, y + 0.5, 0.16);
  }

  show();
});
