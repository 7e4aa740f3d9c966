/* The gradient for the weights of a correlation (correlate.h), and for its bias:

   dw[t, c, o] += sum over pixels of x[pixel's window + taps[t] + c] * dy[pixel, o],   dbias[o] += sum of dy[pixel, o]

   Some pixels of dy at a time are laid side by side, so that they stay in the nearest cache while all of dw passes. */

#define PIXELS 64
#define DEPTH 8 /* rows of dw at a time, where a row is one vector wide */

/* `depth` rows of dw, beginning with a stretch's float c, by n vectors of channels. */
INLINE void NAME(outer)(int depth, int n, float *const *dw, const int64_t *offset, const float *x, const int64_t *in,
                        const float *dy, int64_t step, int pixels, int64_t floats) {
  vec sum[DEPTH][PANEL];
  UNROLL for (int k = 0; k < depth; k++)
    UNROLL for (int v = 0; v < n; v++) sum[k][v] = NAME(load)(dw[k] + v * LANES, floats - v * LANES);
  for (int r = 0; r < pixels; r++, dy += step) {
    const float *from = x + in[r];
    vec d[PANEL];
    UNROLL for (int v = 0; v < n; v++) d[v] = *(const vec *)(dy + v * LANES);
    UNROLL for (int k = 0; k < depth; k++) {
      float factor = from[offset[k]];
      UNROLL for (int v = 0; v < n; v++) sum[k][v] += factor * d[v];
    }
  }
  UNROLL for (int k = 0; k < depth; k++)
    UNROLL for (int v = 0; v < n; v++) NAME(store)(dw[k] + v * LANES, sum[k][v], floats - v * LANES);
}

/* All rows of dw, as many at a time as registers hold sums for. */
INLINE void NAME(outers)(int n, float *dw, int64_t outs, const float *x, const int64_t *taps, int64_t count,
                         int64_t run, const int64_t *in, const float *dy, int64_t step, int pixels, int64_t floats) {
  const int depth = n == 1 || (n == 2 && PANEL > 2) ? DEPTH : n == 4 ? 4 : 6;
  int64_t all = count * run, offset[DEPTH];
  float *to[DEPTH];
  int64_t t = 0, c = 0;
  for (int64_t k = 0; k < all;) {
    int some = all - k < depth ? 1 : depth;
    UNROLL for (int i = 0; i < depth && i < some; i++) {
      offset[i] = taps[t] + c;
      to[i] = dw + (k + i) * outs;
      if (++c == run) c = 0, t++;
    }
    some == depth ? NAME(outer)(depth, n, to, offset, x, in, dy, step, pixels, floats)
                  : NAME(outer)(1, n, to, offset, x, in, dy, step, pixels, floats);
    k += some;
  }
}

/* Some pixels of one panel: added to dbias, laid side by side unless they lie so already, and multiplied. */
static TARGET void NAME(some_pixels)(float *dw, float *dbias, const float *x, const float *dy, const int64_t *in,
                              const int64_t *out, int pixels, int64_t n, int64_t floats, const int64_t *taps,
                              const struct correlation *s) {
  float side_by_side[PIXELS * PANEL * LANES];
  int in_place = s->height == 1 && s->images == 1 && floats >= n * LANES;
  for (int64_t v = 0; v < n && (dbias || !in_place); v++) {
    vec sum = {0};
    for (int r = 0; r < pixels; r++) {
      vec d = NAME(load)(dy + out[r] + v * LANES, floats - v * LANES);
      *(vec *)(side_by_side + (r * n + v) * LANES) = d;
      sum += d;
    }
    if (dbias) {
      sum += NAME(load)(dbias + v * LANES, floats - v * LANES);
      NAME(store)(dbias + v * LANES, sum, floats - v * LANES);
    }
  }
  const float *from = in_place ? dy + out[0] : side_by_side;
  int64_t step = in_place ? s->out_pixel : n * LANES;
  IN_VECTORS(outers, dw, s->outs, x, taps, s->taps, s->run, in, from, step, pixels, floats);
}

EXPORT void NAME(weight_gradient)(float *dw, float *dbias, const float *x, const float *dy, const int64_t *taps,
                                  const struct correlation *s) {
  for (int64_t first = 0; first < s->outs; first += PANEL * LANES) {
    int64_t floats = s->outs - first, n = floats > PANEL * LANES ? PANEL : (floats + LANES - 1) / LANES;
    int64_t in[PIXELS], out[PIXELS];
    struct NAME(place) at = {0};
    for (int real; (real = NAME(pixels)(in, out, PIXELS, s, &at));)
      NAME(some_pixels)(dw + first, dbias ? dbias + first : 0, x, dy + first, in, out, real, n, floats, taps, s);
  }
}
