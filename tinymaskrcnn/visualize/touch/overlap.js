// IoU of two boxes that are dragged.
kit.start("overlap", (root, data) => {
  const board = kit.add(root, "div.tmr-board"), [x1, y1, x2, y2] = data.window;
  const stage = kit.stage(board, data.window, "two boxes to drag");
  const unit = (x2 - x1) / 400;
  if (data.image) kit.picture(stage, data.image, data.extent);
  else for (let k = Math.ceil(x1 / 10) * 10; k <= x2; k += 10) kit.add(stage, "line.tmr-grid", { x1: k, x2: k, y1, y2 });
  if (!data.image) for (let k = Math.ceil(y1 / 10) * 10; k <= y2; k += 10) kit.add(stage, "line.tmr-grid", { y1: k, y2: k, x1, x2 });

  const areas = [kit.add(stage, "rect.tmr-area.tmr-a"), kit.add(stage, "rect.tmr-area.tmr-b")];
  const both = kit.add(stage, "rect.tmr-area.tmr-both");
  const boxes = [data.a, data.b].map((box) => [...box]);
  const names = ["box A", "box B"], looks = ["tmr-a", "tmr-b"];
  const hands = names.map((name, k) => kit.box(stage, {
    name, look: looks[k], step: data.step, radius: 7 * unit, changed: (box) => show(k, box),
  }));
  const outline = kit.add(stage, "path.tmr-outline");
  const tags = ["A", "B"].map((text, k) => kit.add(stage, `text.tmr-tag.${looks[k]}`, { "font-size": 17 * unit, "stroke-width": 3 * unit, "aria-hidden": true }, text));

  const side = kit.add(board, "div.tmr-side");
  const fields = names.map((name, k) => kit.fields(side, name, looks[k], data.step, (box) => show(k, box)));
  const sums = kit.add(side, "dl.tmr-sums");
  const [width, shared, union, ratio] = ["shared sides", "intersection", "union", "IoU"].map((name) => {
    kit.add(sums, "dt", {}, name);
    return kit.add(sums, `dd.tmr-${name.replace(" ", "-").toLowerCase()}`);
  });
  const bar = kit.add(side, "div.tmr-ratio", { role: "img" });
  const part = kit.add(bar, "div.tmr-part");
  const verdict = kit.add(side, "p.tmr-verdict");
  kit.add(root, "p.tmr-help", {}, "Drag a box or one of its corners. With the keyboard: Tab to a box, arrow keys move it, Shift and arrow keys stretch it.");
  const say = kit.speaker(root);

  function words(a, b, found) {
    const holds = (one, other) => one[0] <= other[0] && one[1] <= other[1] && one[2] >= other[2] && one[3] >= other[3];
    if (!maths.area(a) || !maths.area(b)) return "A box without area shares nothing: the IoU is 0.";
    if (!found.intersection) return "They share nothing: the IoU is 0, however far apart they are.";
    if (found.iou === 1) return "The same box twice: the IoU is 1.";
    if (holds(a, b)) return "B lies inside A: the union is A, so the IoU is the area of B over that of A.";
    if (holds(b, a)) return "A lies inside B: the union is B, so the IoU is the area of A over that of B.";
    return "The shared part is counted once: union = A + B − intersection.";
  }

  function show(which, box) {
    boxes[which] = box;
    const [a, b] = boxes, found = maths.iou(a, b), common = maths.shared(a, b);
    boxes.forEach((one, k) => {
      hands[k].show(one); fields[k].show(one); kit.place(areas[k], one);
      const inside = [Math.min(Math.max(one[0], x1), x2 - 16 * unit), Math.min(Math.max(one[1], y1), y2 - 20 * unit)];
      const near = k && Math.abs(a[0] - b[0]) < 16 * unit && Math.abs(a[1] - b[1]) < 18 * unit; // beside A, not on it
      kit.set(tags[k], { x: inside[0] + (near ? 25 : 9) * unit, y: inside[1] + 22 * unit });
    });
    kit.place(both, found.intersection ? common : [0, 0, 0, 0]);
    outline.setAttribute("d", pieces(a, b).map(([p, q]) => `M${p}L${q}`).join(""));
    const sides = [common[2] - common[0], common[3] - common[1]].map((x) => Math.max(x, 0));
    width.textContent = `${kit.short(sides[0])} × ${kit.short(sides[1])}`;
    shared.textContent = kit.short(found.intersection);
    union.textContent = `${kit.short(maths.area(a))} + ${kit.short(maths.area(b))} − ${kit.short(found.intersection)} = ${kit.short(found.union)}`;
    ratio.textContent = found.iou.toFixed(4);
    ratio.dataset.value = found.iou; // every digit of it
    part.style.width = `${100 * found.iou}%`;
    bar.setAttribute("aria-label", `the intersection is ${Math.round(100 * found.iou)} % of the union`);
    verdict.textContent = words(a, b, found);
    say(`IoU ${found.iou.toFixed(2)}. ${verdict.textContent}`);
  }

  // The pieces of both borders that are not inside the other box.
  function pieces(a, b) {
    const found = [];
    if (!maths.area(a) && !maths.area(b)) return found;
    for (const [own, other] of [[a, b], [b, a]]) {
      if (!maths.area(own)) continue;
      for (const axis of [0, 1]) for (const at of [own[1 - axis], own[3 - axis]]) {
        const inside = other[1 - axis] < at && at < other[3 - axis] && maths.area(other) > 0;
        const [from, to] = [own[axis], own[axis + 2]], [low, high] = [other[axis], other[axis + 2]];
        const rest = !inside || high <= from || low >= to ? [[from, to]] : [[from, low], [high, to]].filter(([p, q]) => q > p);
        for (const [p, q] of rest) found.push(axis ? [[at, p], [at, q]] : [[p, at], [q, at]]);
      }
    }
    return found;
  }

  show(0, boxes[0]);
});
