/* RoIAlign: what each bin reads of its map, and the way back (see ../roi_align.py). */

#define TAPS 8  /* pixels along one axis that a bin reads: two for each of at most 4 samples */
#define BINS 64 /* of a RoI along one axis, at most */

struct NAME(taps) {
  int64_t count, pixel[TAPS];
  float weight[TAPS];
};

/* Along one axis of `length` pixels, for one bin: each pixel once, and none with weight 0. What is not a number lies
   outside, and is compared without a report. */
INLINE struct NAME(taps) NAME(taps_of)(float start, float end, int64_t bin, int64_t bins, int64_t length,
                                       const struct crops *s) {
  struct NAME(taps) t = {0};
  float size = s->aligned || __builtin_isgreater(end - start, 1) ? end - start : 1, origin = s->aligned ? 0.5f : 0;
  for (int64_t sample = 0; sample < s->samples; sample++) {
    float at = (start - origin) + ((float)bin + ((float)sample + 0.5f) / (float)s->samples) / (float)bins * size;
    if (!__builtin_isgreaterequal(at, -1) || !__builtin_islessequal(at, (float)length)) continue;
    at = at < 0 ? 0 : at > (float)(length - 1) ? (float)(length - 1) : at;
    int64_t low = (int64_t)at;
    float share = at - (float)low, weight[2] = {(1 - share) / (float)s->samples, share / (float)s->samples};
    for (int side = 0; side < 2; side++) {
      int64_t i = 0;
      while (i < t.count && t.pixel[i] != low + side) i++;
      if (i == t.count && weight[side] > 0) t.pixel[t.count++] = low + side;
      if (i < t.count) t.weight[i] += weight[side];
    }
  }
  return t;
}

/* n vectors of one bin: from the pixels that it reads, or back to them. */
INLINE void NAME(bin)(int back, int n, float *crop, float *map, int64_t row, int64_t C, const struct NAME(taps) *down,
                      const struct NAME(taps) *across, int64_t left) {
  vec sum[PANEL];
  UNROLL for (int v = 0; v < n; v++) sum[v] = back ? NAME(load)(crop + v * LANES, left - v * LANES) : (vec){0};
  for (int64_t a = 0; a < down->count; a++)
    for (int64_t b = 0; b < across->count; b++) {
      float *pixel = map + down->pixel[a] * row + across->pixel[b] * C, weight = down->weight[a] * across->weight[b];
      UNROLL for (int v = 0; v < n; v++) {
        vec there = NAME(load)(pixel + v * LANES, left - v * LANES);
        if (back) NAME(store)(pixel + v * LANES, there + weight * sum[v], left - v * LANES);
        else sum[v] += weight * there;
      }
    }
  UNROLL for (int v = 0; v < n && !back; v++) NAME(store)(crop + v * LANES, sum[v], left - v * LANES);
}

/* Some of the RoIs (corners, image, level), by their numbers: crops (K, rows, columns, C) from levels, or back. */
EXPORT void NAME(roi_align)(int back, float *crops, const int64_t *numbers, const float *rois, const int64_t *image,
                            const int64_t *level, const struct level *levels, const float *scales,
                            const struct crops *s) {
  const int64_t C = s->channels, wide = PANEL * LANES;
  for (int64_t k = 0; k < s->count; k++) {
    const float *roi = rois + 4 * numbers[k], scale = scales[level[numbers[k]]];
    const struct level *l = levels + level[numbers[k]];
    float *map = l->pixels + image[numbers[k]] * l->image, *crop = crops + numbers[k] * s->rows * s->columns * C;
    struct NAME(taps) across[BINS];
    for (int64_t j = 0; j < s->columns; j++)
      across[j] = NAME(taps_of)(roi[0] * scale, roi[2] * scale, j, s->columns, l->width, s);
    for (int64_t i = 0; i < s->rows; i++) {
      struct NAME(taps) down = NAME(taps_of)(roi[1] * scale, roi[3] * scale, i, s->rows, l->height, s);
      for (int64_t j = 0; j < s->columns; j++, crop += C)
        for (int64_t c = 0; c < C; c += C - c >= wide ? wide : LANES)
          C - c >= wide ? NAME(bin)(back, PANEL, crop + c, map + c, l->width * C, C, &down, across + j, wide)
                        : NAME(bin)(back, 1, crop + c, map + c, l->width * C, C, &down, across + j, C - c);
    }
  }
}
