/* The film of the first page can be stopped; for those who want no motion it stands still from the beginning. */
document.addEventListener("DOMContentLoaded", () => {
  const film = document.querySelector("img.tmr-film");
  if (!film) return;
  const moving = film.src, still = `${document.documentElement.dataset.content_root}_static/film.png`;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tmr-pause";
  const show = (runs) => {
    film.src = runs ? moving : still;
    button.textContent = runs ? "Stop the film" : "Play the film";
  };
  button.addEventListener("click", () => show(film.src !== moving));
  film.insertAdjacentElement("afterend", button);
  show(!matchMedia("(prefers-reduced-motion: reduce)").matches);
});
