// What can be said of any page by looking at it: each function returns a list of complaints.
({
  // Nothing reaches beyond the right edge, so nobody scrolls sideways; what scrolls within itself does not count.
  overflow() {
    const width = document.documentElement.clientWidth, found = [];
    if (document.documentElement.scrollWidth <= width) return found;
    for (const element of document.body.querySelectorAll("*")) {
      const { right, width: own } = element.getBoundingClientRect();
      if (right > width + 1 && own > 0 && getComputedStyle(element).position !== "fixed") found.push(`${element.tagName} ${element.className} ends at ${Math.round(right)}`);
    }
    return [`the page is ${document.documentElement.scrollWidth} wide on ${width}`, ...found.slice(-3)];
  },

  // Code that is read has its whole width.
  sideways(selector) {
    return [...document.querySelectorAll(selector)].filter((e) => e.scrollWidth > e.clientWidth + 1 && e.offsetParent)
      .map((e) => `${e.scrollWidth} in ${e.clientWidth}: ${e.textContent.trim().split("\n").reduce((a, b) => (b.length > a.length ? b : a)).slice(0, 110)}`);
  },

  // Nothing that takes room is invisible, unless something that is seen lies in the same place.
  unseen() {
    const media = [...document.querySelectorAll("article :is(img, svg, canvas)")].map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.width > 24 && box.height > 24);
    const hidden = ([e]) => getComputedStyle(e).visibility === "hidden", seen = media.filter((one) => !hidden(one));
    const over = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
    return media.filter(hidden).filter(([, box]) => !seen.some(([, other]) => over(box, other) > 0.5 * box.width * box.height))
      .map(([e, box]) => `${Math.round(box.width)}x${Math.round(box.height)} pixels are left empty: ${e.outerHTML.slice(0, 100)}`);
  },

  // No word ends beyond the right edge, where it cannot be scrolled to.
  cut() {
    const width = document.documentElement.clientWidth, found = new Set(), walk = document.createTreeWalker(document.querySelector("article") ?? document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
    const scrolls = (e) => e && e.tagName !== "ARTICLE" && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    while (walk.nextNode()) {
      const e = walk.currentNode.parentElement;
      if (!walk.currentNode.data.trim() || !e.getClientRects().length || e.closest("mjx-container, svg, script, style")) continue;
      range.selectNodeContents(walk.currentNode);
      if ([...range.getClientRects()].some((box) => box.width > 1 && box.right > width + 1) && !scrolls(e)) found.add(`“${walk.currentNode.data.trim().slice(0, 60)}” is cut at ${width}`);
    }
    return [...found];
  },

  // A number and its unit stand on one line of a table.
  broken() {
    const amount = /^[\d.,]+(?: (?:ms|us|s|min|MB|kB|GB|%)| to [\d.,]+)$/;
    return [...document.querySelectorAll("article td")].filter((cell) => amount.test(cell.innerText.trim().replace(/\s+/g, " "))).filter((cell) => {
      const lines = new Set(), words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange();
      while (words.nextNode()) {
        range.selectNodeContents(words.currentNode);
        for (const box of range.getClientRects()) if (box.width) lines.add(Math.round(box.bottom / 6));
      }
      return lines.size > 1;
    }).map((cell) => `“${cell.innerText.trim()}” stands on two lines`);
  },

  // Every picture says what it shows; a decoration says "".
  alternatives() {
    const hash = /^([0-9a-f]{16,}|\S+\.(png|svg|jpe?g|gif))$|[0-9a-f]{32}/;
    return [...document.querySelectorAll("img")].map((img) => [img, img.getAttribute("alt")])
      .filter(([img, alt]) => alt === null || hash.test(alt.split("/").pop()))
      .map(([img, alt]) => `${img.src.slice(0, 80)} has the alternative text ${alt}`);
  },

  // Whatever can be pressed, moved or entered has a name, and roles are roles.
  names() {
    const controls = "button, a[href], input:not([type=hidden]), select, textarea, summary, [role=button], [role=slider], [tabindex='0'][role]";
    const text = (e) => [...e.childNodes].map((n) => (n.nodeType === 3 ? n.data : n.nodeType === 1 ? (n.tagName === "IMG" ? n.alt : n.getAttribute("aria-label") || text(n)) : "")).join("");
    const labelled = (e) => (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent || "").join("");
    const name = (e) => e.getAttribute("aria-label") || labelled(e) || text(e) || [...(e.labels || [])].map((l) => l.textContent).join("") || e.getAttribute("title") || (e.type === "submit" ? e.value : "") || e.getAttribute("placeholder") || "";
    const roles = new Set("alert application article banner button cell checkbox columnheader combobox complementary contentinfo dialog document feed figure form grid gridcell group heading img link list listbox listitem main math menu menubar menuitem navigation none note option presentation progressbar radio radiogroup region row rowgroup rowheader search searchbox separator slider spinbutton status switch tab table tablist tabpanel term textbox timer toolbar tooltip tree treegrid treeitem".split(" "));
    const seen = (e) => e.getClientRects().length && getComputedStyle(e).visibility !== "hidden";
    const nameless = [...document.querySelectorAll(controls)].filter((e) => seen(e) && !name(e).trim()).map((e) => `no name: ${e.outerHTML.slice(0, 120)}`);
    const strange = [...document.querySelectorAll("[role]")].filter((e) => !roles.has(e.getAttribute("role"))).map((e) => `no such role: ${e.getAttribute("role")}`);
    const pictures = [...document.querySelectorAll("svg[role=img]:not([aria-hidden=true])")].filter((e) => !name(e).trim() && !e.querySelector("title")).map((e) => `a drawing without a name: ${e.outerHTML.slice(0, 120)}`);
    return [...nameless, ...strange, ...pictures];
  },

  // Words stand out from what is behind them by 4.5, large ones by 3 (WCAG 2, relative luminance).
  contrast(root = "body") {
    const channels = (color) => { const found = color.match(/[\d.]+/g).map(Number); if (color.startsWith("color(srgb")) for (const k of [0, 1, 2]) found[k] *= 255; return found.length < 4 ? [...found.slice(0, 3), 1] : found; };
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
    const over = (top, below) => [0, 1, 2].map((k) => top[3] * top[k] + (1 - top[3]) * below[k]);
    const page = matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark") ? [18, 18, 18] : [255, 255, 255];
    const known = new Map([[null, { below: page, opacity: 1 }]]); // of an element: many words stand in one
    const around = (e) => { // what is behind it, null where a picture is, and how opaque it is; from the page up
      if (!known.has(e)) {
        const style = getComputedStyle(e), { below, opacity } = around(e.parentElement);
        known.set(e, { below: below && style.backgroundImage === "none" ? over(channels(style.backgroundColor), below) : null, opacity: opacity * Number(style.opacity) });
      }
      return known.get(e);
    };
    const found = new Map();
    const walk = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const e = walk.currentNode.parentElement;
      if (!walk.currentNode.data.trim() || !e.getClientRects().length || e.closest("script, style, option, svg, mjx-container, [aria-disabled=true], :disabled")) continue;
      const style = getComputedStyle(e), { below, opacity } = around(e);
      if (!below || !opacity || style.visibility === "hidden" || e.getBoundingClientRect().width <= 1) continue;
      const ink = channels(style.color);
      const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * opacity], below)), light(below)].sort((x, y) => y - x);
      const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < (large ? 3 : 4.5) - 0.005) found.set(`${ratio.toFixed(2)} ${style.color} on ${below.map(Math.round)}: ${e.tagName}.${e.className} “${walk.currentNode.data.trim().slice(0, 30)}”`, 1);
    }
    return [...found.keys()];
  },
})
