// The panel that starts Python: says what will be loaded and from where, loads it when asked to, tells how far it is.
//
//   const started = panel(element, live);   // a promise: resolves when Python is ready, the panel then goes away
//   panel(element, live, {asked: true})     // without asking first, where everything comes from this server

export function panel(element, live, { asked = false } = {}) {
  const [words, button, bar, far] = ["p", "button", "progress", "p"].map((tag) => document.createElement(tag));
  element.classList.add("live-start");
  button.type = "button";
  far.setAttribute("role", "status");
  bar.setAttribute("aria-label", "loaded");
  bar.hidden = true;
  element.replaceChildren(words, button, bar, far);

  return new Promise((resolve) => {
    const failed = (error) => {
      bar.hidden = true;
      button.hidden = false;
      button.textContent = "Try again";
      far.textContent = `Python could not be started. ${error.message}`;
    };
    const start = async () => {
      button.hidden = true;
      bar.hidden = false;
      bar.removeAttribute("value");
      far.textContent = "";
      try {
        await live.boot(({ doing, share }) => {
          if (share < 1) bar.value = share;
          else bar.removeAttribute("value"); // no bytes are counted any more: it works
          const said = share < 1 ? `${doing}: ${Math.round(100 * share)} %` : `${doing} …`;
          if (far.textContent !== said) far.textContent = said;
        });
      } catch (error) { return failed(error); }
      element.hidden = true;
      resolve(live);
    };
    button.addEventListener("click", start);
    button.textContent = "Start Python";
    live.about().then(({ external, megabytes }) => {
      const place = external ? new URL(external).host : "this server";
      words.textContent = `Python and the package run in this tab; nothing is installed and nothing you write leaves it. ${megabytes} MB are loaded from ${place}${external ? "" : " and from nowhere else"}.`;
      if (asked && !external) start();
    }).catch((error) => { words.textContent = ""; failed(error); });
  });
}
