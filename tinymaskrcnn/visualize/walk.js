"use strict";
(() => {
  const root = document.documentElement, now = document.querySelector(".now");
  const cards = [...document.querySelectorAll("article")], parts = [...document.querySelectorAll("section.station, #turn")];
  const remembered = () => { try { return localStorage.getItem("mode"); } catch { return null; } };
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  const larger = document.getElementById("larger");
  const enlarge = () => {
    const on = document.body.classList.toggle("large");
    larger.setAttribute("aria-pressed", String(on));
  };
  larger.addEventListener("click", enlarge);

  const open = (element) => { for (let e = element; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true; };
  const go = (element) => { open(element); element.focus({ preventScroll: true }); element.scrollIntoView({ block: "start" }); };
  const reached = () => { const id = decodeURIComponent(location.hash.slice(1)), e = id && document.getElementById(id); if (e) open(e); };
  addEventListener("hashchange", reached);
  reached();

  const shown = (element) => element.getClientRects().length > 0;
  let current = -1;
  const look = () => {
    let at = -1, part = null;
    cards.forEach((card, k) => { if (shown(card) && card.getBoundingClientRect().top < 90) at = k; });
    parts.forEach((p) => { if (p.getBoundingClientRect().top < innerHeight / 2) part = p; });
    current = at;
    document.querySelectorAll(".rail li a").forEach((a) => {
      const on = Boolean(part) && a.getAttribute("href") === "#" + part.id;
      a.classList.toggle("at", on);
      if (on) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current");
    });
    now.replaceChildren();
    if (at < 0) { now.textContent = cards.length + " functions, from the picture down and up again"; return; }
    const name = document.createElement("b"), way = cards[at].classList.contains("backward") ? "↑" : "↓";
    name.textContent = way + " " + cards[at].querySelector("h3").textContent;
    now.append(name, "function " + (at + 1) + " of " + cards.length);
  };
  let due = false;
  const soon = () => { if (!due) { due = true; requestAnimationFrame(() => { due = false; look(); }); } };
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);
  look();

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const held = document.activeElement.closest("article"), place = held && held.getBoundingClientRect();
    const card = place && place.bottom > 0 && place.top < innerHeight ? held : cards[current];
    const visible = cards.filter(shown), here = visible.indexOf(card);
    if (event.key === "j" && visible[here + 1]) go(visible[here + 1]);
    else if (event.key === "k" && here > 0) go(visible[here - 1]);
    else if (event.key === "b") { const mirror = card && card.querySelector(".mirror"); if (mirror) go(document.querySelector(mirror.getAttribute("href"))); }
    else if (event.key === "z") enlarge();
    else return;
    event.preventDefault();
  });
})();
