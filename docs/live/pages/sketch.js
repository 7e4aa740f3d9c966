// The scene that is drawn, as Python reads it: digits of strokes or of the embedded set; and its link.

export const SIDE = 128, PEN = 0.075, MOST = 12; // PEN: half a stroke's width in heights of its digit, as in sketch.py

const turned = ({ angle }) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
const short = (value) => Math.round(1000 * value) / 1000;
export const held = (value, low, high) => Math.min(Math.max(value, low), high);

// A place of a digit, in pixels from its middle before it is turned  ->  its place in the picture
export function onPaper(digit, [u, v]) {
  const [c, s] = turned(digit);
  return [digit.x + c * u + s * v, digit.y + c * v - s * u];
}

export const strokesOf = (digit) => digit.strokes.map((stroke) => stroke.map((p) => onPaper(digit, p.map((value) => value * digit.size))));

export function ofStrokes(strokes) { // strokes in pixels  ->  a digit
  const [x1, y1, x2, y2] = [Math.min, Math.max].flatMap((most) => [0, 1].map((i) => most(...strokes.flat().map((p) => p[i]))));
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2], size = held(y2 - y1, Math.max(6, (x2 - x1) / 2), SIDE);
  const thin = (stroke) => stroke.filter((_, i) => i % Math.ceil(stroke.length / 120) === 0 || i === stroke.length - 1);
  const own = strokes.map((stroke) => thin(stroke).map((p) => [short((p[0] - x) / size), short((p[1] - y) / size)]));
  return { x: short(x), y: short(y), size: short(size), angle: 0, strokes: own };
}

function reach(digit) { // half its width and height, before it is turned
  if (!digit.strokes) return [0.4 * digit.size, 0.5 * digit.size];
  return [0, 1].map((i) => digit.size * (PEN + Math.max(...digit.strokes.flat().map((p) => Math.abs(p[i])))));
}

export function covers(digit, [x, y], room = 2) {
  const [c, s] = turned(digit), [dx, dy] = [x - digit.x, y - digit.y], [w, h] = reach(digit);
  return Math.abs(c * dx - s * dy) <= w + room && Math.abs(s * dx + c * dy) <= h + room;
}

export function handles(digit) { // its frame, and where it is resized and turned
  const [w, h] = reach(digit).map((half) => half + 2), at = (u, v) => onPaper(digit, [u, v]);
  return { corners: [at(-w, -h), at(w, -h), at(w, h), at(-w, h), at(-w, -h)], top: at(0, -h), size: at(w, h), angle: at(0, -h - 8) };
}

export function mostRoom(digits) { // the place that is farthest from all digits
  const spots = [24, 44, 64, 84, 104].flatMap((x) => [24, 44, 64, 84, 104].map((y) => [x, y]));
  const room = ([x, y]) => Math.min(200, ...digits.map((digit) => Math.hypot(digit.x - x, digit.y - y)));
  return spots.reduce((best, spot) => (room(spot) > room(best) ? spot : best));
}

export const toLink = (value) => `#scene=${btoa(JSON.stringify(value))}`;
