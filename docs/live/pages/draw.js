// Drawing on canvases in pixels of a picture, whatever size they have on the screen: pictures, maps, boxes, curves.

export const INKS = ["#56B4E9", "#E69F00", "#00B386", "#CC79A7", "#F0E442", "#7FB2FF", "#FF8A4C", "#9D9DFF", "#E06CC4", "#B5B54A"];
const RAMP = [[8, 8, 16], [58, 20, 106], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
const KINDS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

// {shape, type, data: base64} of Python's `plain`  ->  {shape, values}
export function array({ shape, type, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return { shape, values: new KINDS[type](bytes.buffer) };
}

export const rows = ({ shape: [count, width], values }) => Array.from({ length: count }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);
export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
export const grey = (value) => [value, value, value, 255];

export function warm(share) { // 0..1  ->  a colour from night to flame
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2);
  return [...RAMP[low].map((c, i) => c + (at - low) * (RAMP[low + 1][i] - c)), 255];
}

// A picture of width x height cells, each coloured by color(value, place).
export function bitmap(values, width, height, color) {
  const cells = new ImageData(width, height), canvas = Object.assign(document.createElement("canvas"), { width, height });
  for (let i = 0; i < width * height; i++) cells.data.set(color(values[i], i), 4 * i);
  canvas.getContext("2d").putImageData(cells, 0, 0);
  return canvas;
}

// Lets paint(context, pixel) draw the window [x, y, width, height] of a picture; pixel: what one of CSS is there.
export function on(canvas, [x, y, width, height], paint) {
  const { clientWidth: wide, clientHeight: high } = canvas, fine = window.devicePixelRatio || 1;
  if (!wide || !high) return;
  const context = canvas.getContext("2d"), [across, down] = [Math.round(wide * fine) / width, Math.round(high * fine) / height];
  if (canvas.width !== Math.round(wide * fine) || canvas.height !== Math.round(high * fine)) Object.assign(canvas, { width: Math.round(wide * fine), height: Math.round(high * fine) });
  context.resetTransform();
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(across, 0, 0, down, -x * across, -y * down);
  Object.assign(context, { globalAlpha: 1, imageSmoothingEnabled: false, lineJoin: "round", lineCap: "round" });
  paint(context, width / wide);
}

export function line(context, points, color, width, dash = []) {
  Object.assign(context, { strokeStyle: color, lineWidth: width });
  context.setLineDash(dash);
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (points.length === 1) context.lineTo(points[0][0], points[0][1] + 0.01);
  context.stroke();
}

export function frame(context, [x1, y1, x2, y2], color, width, dash) {
  line(context, [[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]], color, width, dash);
}

export function dot(context, [x, y], color, radius) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

// Words on the upper edge of a box, within a picture that is `side` wide.
export function tag(context, [x1, y1], words, color, pixel, side) {
  context.font = `600 ${13 * pixel}px system-ui, sans-serif`;
  const width = context.measureText(words).width + 8 * pixel, height = 18 * pixel;
  const x = Math.max(0, Math.min(x1 - pixel, side - width)), y = Math.max(0, y1 - height);
  context.fillStyle = color;
  context.fillRect(x, y, width, height);
  context.fillStyle = "#0b0d10";
  context.fillText(words, x + 4 * pixel, y + 13.5 * pixel);
}

export function arrow(context, [x, y], [dx, dy], color, pixel) {
  const length = Math.hypot(dx, dy) || 1, tip = [x + dx, y + dy], [u, v] = [7 * pixel * dx / length, 7 * pixel * dy / length];
  line(context, [[x, y], tip], color, 3 * pixel);
  line(context, [[tip[0] - u + 0.6 * v, tip[1] - v - 0.6 * u], tip, [tip[0] - u - 0.6 * v, tip[1] - v + 0.6 * u]], color, 3 * pixel);
}

// Numbers as a line from left to right, up to `total` of them; the first and the last in words.
export function curve(canvas, values, total) {
  const { clientWidth: wide, clientHeight: high } = canvas, color = "#d55e00";
  on(canvas, [0, 0, wide, high], (context) => {
    if (!values.length) return;
    const most = Math.max(...values, 1e-9), last = `now ${values.at(-1).toFixed(2)}`;
    const points = values.map((value, i) => [12 + (i / Math.max(total - 1, 1)) * (wide - 24), high - 10 - (value / most) * (high - 34)]);
    line(context, points, color, 2.5);
    dot(context, points.at(-1), color, 4);
    Object.assign(context, { fillStyle: getComputedStyle(canvas).color, font: "12.5px system-ui, sans-serif" });
    context.fillText(`loss ${values[0].toFixed(2)}`, 10, 16);
    context.fillText(last, wide - 10 - context.measureText(last).width, 16);
  });
}
