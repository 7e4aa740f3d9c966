/* Greedy non-maximum suppression of a few boxes: those of a group lie side by side, best first. */

/* How far [a0, a1] and [b0, b1] overlap. */
INLINE float NAME(shared)(float a0, float a1, float b0, float b1) {
  float length = (a1 < b1 ? a1 : b1) - (a0 > b0 ? a0 : b0);
  return length > 0 ? length : 0;
}

/* kept[i]: whether no kept box before it in its group overlaps it by more than the threshold. Products that have two
   uses are rounded before they are added to anything, as NumPy's are. */
EXPORT void NAME(nms)(int64_t *kept, float *areas, const float *boxes, const int64_t *group, const float *threshold,
                      int64_t count) {
  for (int64_t i = 0, first = 0; i < count; i++) {
    const float *a = boxes + 4 * i;
    if (i && group[i] != group[i - 1]) first = i;
    areas[i] = NAME(shared)(a[0], a[2], a[0], a[2]) * NAME(shared)(a[1], a[3], a[1], a[3]);
    kept[i] = 1;
    for (int64_t j = first; j < i && kept[i]; j++) {
      const float *b = boxes + 4 * j;
      float width = NAME(shared)(a[0], a[2], b[0], b[2]), height = NAME(shared)(a[1], a[3], b[1], b[3]);
      if (!kept[j] || width == 0 || height == 0) continue;
      float both = width * height, either = areas[i] + areas[j] - both;
      if (both / (either > 0 ? either : 1) > *threshold) kept[i] = 0;
    }
  }
}
