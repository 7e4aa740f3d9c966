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

/* G @ weight @ G.T: w (3, 3, C, O), given by its strides, -> filters (a*a, C, O), each of the a*a in panels. */
INLINE void NAME(filter)(int m, float *filters, const float *w, int64_t C, int64_t O, int64_t row, int64_t column,
                         int64_t in, int64_t out) {
  const int a = m + 2;
  for (int64_t first = 0; first < O; first += PANEL * LANES) {
    int64_t width = O - first < PANEL * LANES ? O - first : PANEL * LANES;
    for (int64_t c = 0; c < C; c++)
      for (int64_t o = 0; o < width; o += LANES, filters += LANES) {
        vec half[6][3], d[3], u[6];
        for (int j = 0; j < 3; j++) {
          for (int i = 0; i < 3; i++) {
            float lanes[LANES];
            const float *from = w + i * row + j * column + c * in + (first + o) * out;
            for (int l = 0; l < LANES; l++) lanes[l] = from[l * out];
            d[i] = *(vec *)lanes;
          }
          NAME(g)(m, u, d);
          for (int i = 0; i < a; i++) half[i][j] = u[i];
        }
        for (int i = 0; i < a; i++) {
          NAME(g)(m, u, half[i]);
          for (int j = 0; j < a; j++) *(vec *)(filters + (i * a + j) * C * O) = u[j];
        }
      }
  }
}

EXPORT void NAME(winograd_filters)(int m, float *filters, const float *w, int64_t C, int64_t O, int64_t row,
                                   int64_t column, int64_t in, int64_t out) {
  if (m == 2)
    NAME(filter)(2, filters, w, C, O, row, column, in, out);
  else
    NAME(filter)(4, filters, w, C, O, row, column, in, out);
}

/* B.T @ tile @ B for all tiles: x -> pixels (a*a, T, C), T = images * rows * columns. */
INLINE void NAME(transform)(int m, float *pixels, const float *x, const struct tiles *s) {
  const int a = m + 2;
  const int64_t C = s->channels;
  for (int64_t image = 0; image < s->images; image++)
    for (int64_t row = 0; row < s->rows; row++)
      for (int64_t column = 0; column < s->columns; column++, pixels += C) {
        const float *tile = x + image * s->in_image + row * m * s->in_row + column * m * C;
        for (int64_t c = 0; c < C; c += LANES) {
          vec half[6][6], d[6], t[6];
#pragma GCC unroll 8
          for (int j = 0; j < a; j++) {
#pragma GCC unroll 8
            for (int i = 0; i < a; i++) d[i] = *(const vec *)(tile + i * s->in_row + j * C + c);
            NAME(b_t)(m, t, d);
#pragma GCC unroll 8
            for (int i = 0; i < a; i++) half[i][j] = t[i];
          }
#pragma GCC unroll 8
          for (int i = 0; i < a; i++) {
            NAME(b_t)(m, t, half[i]);
#pragma GCC unroll 8
            for (int j = 0; j < a; j++) *(vec *)(pixels + (i * a + j) * s->plane + c) = t[j];
          }
        }
      }
}

/* A.T @ products @ A for all tiles, and the bias: products (a*a, T, O) -> y. */
INLINE void NAME(untransform)(int m, float *y, const float *products, const float *bias, const struct tiles *s) {
  const int a = m + 2;
  const int64_t O = s->outs;
  for (int64_t image = 0; image < s->images; image++)
    for (int64_t row = 0; row < s->rows; row++)
      for (int64_t column = 0; column < s->columns; column++, products += O) {
        float *tile = y + image * s->out_image + row * m * s->out_row + column * m * O;
        int64_t height = s->height - row * m, width = s->width - column * m;
        for (int64_t o = 0; o < O; o += LANES) {
          vec half[4][6], d[6], t[4], shift = bias ? *(const vec *)(bias + o) : (vec){0};
#pragma GCC unroll 8
          for (int j = 0; j < a; j++) {
#pragma GCC unroll 8
            for (int i = 0; i < a; i++) d[i] = *(const vec *)(products + (i * a + j) * s->plane + o);
            NAME(a_t)(m, t, d);
#pragma GCC unroll 8
            for (int i = 0; i < m; i++) half[i][j] = t[i];
          }
#pragma GCC unroll 8
          for (int i = 0; i < m; i++) {
            if (i >= height) break;
            NAME(a_t)(m, t, half[i]);
#pragma GCC unroll 8
            for (int j = 0; j < m; j++)
              if (j < width) *(vec *)(tile + i * s->out_row + j * O + o) = t[j] + shift;
          }
        }
      }
}

/* A @ dtile @ A.T for all tiles: dy -> dproducts (a*a, T, O); what lies beyond dy counts as zero. */
INLINE void NAME(transform_gradient)(int m, float *dproducts, const float *dy, const struct tiles *s) {
  const int a = m + 2;
  const int64_t O = s->outs;
  for (int64_t image = 0; image < s->images; image++)
    for (int64_t row = 0; row < s->rows; row++)
      for (int64_t column = 0; column < s->columns; column++, dproducts += O) {
        const float *tile = dy + image * s->out_image + row * m * s->out_row + column * m * O;
        int64_t height = s->height - row * m, width = s->width - column * m;
        for (int64_t o = 0; o < O; o += LANES) {
          vec half[6][4], d[4], t[6];
#pragma GCC unroll 8
          for (int j = 0; j < m; j++) {
#pragma GCC unroll 8
            for (int i = 0; i < m; i++)
              d[i] = i < height && j < width ? *(const vec *)(tile + i * s->out_row + j * O + o) : (vec){0};
            NAME(a)(m, t, d);
#pragma GCC unroll 8
            for (int i = 0; i < a; i++) half[i][j] = t[i];
          }
#pragma GCC unroll 8
          for (int i = 0; i < a; i++) {
            NAME(a)(m, t, half[i]);
#pragma GCC unroll 8
            for (int j = 0; j < a; j++) *(vec *)(dproducts + (i * a + j) * s->plane + o) = t[j];
          }
        }
      }
}

static const int64_t NAME(no_tap)[1] = {0};

/* As one row of pixels: the a*a products of the tiles. */
INLINE struct correlation NAME(as_rows)(const struct tiles *s) {
  int64_t tiles = s->images * s->rows * s->columns;
  return (struct correlation){1, 1, tiles, 0, 0, s->channels, 0, 0, s->outs, 1, s->channels, s->outs};
}

EXPORT void NAME(winograd)(int m, float *y, const float *x, const float *filters, const float *bias, float *pixels,
                           float *products, const struct tiles *s) {
  struct correlation rows = NAME(as_rows)(s);
  if (m == 2)
    NAME(transform)(2, pixels, x, s);
  else
    NAME(transform)(4, pixels, x, s);
  for (int f = 0; f < (m + 2) * (m + 2); f++)
    NAME(correlate)(products + f * s->plane, pixels + f * s->plane, filters + f * s->channels * s->outs, 0,
                    NAME(no_tap), &rows);
  if (m == 2)
    NAME(untransform)(2, y, products, bias, s);
  else
    NAME(untransform)(4, y, products, bias, s);
}

/* dfilters (a*a, C, O) and dbias (O) gain what these tiles say: the one product with weight 1 in every pixel knows dbias. */
EXPORT void NAME(winograd_gradient)(int m, float *dfilters, float *dbias, const float *x, const float *dy,
                                    float *pixels, float *dproducts, const struct tiles *s) {
  struct correlation rows = NAME(as_rows)(s);
  if (m == 2) {
    NAME(transform)(2, pixels, x, s);
    NAME(transform_gradient)(2, dproducts, dy, s);
  } else {
    NAME(transform)(4, pixels, x, s);
    NAME(transform_gradient)(4, dproducts, dy, s);
  }
  for (int f = 0; f < (m + 2) * (m + 2); f++)
    NAME(weight_gradient)(dfilters + f * s->channels * s->outs, f == m + 3 ? dbias : 0, pixels + f * s->plane,
                          dproducts + f * s->plane, NAME(no_tap), &rows);
}
