// The operators of tinymaskrcnn/ops, line by line: the same operations in the same order, so that the numbers are the same.
const maths = {
  // A box is [x1, y1, x2, y2]. Swapped corners give no area.
  area: ([x1, y1, x2, y2]) => Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0),

  shared: (a, b) => [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])],

  // ops/boxes.py: iou_matrix
  iou(a, b) {
    const intersection = maths.area(maths.shared(a, b));
    const union = maths.area(a) + maths.area(b) - intersection;
    return { intersection, union, iou: intersection / (union > 0 ? union : 1) };
  },

  // The same in float32, as a network's boxes are compared: rounded after every operation.
  iou32(a, b) {
    const f = Math.fround;
    const area = (c) => f(f(Math.max(f(c[2] - c[0]), 0)) * f(Math.max(f(c[3] - c[1]), 0)));
    const intersection = area(maths.shared(a, b));
    const union = f(f(area(a) + area(b)) - intersection);
    return f(intersection / (union > 0 ? union : 1));
  },

  // ops/nms.py: for every box the one that suppresses it and their IoU, or -1 and 0 when it is kept
  nms(boxes, scores, threshold) {
    const limit = Math.fround(threshold), by = boxes.map(() => -1), how = boxes.map(() => 0);
    const order = scores.map((_, k) => k).sort((a, b) => scores[b] - scores[a] || a - b); // best first; ties by row
    order.forEach((k, place) => {
      if (by[k] >= 0) return; // who is suppressed suppresses nobody
      for (const q of order.slice(place + 1)) {
        const iou = maths.iou32(boxes[k], boxes[q]);
        if (by[q] < 0 && iou > limit) [by[q], how[q]] = [k, iou];
      }
    });
    return { by, how };
  },

  // Halves go away from zero, as in ops/roi_pool.py.
  nearest(x) {
    const whole = Math.trunc(x);
    return whole + Math.sign(x) * (Math.abs(x - whole) >= 0.5 ? 1 : 0);
  },

  // ops/roi_pool.py: the first cell of each bin and the one after its last, along one axis
  poolBins(start, end, bins, length) {
    const first = maths.nearest(start), size = Math.max(maths.nearest(end) - first + 1, 1);
    const clip = (x) => Math.min(Math.max(x, 0), length);
    return Array.from({ length: bins }, (_, b) =>
      [clip(first + Math.floor((b * size) / bins)), clip(first + Math.ceil(((b + 1) * size) / bins))]);
  },

  // What each of the others reads along one axis: for every bin a list of [cell, weight].
  // ops/roi_warp.py: one point, at the first corner of each bin
  warpTaps(start, end, bins, length) {
    const from = start - 0.5, size = end - 0.5 - from;
    return Array.from({ length: bins }, (_, b) => maths.hat(from + (b / bins) * size, length));
  },
  hat(position, length) { // beyond the middle of the last cell the map falls to 0 within one cell
    const low = Math.floor(position), share = position - low;
    return [[low, 1 - share], [low + 1, share]].filter(([cell, w]) => cell >= 0 && cell < length && w > 0);
  },

  // ops/roi_samples.py: a few points in each bin; up to one cell outside they read the border, farther out nothing
  alignPoints(start, end, bins, samples) {
    return Array.from({ length: bins }, (_, b) => Array.from({ length: samples }, (_, p) =>
      start - 0.5 + ((b + (p + 0.5) / samples) / bins) * (end - start)));
  },
  alignTaps(start, end, bins, length, samples) {
    return maths.alignPoints(start, end, bins, samples).map((points) => points.flatMap((at) => {
      if (!(at >= -1 && at <= length)) return [];
      const inside = Math.min(Math.max(at, 0), length - 1), low = Math.floor(inside), share = inside - low;
      const taps = [[low, (1 - share) / samples], [Math.min(low + 1, length - 1), share / samples]];
      return taps.filter(([, w]) => w > 0);
    }));
  },

  // ops/prroi_pool.py: the mean of the line between the cells' middles over the whole bin, piece by piece
  preciseTaps(start, end, bins, length) {
    const from = start - 0.5, to = end - 0.5, edge = (b) => from + (b / bins) * (to - from);
    return Array.from({ length: bins }, (_, b) => {
      const low = edge(b), high = edge(b + 1), taps = [];
      if (!(high > low)) return taps;
      const reach = (x) => Math.min(Math.max(x, -1), length);
      for (let cell = Math.floor(reach(low)); cell < reach(high); cell++) {
        const begin = Math.max(reach(low) - cell, 0), stop = Math.min(reach(high) - cell, 1);
        const part = Math.max(stop - begin, 0) / (high - low), middle = (begin + stop) / 2;
        taps.push([cell, part * (1 - middle)], [cell + 1, part * middle]);
      }
      return taps.filter(([at, w]) => at >= 0 && at < length && w > 0);
    });
  },

  // One RoI under one operator: the crop, and for every bin what it reads: [[row, column, weight], ...]
  crop(name, map, roi, bins, samples) {
    const height = map.length, width = map[0].length, [x1, y1, x2, y2] = roi;
    if (name === "RoIPool") return maths.largest(map, maths.poolBins(y1, y2, bins, height), maths.poolBins(x1, x2, bins, width));
    const taps = { RoIWarp: maths.warpTaps, RoIAlign: maths.alignTaps, PrRoIPool: maths.preciseTaps }[name];
    const rows = taps(y1, y2, bins, height, samples), columns = taps(x1, x2, bins, width, samples);
    const reads = rows.map((row) => columns.map((column) =>
      row.flatMap(([y, wy]) => column.map(([x, wx]) => [y, x, wy * wx]))));
    return { reads, crop: reads.map((row) => row.map((bin) => bin.reduce((sum, [y, x, w]) => sum + w * map[y][x], 0))) };
  },

  // The largest value of each bin; of equal ones the first. Empty bins are 0.
  largest(map, rows, columns) {
    const reads = rows.map(([top, bottom]) => columns.map(([left, right]) => {
      let best = null;
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) if (!best || map[y][x] > map[best[0]][best[1]]) best = [y, x, 1];
      return best ? [best] : [];
    }));
    return { reads, crop: reads.map((row) => row.map((bin) => (bin.length ? map[bin[0][0]][bin[0][1]] : 0))), rows, columns };
  },

  // Where a bin reads on the average, in cells from the map's corner, or null where it reads nothing.
  placeRead(name, result, i, j) {
    if (name === "RoIPool") {
      const [top, bottom] = result.rows[i], [left, right] = result.columns[j];
      return top < bottom && left < right ? [(left + right) / 2, (top + bottom) / 2] : null;
    }
    let x = 0, y = 0, sum = 0;
    for (const [row, column, w] of result.reads[i][j]) [x, y, sum] = [x + w * (column + 0.5), y + w * (row + 0.5), sum + w];
    return sum > 0 ? [x / sum, y / sum] : null;
  },
};
