/* Correlation without columns: every window reads some stretches of its input where they lie.

   y[pixel, o] = bias[o] + sum over taps t and c of x[pixel's window + taps[t] + c] * w[t, c, o]

   and, where inference asks for it, that sum times scale[o], plus `added`, which lies as y does, and rectified.

   This one sum is a convolution forward (a tap for each row of the kernel), its gradient for the input (taps in the
   gradient of the output, weights transposed), a 1x1 convolution or a linear layer (one tap), and a transposed convolution (one
   tap for each spot that a pixel paints). */

/* Weights (taps, run, O), given by their strides, in panels of PANEL vectors: (O / panel, taps * run, panel); the last
   panel is as narrow as it can be, and filled up with its last channel: zeros would make NaN of infinities. */
EXPORT void NAME(pack)(float *packed, const float *w, int64_t taps, int64_t run, int64_t outs, int64_t tap_stride,
                       int64_t run_stride, int64_t out_stride) {
  for (int64_t first = 0; first < outs; first += PANEL * LANES) {
    int64_t left = outs - first, width = left > PANEL * LANES ? PANEL * LANES : (left + LANES - 1) / LANES * LANES;
    int64_t real = left < width ? left : width;
    for (int64_t t = 0; t < taps; t++)
      for (int64_t c = 0; c < run; c++, packed += width) {
        const float *from = w + t * tap_stride + c * run_stride + first * out_stride;
        if (out_stride == 1) memcpy(packed, from, 4 * real);
        for (int64_t o = 0; o < real && out_stride != 1; o++) packed[o] = from[o * out_stride];
        for (int64_t o = real; o < width; o++) packed[o] = from[(real - 1) * out_stride];
      }
  }
}

INLINE void NAME(store)(float *y, vec v, int64_t floats) {
  if (floats >= LANES) *(vec *)y = v;
  else if (floats > 0) memcpy(y, &v, 4 * floats);
}

INLINE vec NAME(load)(const float *x, int64_t floats) {
  vec v = {0};
  if (floats >= LANES) return *(const vec *)x;
  if (floats > 0) memcpy(&v, x, 4 * floats);
  return v;
}

/* Numbers below zero become zero; what is not a number stays so. Bits are compared: a comparison of floats would report
   each NaN that passes as one made here. Read as integers, all from -0 to -infinity lie below the rest. */
INLINE vec NAME(rectify)(vec v) { return (vec)((lanes)v & (lanes)((lanes)v > (lanes){0} + (int32_t)0xff800000)); }

/* 1 for numbers above zero, 0 for others and for what is not a number. */
INLINE vec NAME(positive)(vec v) {
  const vec one = (vec){0} + 1;
  lanes bits = (lanes)v, infinity = (lanes){0} + 0x7f800000;
  return (vec)((lanes)one & (lanes)(bits > (lanes){0}) & (lanes)(bits <= infinity));
}

/* What becomes of the sum for out[0], channel o, before it is stored. */
INLINE vec NAME(finish)(vec y, const struct finish *f, const float *out, int64_t o, int64_t floats) {
  if (f->scale) y *= NAME(load)(f->scale + o, floats);
  if (f->bias) y += NAME(load)(f->bias + o, floats);
  if (f->added) y += NAME(load)(out + f->added, floats);
  return f->rectified ? NAME(rectify)(y) : y;
}

/* ROWS pixels times n vectors of channels; `real` pixels are stored, and `floats` of their channels. What will be needed
   is asked for in time: where the sums go, and, of what is seen for the first time and by one tap, the next pixels. */
INLINE void NAME(tile)(int n, float *y, const float *x, const int64_t *out, const int64_t *in, int real, const float *w,
                       const int64_t *taps, const struct correlation *s, const struct finish *f, int64_t first) {
  const int64_t run = s->run, next = s->in_panels ? n * LANES : s->outs, soon = s->taps == 1 && first == s->begin;
  vec sum[ROWS][PANEL];
  const float *p[ROWS];
  UNROLL for (int q = 0; q < ROWS; q++) {
    p[q] = x + in[q];
    UNROLL for (int v = 0; v < n; v++) {
      const float *to = y + out[q] + first + v * LANES;
      __builtin_prefetch(to, 1), __builtin_prefetch(to + f->added);
      sum[q][v] = (vec){0};
    }
  }
  for (int64_t t = 0; t < s->taps; t++) {
    int64_t step = taps[t];
    for (int64_t c = 0, end; c < run;) {
      end = soon && c + 16 < run ? c + 16 : run;
      if (soon) UNROLL for (int q = 0; q < ROWS; q++) __builtin_prefetch(p[q] + step + c + ROWS * s->in_pixel, 0, 2);
      for (; c < end; c++, w += next) {
        vec weights[PANEL];
        UNROLL for (int v = 0; v < n; v++) weights[v] = *(const vec *)(w + v * LANES);
        UNROLL for (int q = 0; q < ROWS; q++) {
          float x = p[q][step + c];
          UNROLL for (int v = 0; v < n; v++) sum[q][v] += x * weights[v];
        }
      }
    }
  }
  UNROLL for (int v = 0; v < n; v++) {
    int64_t o = first + v * LANES, floats = s->outs - o;
    UNROLL for (int q = 0; q < ROWS; q++) {
      float *to = y + out[q] + o;
      if (q < real) NAME(store)(to, NAME(finish)(sum[q][v], f, to, o, floats), floats);
    }
  }
}

static TARGET void NAME(tile_of)(int64_t n, float *y, const float *x, const int64_t *out, const int64_t *in, int real,
                          const float *w, const int64_t *taps, const struct correlation *s, const struct finish *f,
                          int64_t first) {
  IN_VECTORS(tile, y, x, out, in, real, w, taps, s, f, first);
}

struct NAME(place) {
  int64_t image, row, column, in, out; /* a pixel of y (or a tile), where its window begins in x, and where it lies */
};

/* Where the next pixels lie in x and in y, `most` of them: how many there are. Places beyond are those of the first. */
INLINE int NAME(pixels)(int64_t *in, int64_t *out, int most, const struct correlation *s, struct NAME(place) *at) {
  int real = 0;
  for (; real < most && at->image < s->images; real++) {
    in[real] = at->in, out[real] = at->out;
    at->in += s->in_pixel, at->out += s->out_pixel;
    if (++at->column < s->width) continue;
    at->column = 0;
    if (++at->row == s->height) at->row = 0, at->image++;
    at->in = at->image * s->in_image + at->row * s->in_row;
    at->out = at->image * s->out_image + at->row * s->out_row;
  }
  for (int q = real; q < most; q++) in[q] = in[0], out[q] = out[0];
  return real;
}

/* A panel of weights at a time, and under it all pixels: the panel stays in the nearest caches. */
EXPORT void NAME(correlate)(float *y, const float *x, const float *w, const int64_t *taps,
                            const struct correlation *s, const struct finish *f) {
  for (int64_t first = s->begin; first < s->end; first += PANEL * LANES) {
    int64_t left = s->end - first, n = left > PANEL * LANES ? PANEL : (left + LANES - 1) / LANES;
    int64_t in[ROWS], out[ROWS];
    struct NAME(place) at = {0};
    for (int real; (real = NAME(pixels)(in, out, ROWS, s, &at));)
      NAME(tile_of)(n, y, x, out, in, real, w, taps, s, f, first);
    w += s->in_panels ? s->taps * s->run * n * LANES : n * LANES;
  }
}

/* The part of n images (H, W, C) that starts at (top, left), as (n, h, w, C), with zeros where that lies outside. */
EXPORT void NAME(window)(float *seen, const float *x, int64_t n, int64_t H, int64_t W, int64_t C, int64_t h, int64_t w,
                         int64_t top, int64_t left) {
  int64_t first = left < 0 ? -left : 0, last = W - left;
  first = first > w ? w : first;
  last = last > w ? w : last < first ? first : last;
  for (int64_t image = 0; image < n; image++)
    for (int64_t row = top; row < top + h; row++, seen += w * C) {
      if (row < 0 || row >= H) {
        memset(seen, 0, 4 * w * C);
        continue;
      }
      memset(seen, 0, 4 * first * C);
      if (last > first) memcpy(seen + first * C, x + ((image * H + row) * W + left + first) * C, 4 * (last - first) * C);
      memset(seen + last * C, 0, 4 * (w - last) * C);
    }
}
