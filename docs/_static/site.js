// Pictures open at their full size: on a phone they are read by moving them about.
(function () {
  function enlarge(image) {
    const view = document.createElement("dialog");
    view.className = "tmr-large";
    view.setAttribute("aria-label", image.alt || "picture");
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    const room = document.createElement("div");
    room.tabIndex = 0;
    const copy = new Image();
    copy.src = image.src;
    copy.alt = image.alt;
    copy.style.minWidth = `${Math.max(image.naturalWidth, 2 * image.clientWidth)}px`;
    room.append(copy);
    view.append(close, room);
    close.addEventListener("click", () => view.close());
    view.addEventListener("click", (event) => event.target === view && view.close());
    view.addEventListener("close", () => view.remove());
    document.body.append(view);
    view.showModal();
  }

  function prepare() {
    const pictures = document.querySelectorAll("article .cell_output img:not(.tmr-still), article figure img, article p > img");
    pictures.forEach((image) => {
      if (image.closest("a, .tmr-steps, .tmr-large, .tmr-levels")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "tmr-enlarge";
      button.setAttribute("aria-label", `enlarge: ${image.alt || "picture"}`);
      image.replaceWith(button);
      button.append(image);
      button.addEventListener("click", () => enlarge(image));
    });
    document.querySelectorAll("article .tmr-steps").forEach((steps) => {
      steps.addEventListener("dblclick", (event) => event.target.tagName === "IMG" && enlarge(event.target));
    });
    document.querySelectorAll("article td").forEach((cell) => {
      const text = cell.textContent.trim();
      cell.classList.toggle("tmr-amount", text.length <= 14 && /\d/.test(text)); // "0.52 to 0.59", "343 ms"
    });
    document.querySelectorAll("div.cell_output pre, div.cell_input pre").forEach((block) => {
      if (block.scrollWidth > block.clientWidth) block.tabIndex = 0; // so that the keyboard can scroll it
    });
  }

  addEventListener("beforeprint", () => document.querySelectorAll("details.tmr-answer").forEach((one) => (one.open = true)));
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", prepare);
  else prepare();
})();
