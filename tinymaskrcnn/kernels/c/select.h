/* A 1x1 convolution of which each map needs one output channel, and its way back through the ReLU before it. */

INLINE float NAME(total)(vec v) {
  const four *part = (const four *)&v;
  four sum = part[0];
  UNROLL for (int i = 1; i < LANES / 4; i++) sum += part[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* h (maps, pixels, D), chosen (maps, D), shift (maps) -> logits (maps, pixels) */
EXPORT void NAME(select)(float *logits, const float *h, const float *chosen, const float *shift, int64_t maps,
                         int64_t pixels, int64_t D) {
  for (int64_t map = 0; map < maps; map++, chosen += D)
    for (int64_t p = 0; p < pixels; p++, h += D) {
      vec sum = {0};
      for (int64_t c = 0; c < D; c += LANES) sum += NAME(load)(h + c, D - c) * NAME(load)(chosen + c, D - c);
      *logits++ = NAME(total)(sum) + shift[map];
    }
}

/* dlogits (maps, pixels) -> dh (maps, pixels, D) before the ReLU, dchosen (maps, D); dbias (D) gains the sum of dh */
EXPORT void NAME(select_gradient)(float *dh, float *dchosen, float *dbias, const float *h, const float *dlogits,
                                  const float *chosen, int64_t maps, int64_t pixels, int64_t D) {
  for (int64_t map = 0; map < maps; map++, h += pixels * D, dh += pixels * D, dlogits += pixels)
    for (int64_t c = 0; c < D; c += LANES) {
      vec factor = NAME(load)(chosen + map * D + c, D - c), dfactor = {0}, sum = NAME(load)(dbias + c, D - c);
      for (int64_t p = 0; p < pixels; p++) {
        vec x = NAME(load)(h + p * D + c, D - c), open = NAME(positive)(x);
        vec d = dlogits[p] * factor * open;
        dfactor += dlogits[p] * x;
        sum += d;
        NAME(store)(dh + p * D + c, d, D - c);
      }
      NAME(store)(dchosen + map * D + c, dfactor, D - c);
      NAME(store)(dbias + c, sum, D - c);
    }
}
