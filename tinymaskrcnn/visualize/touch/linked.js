// A detection and what it was made of: proposal, anchor, level of the pyramid, and the pixels that the anchor's cell heeds.
kit.start("linked", (root, data) => {
  const board = kit.add(root, "div.tmr-board"), extent = data.extent;
  const stage = kit.stage(board, extent, "the picture, with what was found");
  kit.picture(stage, data.image, extent);
  const field = kit.picture(stage, data.found[0].reach.picture, extent);
  const layers = ["anchor", "proposal", "detection"].map((look) => kit.add(stage, `rect.tmr-kin.tmr-${look}`));
  const side = kit.add(board, "div.tmr-side");
  const names = kit.add(side, "div.tmr-names", { role: "group", "aria-label": "what was found" });
  const way = kit.add(side, "ol.tmr-way");
  const steps = ["detection", "proposal", "region", "anchor", "field"].map((look) => {
    const item = kit.add(way, "li"), svg = kit.add(item, "svg", { viewBox: "0 0 30 18", "aria-hidden": true });
    if (look === "field") kit.add(svg, "rect", { x: 3, y: 3, width: 24, height: 12, fill: "#ff7f3f", opacity: 0.8 });
    else kit.add(svg, `rect.tmr-kin.tmr-${look}`, { x: 3, y: 3, width: 24, height: 12 });
    return kit.add(item, "span");
  });
  const strip = kit.add(root, "div.tmr-levels");
  const levels = data.levels.map((level) => {
    const figure = kit.add(strip, "figure"), svg = kit.add(figure, "svg.tmr-stage", { viewBox: extent.join(" "), role: "img" });
    kit.picture(svg, level.picture, level.covers);
    const region = kit.add(svg, "rect.tmr-kin.tmr-region"), cell = kit.add(svg, "rect.tmr-kin.tmr-cellmark");
    return { ...level, figure, svg, region, cell, said: kit.add(figure, "figcaption") };
  });
  kit.add(root, "p.tmr-help", {}, "Point at what was found, tap it, or Tab to its name: everything that it was made of lights up. The five maps of the pyramid are bright where their numbers are large.");
  const say = kit.speaker(root);

  const buttons = data.found.map((one, k) => {
    const button = kit.add(names, `button${one.score < 0.5 ? ".tmr-unsure" : ""}`, { type: "button" }, `${one.name} · ${one.score.toFixed(2)}`);
    for (const event of ["focus", "pointerenter", "click"]) button.addEventListener(event, () => show(k));
    return button;
  });
  [...data.found.keys()].reverse().forEach((k) => { // the surest lies on top
    const rect = kit.place(kit.add(stage, `rect.tmr-found${data.found[k].score < 0.5 ? ".tmr-unsure" : ""}`), data.found[k].detection);
    for (const event of ["pointerenter", "pointerdown"]) rect.addEventListener(event, () => show(k));
  });

  function show(k) {
    const one = data.found[k], size = ([x1, y1, x2, y2]) => `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)} px`;
    buttons.forEach((button, j) => button.setAttribute("aria-pressed", j === k));
    [one.anchor, one.proposal, one.detection].forEach((box, j) => kit.place(layers[j], box));
    kit.set(field, { href: one.reach.picture });
    const fit = (a, b) => maths.iou(a, b).iou.toFixed(2);
    const text = [
      ["Detection", `“${one.name}” with a score of ${one.score.toFixed(2)}, ${size(one.detection)}. ${one.others}`],
      ["Proposal", `${size(one.proposal)}, IoU ${fit(one.proposal, one.detection)} with the detection: the box head moved it by the rest.`],
      ["Features", `cut from P${one.level} by RoIAlign, because of the proposal's size.`],
      ["Anchor", `of a cell of P${one.anchor_level}: ${size(one.anchor)}, IoU ${fit(one.anchor, one.proposal)} with the proposal. The RPN gave it an objectness of ${one.objectness.toFixed(2)}, place ${one.rank} on its level.`],
      ["Receptive field", `of that cell, as its own gradient has it: 90 % of what would change the objectness lies within ${one.reach.size} × ${one.reach.size} px.`],
    ];
    steps.forEach((span, j) => { span.replaceChildren(); kit.add(span, "b", {}, `${text[j][0]}: `); span.append(text[j][1]); });
    for (const level of levels) {
      const home = level.number === one.anchor_level, read = level.number === one.level;
      kit.place(level.region, read ? one.proposal : [0, 0, 0, 0]);
      kit.place(level.cell, home ? one.cell : [0, 0, 0, 0]);
      level.figure.classList.toggle("tmr-lit", home || read);
      const role = home && read ? "anchor and features" : home ? "the anchor's cell" : read ? "the features" : "";
      level.said.textContent = `P${level.number}, ${level.size}${role ? `: ${role}` : ""}`;
      kit.set(level.svg, { "aria-label": `map P${level.number}${role ? `, ${role}` : ""}` });
    }
    root.dataset.shown = k;
    say(`${one.name}: proposal from an anchor of P${one.anchor_level}, features from P${one.level}.`);
  }
  const change = (one) => (one.score < 0.5 ? 2 : maths.iou(one.anchor, one.detection).iou);
  const changes = data.found.map(change);
  show(changes.indexOf(Math.min(...changes))); // of the sure ones, the one that came furthest
});
