// Non-maximum suppression under a threshold that is moved: who stays, and who goes because of whom.
kit.start("suppression", (root, data) => {
  const { boxes, scores, extent } = data, order = scores.map((_, k) => k).sort((a, b) => scores[b] - scores[a] || a - b);
  const place = []; // of each box in the order of scores, from 1
  order.forEach((k, rank) => (place[k] = rank + 1));
  const board = kit.add(root, "div.tmr-board");
  const stage = kit.add(board, "svg.tmr-stage.tmr-pick", { viewBox: extent.join(" "), role: "img" });
  kit.picture(stage, data.image, extent);
  const layer = kit.add(stage, "g"), front = kit.add(stage, "g");
  const marks = boxes.map((box) => kit.place(kit.add(layer, "rect"), box));
  const side = kit.add(board, "div.tmr-side");
  const threshold = slider("IoU above which a box suppresses", 0, 1, 0.01, data.threshold);
  const chosen = slider("box, best score first", 1, boxes.length, 1, 1);
  const count = kit.add(side, "p.tmr-count"), fate = kit.add(side, "p.tmr-fate");
  const list = kit.add(side, "ul.tmr-key");
  for (const [look, text] of [["tmr-kept", "stays"], ["tmr-gone", "suppressed"], ["tmr-judge", "the one that suppresses"], ["tmr-victim", "suppressed by it"]]) {
    const svg = kit.add(kit.add(list, "li"), "svg", { viewBox: "0 0 24 16", "aria-hidden": true });
    kit.add(svg, `rect.${look}`, { x: 3, y: 2, width: 18, height: 12 });
    svg.parentElement.append(text);
  }
  kit.add(root, "p.tmr-help", {}, "Move the threshold. Point at a box, tap it, or choose it with the second bar: it says what became of it. Box 1 has the highest score.");
  const say = kit.speaker(root);
  let found = null;

  function slider(name, min, max, step, value) {
    const row = kit.add(side, "div.tmr-row"), label = kit.add(row, "label", {}, name), shown = kit.add(label, "output");
    const range = kit.add(row, "input", { type: "range", min, max, step, value, autocomplete: "off", "aria-label": name });
    range.addEventListener("keydown", (event) => event.stopPropagation());
    range.addEventListener("input", step < 1 ? judge : choose);
    return { range, shown, get value() { return Number(range.value); } };
  }

  function judge() {
    threshold.shown.textContent = threshold.value.toFixed(2);
    found = maths.nms(boxes, scores, threshold.value);
    marks.forEach((mark, k) => mark.setAttribute("class", found.by[k] < 0 ? "tmr-kept" : "tmr-gone"));
    marks.forEach((mark, k) => found.by[k] < 0 && layer.append(mark)); // what stays lies above what goes
    const kept = found.by.filter((by) => by < 0).length;
    count.textContent = `${kept} of ${boxes.length} boxes stay.`;
    count.dataset.value = kept;
    kit.set(stage, { "aria-label": `${boxes.length} boxes on a picture; ${kept} stay at a threshold of ${threshold.value.toFixed(2)}` });
    choose();
  }

  function choose() {
    const k = order[chosen.value - 1], by = found.by[k], judge = by < 0 ? k : by;
    const victims = boxes.map((_, q) => q).filter((q) => found.by[q] === judge);
    front.replaceChildren();
    for (const q of by < 0 ? victims : [k]) kit.place(kit.add(front, by < 0 ? "rect.tmr-victim.tmr-many" : "rect.tmr-victim"), boxes[q]);
    kit.place(kit.add(front, "rect.tmr-judge"), boxes[judge]);
    const name = (q) => `box ${place[q]} (score ${scores[q].toFixed(3)})`;
    const limit = threshold.value.toFixed(2), first = name(k).replace("b", "B");
    const worst = Math.max(...victims.map((q) => found.how[q]));
    if (by >= 0) fate.textContent = `${first} is suppressed by ${name(by)}: they share an IoU of ${found.how[k].toFixed(3)}, more than ${limit}.`;
    else if (victims.length) fate.textContent = `${first} stays, and suppresses ${victims.length}: ${victims.length > 1 ? "the closest shares" : "which shares"} an IoU of ${worst.toFixed(3)}.`;
    else fate.textContent = `${first} stays. It overlaps no box that still waits by more than ${limit}.`;
    Object.assign(fate.dataset, { fate: by < 0 ? "kept" : "suppressed", box: k, by, iou: found.how[k] });
    chosen.shown.textContent = `${chosen.value} of ${boxes.length}`;
    chosen.range.setAttribute("aria-valuetext", `box ${chosen.value}, ${by < 0 ? "stays" : "suppressed"}`);
    threshold.range.setAttribute("aria-valuetext", `${limit}, ${count.textContent}`);
    say(`${count.textContent} ${fate.textContent}`);
  }

  function point(event) { // the box whose border is nearest, of those around the pointer
    const [x, y] = kit.where(stage, event);
    let best = null, nearest = Infinity;
    boxes.forEach(([x1, y1, x2, y2], k) => {
      const border = Math.min(x - x1, x2 - x, y - y1, y2 - y);
      if (border >= -1 && Math.abs(border) < nearest) [best, nearest] = [k, Math.abs(border)];
    });
    if (best !== null && place[best] !== chosen.value) { chosen.range.value = place[best]; choose(); }
  }
  stage.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(event));
  stage.addEventListener("pointerdown", point);
  judge();
  chosen.range.value = Math.max(1, 1 + order.findIndex((k) => found.by[k] >= 0)); // one that was suppressed says the most
  choose();
});
