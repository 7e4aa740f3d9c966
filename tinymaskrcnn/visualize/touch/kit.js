// What all touchable pictures share: elements, boxes that can be dragged, and the light or dark of the page around.
const kit = {
  // start(kind, draw): every picture of a kind on the page that is not alive yet
  start(kind, draw) {
    document.querySelectorAll(`.tmr-${kind}:not(.tmr-live)`).forEach((root) => {
      const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
      root.querySelector(".tmr-still").remove();
      root.classList.add("tmr-live");
      kit.follow(root);
      draw(root, data);
    });
  },

  // Light or dark is what the page writes with: notebooks and sites all have a switch of their own.
  follow(root) {
    const look = () => {
      const [r, g, b] = getComputedStyle(root.parentElement).color.match(/[\d.]+/g).map(Number);
      root.dataset.scheme = 0.3 * r + 0.6 * g + 0.1 * b > 140 ? "dark" : "light";
    };
    look();
    const watch = new MutationObserver(() => requestAnimationFrame(look));
    const attributeFilter = ["class", "data-theme", "data-jp-theme-light", "style"];
    for (const element of [document.documentElement, document.body]) watch.observe(element, { attributeFilter });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(look));
  },

  // add(parent, "div.a.b", {attributes}, text)  ->  the new element; svg elements below an svg
  add(parent, what, attributes = {}, text = "") {
    const [tag, ...classes] = what.split(".");
    const svg = tag === "svg" || (parent && parent.namespaceURI === "http://www.w3.org/2000/svg");
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    if (classes.length) made.setAttribute("class", classes.join(" "));
    kit.set(made, attributes);
    if (text) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  },

  set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  },

  // A stage is an svg whose units are those of the data; `window` is [x1, y1, x2, y2].
  stage(parent, window, name) {
    const [x1, y1, x2, y2] = window;
    const svg = kit.add(parent, "svg.tmr-stage", { viewBox: `${x1} ${y1} ${x2 - x1} ${y2 - y1}`, role: "group", "aria-label": name });
    svg.tmrWindow = window;
    return svg;
  },

  where(svg, event) { // of a pointer, in the units of the stage
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [at.x, at.y];
  },

  place(rect, [x1, y1, x2, y2]) {
    return kit.set(rect, { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) });
  },

  picture(svg, address, [x1, y1, x2, y2]) {
    const place = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
    return kit.add(svg, "image.tmr-pixels", { href: address, preserveAspectRatio: "none", ...place });
  },

  // A box to drag by its middle or a corner; arrow keys move it, with Shift its lower right corner.
  // changed(box) is called with every new box; the result's show(box) draws it where it is.
  box(svg, { name, look, step, radius, changed }) {
    svg.tmrLayers ??= [kit.add(svg, "g"), kit.add(svg, "g")]; // no box lies on the corners of another one
    const [group, dots] = svg.tmrLayers.map((layer) => kit.add(layer, `g.tmr-box.${look}`));
    const body = kit.add(group, "rect.tmr-body", {
      tabindex: 0, role: "button", "aria-roledescription": "box to drag",
      "aria-keyshortcuts": "ArrowLeft ArrowRight ArrowUp ArrowDown Shift+ArrowLeft Shift+ArrowRight Shift+ArrowUp Shift+ArrowDown",
    });
    const corners = [[0, 1], [2, 1], [0, 3], [2, 3]].map((ends) => {
      const dot = kit.add(dots, "circle.tmr-corner", { r: radius, "aria-hidden": true });
      grab(dot, (box, dx, dy) => { box[ends[0]] += dx; box[ends[1]] += dy; return ordered(box, ends); });
      return [dot, ends];
    });
    let now = [0, 0, 0, 0];
    grab(body, (box, dx, dy) => [box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy]);

    function ordered(box, ends) { // a corner stops where it meets the opposite edge: a box without area
      for (const end of ends) {
        const other = (end + 2) % 4;
        box[end] = end < 2 ? Math.min(box[end], box[other]) : Math.max(box[end], box[other]);
      }
      return box;
    }

    function within(box) { // its middle stays on the stage, so that it can be fetched back
      const [x1, y1, x2, y2] = svg.tmrWindow, low = [x1, y1], high = [x2, y2];
      for (const axis of [0, 1]) {
        const middle = (box[axis] + box[axis + 2]) / 2;
        const back = Math.min(Math.max(middle, low[axis]), high[axis]) - middle;
        const moved = step * Math.trunc(back / step + Math.sign(back) * 0.999);
        box[axis] += moved; box[axis + 2] += moved;
      }
      return box;
    }

    function grab(part, moved) {
      part.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false }); // no scrolling from here
      part.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        const from = kit.where(svg, event), before = [...now];
        part.setPointerCapture(event.pointerId);
        const drag = (event) => {
          const to = kit.where(svg, event), snap = (x) => Math.round(x / step) * step;
          changed(within(moved([...before], snap(to[0] - from[0]), snap(to[1] - from[1]))));
        };
        const drop = () => {
          part.removeEventListener("pointermove", drag);
          for (const end of ["pointerup", "pointercancel"]) part.removeEventListener(end, drop);
        };
        part.addEventListener("pointermove", drag);
        for (const end of ["pointerup", "pointercancel"]) part.addEventListener(end, drop);
        body.focus({ preventScroll: true });
        event.preventDefault();
      });
    }

    body.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [0, 0];
      if ((!dx && !dy) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault(); // the page must not scroll,
      event.stopPropagation(); // nor the notebook go to another cell
      const [x1, y1, x2, y2] = now, x = x2 + dx * step, y = y2 + dy * step;
      changed(event.shiftKey ? ordered([x1, y1, x, y], [2, 3]) : within([x1 + dx * step, y1 + dy * step, x, y]));
    });

    return {
      show(box) {
        now = [...box];
        kit.place(body, box);
        corners.forEach(([dot, [x, y]]) => kit.set(dot, { cx: box[x], cy: box[y] }));
        body.setAttribute("aria-label", `${name}: x ${kit.short(box[0])} to ${kit.short(box[2])}, y ${kit.short(box[1])} to ${kit.short(box[3])}`);
      },
    };
  },

  // Four fields for the corners of a box.
  fields(parent, name, look, step, changed) {
    const row = kit.add(parent, `div.tmr-fields.${look}`, { role: "group", "aria-label": name });
    kit.add(row, "span.tmr-name", {}, name);
    const inputs = ["x1", "y1", "x2", "y2"].map((edge) => {
      const label = kit.add(row, "label", {}, edge);
      return kit.add(label, "input", { type: "number", step, autocomplete: "off", "aria-label": `${edge} of ${name}` });
    });
    inputs.forEach((input) => {
      input.addEventListener("keydown", (event) => event.stopPropagation());
      input.addEventListener("input", () => {
        const box = inputs.map((one) => one.valueAsNumber);
        if (box.every((edge) => Number.isFinite(edge) && Math.abs(edge) < 1e4)) changed(box);
      });
    });
    return { show: (box) => inputs.forEach((input, k) => { if (input.valueAsNumber !== box[k]) input.value = kit.short(box[k]); }) };
  },

  // What a screen reader says once the hand has come to rest.
  speaker(root) {
    const said = kit.add(root, "p.tmr-said", { "aria-live": "polite" });
    let timer = 0;
    return (text) => {
      clearTimeout(timer);
      timer = setTimeout(() => { if (said.textContent !== text) said.textContent = text; }, 400);
    };
  },

  short: (x) => String(Number(x.toFixed(4))),
  signed: (x) => (Math.abs(x) < 5e-5 ? "0" : `${x > 0 ? "+" : "−"}${kit.short(Math.abs(x))}`),
};
