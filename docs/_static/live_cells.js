// Lessons that run: buttons on every cell, and Python in this tab once a reader asks for it. Until a cell is run, what
// it said when the page was built stays below it.
(function () {
  const ROOT = new URL("../", document.currentScript.src).href; // of the site
  const cells = [...document.querySelectorAll("article div.cell")].filter((cell) => cell.querySelector(".cell_input pre"));
  if (!cells.length) return;
  let live, panel;

  function make(tag, name, content = "") {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = content;
    return element;
  }

  function button(text, pressed) {
    const element = make("button", "tmr-do", text);
    element.type = "button";
    element.addEventListener("click", pressed);
    return element;
  }

  // ---------------------------------------------------------------- one cell

  class Cell {
    constructor(root) {
      this.root = root;
      this.pre = root.querySelector(".cell_input pre");
      this.written = this.pre.textContent.replace(/\n$/, "");
      const answer = root.nextElementSibling; // the answer to a "Predict" is folded away below its cell
      this.answer = answer?.matches("details.tmr-answer") && answer.querySelector(".tmr-loose") ? answer : null;
      this.recorded = [...(this.answer || root).querySelectorAll(this.answer ? ".tmr-loose" : ".cell_output")];
    }

    get code() { return this.area ? this.area.value : this.written; }

    arm(all) {
      this.said = make("span", "tmr-cell-said");
      this.said.setAttribute("role", "status");
      this.go = button("Run", () => (this.busy ? live.end("stopped") : run([this])));
      this.above = button("Run all above", () => run(all.slice(0, all.indexOf(this))));
      this.change = button("Edit", () => this.edit());
      this.bar = make("div", "tmr-cell-bar");
      this.bar.append(this.go, ...(all[0] === this ? [] : [this.above]), this.change, this.said);
      this.root.querySelector(".cell_input").append(this.bar);
      this.above.title = "everything that this cell may need";
    }

    edit() {
      this.area = make("textarea", "tmr-cell-text");
      Object.assign(this.area, { value: this.written, spellcheck: false, wrap: "off", rows: this.written.split("\n").length });
      this.area.setAttribute("aria-label", "the code of this cell");
      this.area.addEventListener("input", () => { this.area.rows = this.area.value.split("\n").length; });
      this.area.addEventListener("keydown", (event) => {
        event.stopPropagation(); // the arrow keys are the text's
        if (event.key === "Enter" && (event.ctrlKey || event.shiftKey)) { event.preventDefault(); this.go.click(); }
      });
      this.pre.parentElement.replaceWith(this.area);
      this.change.hidden = true;
      this.area.focus();
    }

    say(text) { if (this.said.textContent !== text) this.said.textContent = text; }

    set running(yes) {
      this.busy = yes;
      this.go.textContent = yes ? "Stop" : "Run";
      this.root.classList.toggle("tmr-busy", yes);
    }

    show(outputs) {
      this.shown?.remove();
      this.shown = make("div", "cell_output docutils container tmr-ran");
      this.recorded.forEach((one) => { one.hidden = true; });
      if (this.recorded.length) this.recorded[0].before(this.shown);
      else this.root.append(this.shown);
      outputs.forEach((output) => this.shown.append(drawn(output)));
      this.shown.querySelectorAll("script:not([type])").forEach((old) => old.replaceWith(Object.assign(document.createElement("script"), { textContent: old.textContent })));
      if (this.answer) this.answer.open = true;
      this.failed = outputs.some((output) => output.error);
    }
  }

  function drawn({ text, html, png, alt, error }) {
    if (png) return Object.assign(new Image(), { alt, src: URL.createObjectURL(new Blob([png], { type: "image/png" })) });
    const box = make("div", html ? "output text_html" : `output stream ${error ? "tmr-error" : ""}`);
    if (html) box.innerHTML = html;
    else box.append(make("pre", "", error || text));
    return box;
  }

  // ---------------------------------------------------------------- running them

  async function run(list) {
    for (const cell of list) {
      cell.running = true;
      try {
        if (!live.ready) {
          cell.say("Python starts …");
          await live.boot(({ share }) => cell.say(`Python starts: ${Math.round(100 * share)} %`));
          all.forEach((one) => { one.done = false; });
        }
        cell.say("running …");
        const began = performance.now();
        const { outputs } = await live.call("cell:run_cell", { code: cell.code });
        cell.show(outputs);
        cell.done = true;
        cell.say(`ran here in ${((performance.now() - began) / 1000).toFixed(1)} s`);
      } catch (error) {
        cell.show([{ error: error.message }]);
        cell.say(error.ended ? "ended; all variables are gone, so run the cells above anew" : "did not run");
        cell.failed = true;
      }
      cell.running = false;
      if (!cell.failed) continue;
      const missing = all.slice(0, all.indexOf(cell)).some((one) => !one.done);
      if (missing && cell.shown.textContent.includes("NameError")) cell.say("cells above have not been run: Run all above, then this one");
      break;
    }
  }

  // ---------------------------------------------------------------- the reader asks

  const all = cells.map((root) => new Cell(root));

  async function start() {
    ask.disabled = true;
    try {
      const [{ Live }, { panel: open }] = await Promise.all([import(`${ROOT}live/live.js`), import(`${ROOT}live/start.js`)]);
      live = new Live();
      ask.hidden = true;
      if (!panel) {
        panel = make("div", "");
        place.append(panel);
      }
      await open(panel, live);
      all.forEach((cell) => cell.arm(all));
      place.replaceChildren(make("p", "", "Python is ready: every cell has a button. Change a cell and see what happens; the page itself stays as it was. Trainings are short here."));
      place.firstChild.setAttribute("role", "status");
    } catch (error) {
      ask.disabled = ask.hidden = false;
      place.append(make("p", "", location.protocol === "file:"
        ? "A page that was opened as a file cannot start Python: tinymaskrcnn live serves the site to this browser."
        : `This lesson cannot be run here, and is all there to be read. ${error.message}`));
    }
  }

  const place = make("div", "tmr-live-place");
  const ask = button("Run this lesson in your browser", start);
  place.append(ask);
  document.querySelector("article h1").after(place);
})();
