/* Winograd's convolution (see ../winograd.py): 3x3 windows one pixel apart, in tiles of m x m pixels with m = 2 or 4.

   The transforms take a tile by LANES channels at a time, in registers, and write it once, where the products read it. */

/* B.T, A.T and A: how one column of a tile is transformed, in place of the matrices in winograd.py. */
INLINE void NAME(b_t)(int m, vec *t, const vec *d) {
  if (m == 2) {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[1] - d[3];
  } else {
    vec even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1], far = d[4] - d[2], near = 2 * (d[3] - d[1]);
    t[0] = 4 * d[0] - 5 * d[2] + d[4];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = far + near;
    t[4] = far - near;
    t[5] = 4 * d[1] - 5 * d[3] + d[5];
  }
}

INLINE void NAME(a_t)(int m, vec *y, const vec *p) {
  if (m == 2) {
    y[0] = p[0] + p[1] + p[2];
    y[1] = p[1] - p[2] - p[3];
  } else {
    vec sum = p[1] + p[2], difference = p[1] - p[2], far_sum = p[3] + p[4], far_difference = p[3] - p[4];
    y[0] = p[0] + sum + far_sum;
    y[1] = difference + 2 * far_difference;
    y[2] = sum + 4 * far_sum;
    y[3] = difference + 8 * far_difference + p[5];
  }
}

INLINE void NAME(a)(int m, vec *p, const vec *y) {
  if (m == 2) {
    p[0] = y[0];
    p[1] = y[0] + y[1];
    p[2] = y[0] - y[1];
    p[3] = -y[1];
  } else {
    vec even = y[0] + y[2], odd = y[1] + y[3], far_even = y[0] + 4 * y[2], far_odd = 2 * y[1] + 8 * y[3];
    p[0] = y[0];
    p[1] = even + odd;
    p[2] = even - odd;
    p[3] = far_even + far_odd;
    p[4] = far_even - far_odd;
    p[5] = y[3];
  }
}

/* G: how one column of a 3x3 weight is transformed. */
INLINE void NAME(g)(int m, vec *u, const vec *w) {
  vec ends = w[0] + w[2];
  if (m == 2) {
    u[0] = w[0];
    u[1] = 0.5f * (ends + w[1]);
    u[2] = 0.5f * (ends - w[1]);
    u[3] = w[2];
  } else {
    vec far = w[0] + 4 * w[2];
    u[0] = 0.25f * w[0];
    u[1] = (ends + w[1]) * (-1.0f / 6);
    u[2] = (ends - w[1]) * (-1.0f / 6);
    u[3] = (far + 2 * w[1]) * (1.0f / 24);
    u[4] = (far - 2 * w[1]) * (1.0f / 24);
    u[5] = w[2];
  }
}

INLINE struct NAME(place) NAME(place_of)(const struct tiles *s, int64_t tile) {
  int64_t row = tile / s->columns;
  return (struct NAME(place)){row / s->rows, row % s->rows, tile % s->columns, 0, 0};
}

enum NAME(sides) { NAME(of_x), NAME(of_dy), NAME(of_weight) };

/* B.T @ tile @ B for LANES channels of one tile of x, A @ dtile @ A.T for one of dy, G @ weight @ G.T. Of the tile's
   rows those in [i0, i1) lie inside, of its columns those in [j0, j1); elsewhere it is zero. */
INLINE void NAME(transform_tile)(int m, int which, float *planes, int64_t plane, const float *tile, int64_t row,
                                 int64_t pixel, int64_t i0, int64_t i1, int64_t j0, int64_t j1) {
  const int a = m + 2, side = which == NAME(of_x) ? a : which == NAME(of_dy) ? m : 3;
  vec half[6][6], d[6], t[6];
  UNROLL for (int j = 0; j < side; j++) {
    UNROLL for (int i = 0; i < side; i++)
      d[i] = i >= i0 && i < i1 && j >= j0 && j < j1 ? *(const vec *)(tile + i * row + j * pixel) : (vec){0};
    which == NAME(of_x) ? NAME(b_t)(m, t, d) : which == NAME(of_dy) ? NAME(a)(m, t, d) : NAME(g)(m, t, d);
    UNROLL for (int i = 0; i < a; i++) half[i][j] = t[i];
  }
  UNROLL for (int i = 0; i < a; i++) {
    vec *h = half[i];
    which == NAME(of_x) ? NAME(b_t)(m, t, h) : which == NAME(of_dy) ? NAME(a)(m, t, h) : NAME(g)(m, t, h);
    UNROLL for (int j = 0; j < a; j++) *(vec *)(planes + (i * a + j) * plane) = t[j];
  }
}

/* w (3, 3, C, O) -> filters (a*a, C, O), each of the a*a in panels. */
INLINE void NAME(filter)(int m, float *filters, const float *w, int64_t C, int64_t O) {
  for (int64_t first = 0; first < O; first += PANEL * LANES)
    for (int64_t c = 0; c < C; c++)
      for (int64_t o = first; o < O && o < first + PANEL * LANES; o += LANES, filters += LANES)
        NAME(transform_tile)(m, NAME(of_weight), filters, C * O, w + c * O + o, 3 * C * O, C * O, 0, 3, 0, 3);
}

EXPORT void NAME(winograd_filters)(int m, float *filters, const float *w, int64_t C, int64_t O) {
  IN_TILES(filter, filters, w, C, O);
}

/* The same for all channels of the tiles [first, last): x -> planes (a*a, tiles, C), dy -> planes (a*a, tiles, O). */
INLINE void NAME(transform)(int m, int which, float *planes, const float *x, const struct tiles *s, int64_t first,
                            int64_t last) {
  const int back = which == NAME(of_dy), side = back ? m : m + 2;
  const int64_t C = back ? s->outs : s->channels, row = back ? s->out_row : s->in_row;
  for (int64_t t = first; t < last; t++, planes += C) {
    struct NAME(place) at = NAME(place_of)(s, t);
    int64_t top = (back ? 0 : s->top) + at.row * m, left = (back ? 0 : s->left) + at.column * m;
    const float *tile = x + at.image * (back ? s->out_image : s->in_image) + top * row + left * C;
    int64_t below = (back ? s->height : s->in_height) - top, beyond = (back ? s->width : s->in_width) - left;
    if (top >= 0 && left >= 0 && below >= side && beyond >= side)
      for (int64_t c = 0; c < C; c += LANES)
        NAME(transform_tile)(m, which, planes + c, s->plane, tile + c, row, C, 0, side, 0, side);
    else
      for (int64_t c = 0; c < C; c += LANES)
        NAME(transform_tile)(m, which, planes + c, s->plane, tile + c, row, C, -top, below, -left, beyond);
  }
}

/* A.T @ products @ A for the tiles [first, last), and what becomes of it: products (a*a, tiles, O) -> y. */
INLINE void NAME(untransform)(int m, float *y, const float *products, const struct finish *f, const struct tiles *s,
                              int64_t first, int64_t last) {
  const int a = m + 2;
  const int64_t O = s->outs;
  for (int64_t index = first; index < last; index++, products += O) {
    struct NAME(place) at = NAME(place_of)(s, index);
    float *tile = y + at.image * s->out_image + at.row * m * s->out_row + at.column * m * O;
    int64_t height = s->height - at.row * m, width = s->width - at.column * m;
    for (int64_t o = 0; o < O; o += LANES) {
      vec half[4][6], d[6], t[4];
      UNROLL for (int j = 0; j < a; j++) {
        UNROLL for (int i = 0; i < a; i++) d[i] = *(const vec *)(products + (i * a + j) * s->plane + o);
        NAME(a_t)(m, t, d);
        UNROLL for (int i = 0; i < m; i++) half[i][j] = t[i];
      }
      UNROLL for (int i = 0; i < m; i++) {
        if (i >= height) break;
        NAME(a_t)(m, t, half[i]);
        UNROLL for (int j = 0; j < m; j++) {
          float *out = tile + i * s->out_row + j * O + o;
          if (j < width) *(vec *)out = NAME(finish)(t[j], f, out, o, LANES);
        }
      }
    }
  }
}

static const int64_t NAME(no_tap)[1] = {0};
static const struct finish NAME(as_it_is) = {0};

/* So many tiles, as one row of pixels: each of the a*a products is a 1x1 convolution. */
INLINE struct correlation NAME(as_rows)(const struct tiles *s, int64_t tiles) {
  return (struct correlation){1, 1, tiles, 0, 0, s->channels, 0, 0, s->outs, 1, s->channels, s->outs, 1, 0, s->outs};
}

INLINE void NAME(forward)(int m, float *y, const float *x, const float *filters, const struct finish *f, float *pixels,
                          float *products, const struct tiles *s) {
  int64_t all = s->images * s->rows * s->columns;
  for (int64_t first = 0; first < all; first += s->chunk) {
    int64_t last = first + s->chunk < all ? first + s->chunk : all;
    struct correlation rows = NAME(as_rows)(s, last - first);
    NAME(transform)(m, NAME(of_x), pixels, x, s, first, last);
    for (int k = 0; k < (m + 2) * (m + 2); k++)
      NAME(correlate)(products + k * s->plane, pixels + k * s->plane, filters + k * s->channels * s->outs,
                      NAME(no_tap), &rows, &NAME(as_it_is));
    NAME(untransform)(m, y, products, f, s, first, last);
  }
}

EXPORT void NAME(winograd)(int m, float *y, const float *x, const float *filters, const struct finish *f, float *pixels,
                           float *products, const struct tiles *s) {
  IN_TILES(forward, y, x, filters, f, pixels, products, s);
}

/* The one product that has weight 1 in every pixel of its tile knows dbias. */
INLINE void NAME(backward)(int m, float *dfilters, float *dbias, const float *x, const float *dy, float *pixels,
                           float *dproducts, const struct tiles *s) {
  int64_t all = s->images * s->rows * s->columns;
  for (int64_t first = 0; first < all; first += s->chunk) {
    int64_t last = first + s->chunk < all ? first + s->chunk : all;
    struct correlation rows = NAME(as_rows)(s, last - first);
    NAME(transform)(m, NAME(of_x), pixels, x, s, first, last);
    NAME(transform)(m, NAME(of_dy), dproducts, dy, s, first, last);
    for (int f = 0; f < (m + 2) * (m + 2); f++)
      NAME(weight_gradient)(dfilters + f * s->channels * s->outs, f == m + 3 ? dbias : 0, pixels + f * s->plane,
                            dproducts + f * s->plane, NAME(no_tap), &rows);
  }
}

/* dfilters (a*a, C, O) and dbias (O) gain what these tiles say. */
EXPORT void NAME(winograd_gradient)(int m, float *dfilters, float *dbias, const float *x, const float *dy,
                                    float *pixels, float *dproducts, const struct tiles *s) {
  IN_TILES(backward, dfilters, dbias, x, dy, pixels, dproducts, s);
}
