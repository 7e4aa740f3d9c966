// Makes a slider of every stack of frames that is not one yet. It needs no ids, so copies on one page stay apart.
(function () {
  // Made here, so that where scripts do not run there is nothing that looks like it could be pressed.
  const BAR = `<div class="tmr-bar">
    <button type="button" aria-label="previous frame" title="previous (left arrow)">&#9664;&#xFE0E;</button>
    <input type="range" min="1" step="1" value="1" autocomplete="off" aria-label="frame">
    <button type="button" aria-label="next frame" title="next (right arrow)">&#9654;&#xFE0E;</button>
    <output></output>
    <span class="tmr-said" aria-live="polite"></span>
  </div>`;

  function start(root) {
    const frames = [...root.querySelectorAll("figure")];
    root.insertAdjacentHTML("beforeend", BAR);
    const [back, next] = root.querySelectorAll("button");
    const range = root.querySelector("input");
    range.max = frames.length;
    const counter = root.querySelector("output");
    const said = root.querySelector(".tmr-said"); // what a screen reader says of the new frame
    let at = 0;

    function show(k) {
      const before = at;
      at = Math.max(0, Math.min(frames.length - 1, k));
      frames.forEach((frame, i) => frame.classList.toggle("tmr-now", i === at));
      range.value = at + 1;
      counter.textContent = `${at + 1} / ${frames.length}`;
      range.setAttribute("aria-valuetext", `${at + 1} of ${frames.length}`);
      back.setAttribute("aria-disabled", at === 0);
      next.setAttribute("aria-disabled", at === frames.length - 1);
      if (at !== before) said.textContent = frames[at].querySelector("figcaption").textContent;
    }

    function key(event) {
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: frames.length - 1 }[event.key];
      if (to === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault(); // the page must not scroll,
      event.stopPropagation(); // nor the notebook go to another cell
      show(to);
    }

    function hover() { // takes the arrow keys from the page or from another slider, never from where someone writes
      const active = document.activeElement;
      const free = !active || active === document.body || active.closest(".tmr-steps");
      if (free && !root.contains(active)) root.focus({ preventScroll: true });
    }

    back.addEventListener("click", () => show(at - 1));
    next.addEventListener("click", () => show(at + 1));
    range.addEventListener("input", () => show(Number(range.value) - 1));
    root.addEventListener("keydown", key);
    root.addEventListener("pointerenter", hover);
    root.tabIndex = 0;
    root.classList.add("tmr-live");
    show(0);
  }

  document.querySelectorAll(".tmr-steps:not(.tmr-live)").forEach((root) => {
    if (root.querySelectorAll("figure").length > 1) start(root);
  });
})();
