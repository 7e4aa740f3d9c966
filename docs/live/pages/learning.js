// The two parts of the playground in which something is learned: a box that follows its gradient, and a training.
import { SIDE, held } from "./sketch.js";
import { INKS, arrow, curve, frame, grey, hand, labelled, show, tag } from "./draw.js";

const $ = (id) => document.getElementById(id);

// A box on the page's picture. page: {ask, ready(), draw(canvas, paint), scene()}; box: where it begins, towards a digit
export class Mover {
  constructor(page, { box, digit }) {
    let from = null;
    Object.assign(this, { page, going: false });
    $("towards").value = digit;
    $("towards").onchange = () => this.put(this.box);
    $("one").onclick = () => this.pull(1);
    $("run").onclick = () => this.letGo();
    hand($("mover"), SIDE, {
      press: (at) => { from = { at, box: this.box }; },
      drag: ([x, y]) => from && this.put(shifted(from.box, x - from.at[0], y - from.at[1])),
      release: () => { from = null; },
      key: (event, step) => (step ? this.put(shifted(this.box, 2 * step[0], 2 * step[1])) : false),
    });
    this.put(box);
  }

  put([x1, y1, x2, y2], of = this.of) { // here it begins anew; of: the question about the scene that it lies in
    const x = held(x1, 0, SIDE - (x2 - x1)), y = held(y1, 0, SIDE - (y2 - y1));
    Object.assign(this, { of, box: [x, y, x + x2 - x1, y + y2 - y1], path: [], losses: [], pulls: [], going: false });
    this.draw();
    if (this.page.ready()) this.pull(0);
  }

  async pull(steps) { // 0 asks for the gradient alone
    const { box } = this, digit = Number($("towards").value);
    const said = await this.page.ask("move", { scene: this.page.scene(), box, digit, steps });
    if (!said || box !== this.box) return;
    Object.assign(this, { box: said.boxes.at(-1), pulls: said.pulls });
    this.path.push(...said.boxes.slice(0, -1));
    this.losses.push(...said.losses.slice(this.losses.length ? 1 : 0)); // the first is known from the step before
    $("moved").textContent = said.words;
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
    const { box, path, losses, pulls } = this;
    this.page.draw($("mover"), (context, pixel) => {
      path.forEach((old, i) => frame(context, old, `rgba(86,180,233,${0.1 + (0.35 * i) / path.length})`, pixel));
      frame(context, box, "#fff", 2.5 * pixel);
      for (const [at, by] of pulls) arrow(context, at, by, INKS[1], pixel);
    });
    curve($("fall"), losses, Math.max(60, losses.length));
  }
}

const shifted = ([x1, y1, x2, y2], dx, dy) => [x1 + dx, y1 + dy, x2 + dx, y2 + dy];

export class Training {
  constructor(page, scene) { // scene: {image, boxes}, what the film shows
    Object.assign(this, { page, scene, film: [], curve: [], ended: false });
    $("train").onclick = () => this.learn(this.ended);
    $("again").onclick = () => this.learn(true);
    $("frame").oninput = () => this.draw();
    this.draw();
  }

  async learn(anew) {
    if (this.learning) { this.learning = false; return; }
    this.learning = true;
    $("train").textContent = "Pause";
    for (let begin = anew || !this.film.length; this.learning; begin = false) {
      const said = await this.page.ask("train", begin ? { steps: 0, begin } : { steps: 3 });
      if (!said) break;
      if (begin) this.film = [];
      this.keep(said);
      if (this.ended) break;
    }
    this.learning = false;
    $("train").textContent = this.ended ? "Train again" : "Train on";
  }

  keep({ curve: losses, frame: shot, step, of, words }) {
    Object.assign(this, { curve: losses, of, ended: step === of });
    this.film.push(shot);
    $("frame").max = $("frame").value = this.film.length - 1;
    $("learned").textContent = words;
    this.draw();
  }

  draw() {
    const { detections, step } = this.film[$("frame").value] ?? { detections: [], step: 0 };
    const { image, boxes } = this.scene, side = image.shape[1];
    show($("film"), image, grey, (context, pixel) => {
      for (const box of boxes) frame(context, box, "#ffffff88", pixel, [3 * pixel, 3 * pixel]);
      labelled(context, detections, pixel, side, () => 2.5);
      tag(context, [0, side], `step ${step}`, "#d8dde3", pixel, side);
    });
    curve($("curve"), this.curve, this.of);
  }
}
