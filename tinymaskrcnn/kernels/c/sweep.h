/* Sweeps over pixels (M, C) for what a norm and a ReLU do to each number. */

#define SOME 64 /* pixels at a time: they stay in the nearest cache, and their sums in registers */
/* d = dy, 0 times those whose y is not above zero;  out = v = x * scale + shift + d * factor, rectified on demand
   sums (2, C) gain d, and v * v (where there is no out: d * x). What is not given counts as 0 and is not made. */
EXPORT void NAME(sweep)(float *out, float *sums, const float *x, const float *scale, const float *shift,
                        const float *dy, const float *y, const float *factor, int64_t rectified, int64_t M, int64_t C) {
  for (int64_t p = 0, end; p < M * C; p = end) {
    end = p + SOME * C < M * C ? p + SOME * C : M * C;
    for (int64_t c = 0, left; (left = C - c) > 0; c += LANES) {
      vec a = {0}, b = {0}, f = {0}, here = {0}, d = {0}, sum = {0}, product = {0};
      if (scale) a = NAME(load)(scale + c, left);
      if (shift) b = NAME(load)(shift + c, left);
      if (factor) f = NAME(load)(factor + c, left);
      for (int64_t i = p + c; i < end; i += C) {
        if (x) here = NAME(load)(x + i, left);
        if (dy) d = NAME(load)(dy + i, left);
        if (y) d *= NAME(positive)(NAME(load)(y + i, left));
        vec v = here * a + b + d * f;
        if (out) NAME(store)(out + i, rectified ? NAME(rectify)(v) : v, left);
        if (sums) sum += d, product += out ? v * v : d * here;
      }
      if (!sums) continue;
      NAME(store)(sums + c, NAME(load)(sums + c, left) + sum, left);
      NAME(store)(sums + C + c, NAME(load)(sums + C + c, left) + product, left);
    }
  }
}
