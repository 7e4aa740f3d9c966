// Canvases in pixels of a picture, whatever size they have on the screen: what is drawn on them, and hands on them.

export const INKS = ["#56B4E9", "#E69F00", "#00B386", "#CC79A7", "#F0E442", "#7FB2FF", "#FF8A4C", "#9D9DFF", "#E06CC4", "#B5B54A"];
const RAMP = [[8, 8, 16], [58, 20, 106], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KINDS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

// {shape, type, data: base64} of Python's `plain`  ->  {shape, values}
function array({ shape, type, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return { shape, values: new KINDS[type](bytes.buffer) };
}

export function rows(plain) { // of an array of two dimensions
  const { shape: [count, width], values } = array(plain);
  return Array.from({ length: count }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);
}

export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
export const grey = (value) => [value, value, value, 255];

export function warm(share) { // 0..1  ->  a colour from night to flame
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2);
  return [...RAMP[low].map((c, i) => c + (at - low) * (RAMP[low + 1][i] - c)), 255];
}

// A picture of an array's cells, each coloured by color(value).
export function bitmap(plain, color) {
  const { shape: [height, width], values } = array(plain);
  const cells = new ImageData(width, height), canvas = Object.assign(document.createElement("canvas"), { width, height });
  values.forEach((value, i) => cells.data.set(color(value), 4 * i));
  canvas.getContext("2d").putImageData(cells, 0, 0);
  return canvas;
}

// Lets paint(context, pixel) draw the window [x, y, width, height] of a picture; pixel: what one of CSS is there.
export function on(canvas, [x, y, width, height], paint) {
  const { clientWidth: wide, clientHeight: high } = canvas, fine = window.devicePixelRatio || 1;
  if (!wide || !high) return;
  const size = { width: Math.round(wide * fine), height: Math.round(high * fine) };
  if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
  const context = canvas.getContext("2d"), [across, down] = [size.width / width, size.height / height];
  context.setTransform(across, 0, 0, down, -x * across, -y * down);
  context.clearRect(x, y, width, height);
  Object.assign(context, { globalAlpha: 1, imageSmoothingEnabled: false, lineJoin: "round", lineCap: "round" });
  paint(context, width / wide);
}

// Lets an array fill a canvas, and paint(context, pixel) draw over it in pixels of its cells.
export function show(canvas, plain, color, paint = () => {}) {
  const picture = bitmap(plain, color);
  on(canvas, [0, 0, picture.width, picture.height], (context, pixel) => {
    context.drawImage(picture, 0, 0);
    paint(context, pixel);
  });
}

export function line(context, points, color, width, dash = []) {
  Object.assign(context, { strokeStyle: color, lineWidth: width });
  context.setLineDash(dash);
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (points.length === 1) context.lineTo(points[0][0], points[0][1] + 0.01);
  context.stroke();
}

export const frame = (context, [x1, y1, x2, y2], color, width, dash) =>
  line(context, [[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]], color, width, dash);

export const dot = (context, at, color, radius) => line(context, [at], color, 2 * radius);

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

// Frames of detections with their names, in a picture that is `side` wide; width(place): of a frame.
export function labelled(context, detections, pixel, side, width) {
  detections.forEach(({ box, name }, i) => frame(context, box, INKS[name], width(i) * pixel));
  detections.forEach(({ box, name, tag: words }) => tag(context, box, words, INKS[name], pixel, side));
}

// What a hand does on a canvas, in pixels of a picture that is `side` wide: press([x, y], event), drag([x, y]), release().
// And a key: key(event, [dx, dy] of an arrow) is false where it was none of the canvas.
export function hand(canvas, side, { press, drag, release = () => {}, key }) {
  const spot = ({ offsetX, offsetY }) => [(offsetX * side) / canvas.clientWidth, (offsetY * side) / canvas.clientHeight];
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    press(spot(event), event);
  };
  canvas.onpointermove = (event) => drag?.(spot(event));
  canvas.onpointerup = canvas.onpointercancel = release;
  canvas.onkeydown = (event) => key(event, ARROWS[event.key]) === false || event.preventDefault();
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
