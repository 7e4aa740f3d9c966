// The two parts of the playground in which something is learned: a box that follows its gradient, and a training.
import { SIDE, held, named } from "./sketch.js";
import { INKS, arrow, array, bitmap, curve, frame, grey, on, tag } from "./draw.js";

const $ = (id) => document.getElementById(id);

// A box on the page's picture. page: {ask, ready(), draw(canvas, paint), spot(canvas, event), scene(), beside()}
export class Mover {
  constructor(page) {
    const canvas = $("mover");
    let from = null;
    this.page = page;
    this.going = false;
    $("towards").onchange = () => this.put(this.box);
    $("one").onclick = () => this.pull(1);
    $("run").onclick = () => this.letGo();
    canvas.onpointerdown = (event) => { from = { at: page.spot(canvas, event), box: this.box }; canvas.setPointerCapture(event.pointerId); };
    canvas.onpointermove = (event) => { if (from) { const at = page.spot(canvas, event); this.put(from.box.map((v, i) => v + at[i % 2] - from.at[i % 2])); } };
    canvas.onpointerup = canvas.onpointercancel = () => { from = null; };
    canvas.onkeydown = (event) => {
      const step = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, -2], ArrowDown: [0, 2] }[event.key];
      if (step) { event.preventDefault(); this.put(this.box.map((v, i) => v + step[i % 2])); }
    };
  }

  put(box, of = this.of) { // here it begins anew; of: the question about the scene that it lies in
    const [w, h] = [0, 1].map((i) => held(box[i + 2] - box[i], 4, SIDE)), [x, y] = [held(box[0], 0, SIDE - w), held(box[1], 0, SIDE - h)];
    this.going = false;
    Object.assign(this, { of, box: [x, y, x + w, y + h], path: [], losses: [], gradient: [0, 0, 0, 0] });
    this.draw();
    if (this.page.ready()) this.pull(0);
  }

  async pull(steps) { // 0 asks for the gradient alone
    const { box } = this, digit = Number($("towards").value);
    const said = await this.page.ask("move", { scene: this.page.scene(), box, digit, steps });
    if (!said || box !== this.box) return;
    this.box = said.boxes.at(-1);
    this.gradient = said.gradient;
    if (steps) { this.path.push(...said.boxes.slice(0, -1)); this.losses.push(...said.losses.slice(this.losses.length ? 1 : 0)); }
    const chance = said.probabilities[digit + 1].toFixed(3);
    $("moved").textContent = `As ${named(digit)}: probability ${chance}, loss ${said.losses.at(-1).toFixed(3)}; IoU ${said.iou.toFixed(2)} with the digit there.`;
    this.draw();
  }

  async letGo() {
    this.going = !this.going;
    for (let i = 0; i < 40 && this.going; i++) {
      $("run").textContent = "Stop";
      await this.pull(2);
      await new Promise(requestAnimationFrame);
    }
    this.going = false;
    $("run").textContent = "Let it go";
  }

  draw() {
    const { box, path, losses } = this, [x1, y1, x2, y2] = box, [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
    const [left, top, right, bottom] = this.gradient.map((g) => (-13 * g) / Math.max(...this.gradient.map(Math.abs), 1e-12));
    this.page.draw($("mover"), (context, pixel) => {
      path.forEach((old, i) => frame(context, old, `rgba(86,180,233,${0.1 + (0.35 * i) / path.length})`, pixel));
      frame(context, box, "#fff", 2.5 * pixel);
      const pulls = [[[x1, y], [left, 0]], [[x2, y], [right, 0]], [[x, y1], [0, top]], [[x, y2], [0, bottom]]];
      for (const [at, by] of pulls) if (Math.hypot(...by) > 0.5) arrow(context, at, by, INKS[1], pixel);
    });
    curve($("fall"), losses, Math.max(60, losses.length));
  }
}

export class Training {
  constructor(page, scene) { // scene: {image, boxes}, what the film shows
    const { shape: [side], values } = array(scene.image);
    Object.assign(this, { page, side, boxes: scene.boxes, picture: bitmap(values, side, side, grey), film: [], losses: [], of: 1 });
    $("train").onclick = () => this.learn(this.losses.length === this.of);
    $("again").onclick = () => this.learn(true);
    $("frame").oninput = () => this.draw();
    this.draw();
  }

  async learn(anew) {
    if (this.learning) { this.learning = false; return; }
    this.learning = true;
    $("train").textContent = "Pause";
    let begin = anew || !this.film.length;
    while (this.learning) {
      const said = await this.page.ask("train", begin ? { steps: 0, begin } : { steps: 3 });
      if (!said) break;
      if (begin) Object.assign(this, { film: [], losses: [] });
      begin = false;
      this.keep(said);
      if (said.judged) break;
    }
    this.learning = false;
    $("train").textContent = this.losses.length === this.of ? "Train again" : "Train on";
  }

  keep({ losses, frame: shot, step, of, judged }) {
    this.losses.push(...losses);
    this.film.push(shot);
    this.of = of;
    $("frame").max = $("frame").value = this.film.length - 1;
    const end = judged && `It finds and names ${judged.right} of ${judged.digits} digits in scenes it has never seen; ${judged.wrong} boxes are wrong.`;
    $("learned").textContent = end || `Step ${step} of ${of}.`;
    this.draw();
  }

  draw() {
    const { boxes, names, scores, step } = this.film[$("frame").value] ?? { boxes: [], names: [], scores: [], step: 0 }, { side } = this;
    on($("film"), [0, 0, side, side], (context, pixel) => {
      context.drawImage(this.picture, 0, 0);
      this.boxes.forEach((box) => frame(context, box, "#ffffff88", pixel, [3 * pixel, 3 * pixel]));
      boxes.forEach((box, i) => frame(context, box, INKS[names[i]], 2.5 * pixel));
      boxes.forEach((box, i) => tag(context, box, `${names[i]}  ${scores[i].toFixed(2)}`, INKS[names[i]], pixel, side));
      tag(context, [0, side], `step ${step}`, "#d8dde3", pixel, side);
    });
    const mean = (i) => { const some = this.losses.slice(Math.max(0, i - 7), i + 1); return some.reduce((a, b) => a + b) / some.length; };
    curve($("curve"), this.losses.map((_, i) => mean(i)), this.of);
  }
}
