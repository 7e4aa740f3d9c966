/* Greedy non-maximum suppression of a few boxes: those of a group lie side by side, best first. */

/* Of each pair of numbers the larger one, times `sign`: 1 or -1. */
INLINE vec NAME(larger)(vec a, vec b, float sign) {
  lanes first = sign * a > sign * b;
  return (vec)(((lanes)a & first) | ((lanes)b & ~first));
}

/* How far [a0, a1] and [b0, b1] overlap. */
INLINE vec NAME(shared)(vec a0, vec a1, vec b0, vec b1) {
  return NAME(larger)(NAME(larger)(a1, b1, -1) - NAME(larger)(a0, b0, 1), (vec){0}, 1);
}

/* kept[i]: whether no kept box before it in its group overlaps it by more than the threshold. Kept ones are gathered in
   five `rows`, corners and area. A product that has two uses is rounded before it is added to anything, as NumPy's. */
EXPORT void NAME(nms)(int64_t *kept, float *rows, const float *boxes, const int64_t *group, const float *threshold,
                      int64_t count, int64_t apart) {
  for (int64_t i = 0, many = 0; i < count; i++, boxes += 4) {
    if (i && group[i] != group[i - 1]) many = 0;
    vec box[5];
    for (int k = 0; k < 4; k++) box[k] = (vec){0} + boxes[k];
    box[4] = NAME(shared)(box[0], box[2], box[0], box[2]) * NAME(shared)(box[1], box[3], box[1], box[3]);
    lanes clash = {0};
    for (float *b = rows; b < rows + many; b += LANES) {
      vec width = NAME(shared)(box[0], box[2], *(vec *)b, *(vec *)(b + 2 * apart));
      vec both = width * NAME(shared)(box[1], box[3], *(vec *)(b + apart), *(vec *)(b + 3 * apart));
      vec either = box[4] + *(vec *)(b + 4 * apart) - both;
      clash |= both / NAME(larger)(either, (vec){0} + 1e-45f, 1) > *threshold; /* two empty boxes: 0 / tiny */
    }
    kept[i] = 1;
    for (int l = 0; l < LANES; l++) kept[i] &= !clash[l];
    for (int k = 0; k < 5 && kept[i]; k++) {
      if (many % LANES == 0) *(vec *)(rows + k * apart + many) = (vec){0}; /* an empty box overlaps nothing */
      rows[k * apart + many] = box[k][0];
    }
    many += kept[i];
  }
}
