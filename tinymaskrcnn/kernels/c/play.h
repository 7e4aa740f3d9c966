/* Many small jobs in one call, for a network at rest: steps of jobs, each step begun when the one before is done. */

/* y gains x, pixel by pixel. */
INLINE void NAME(add)(float *y, const float *x, const struct correlation *s) {
  int64_t in, out;
  struct NAME(place) at = {0};
  while (NAME(pixels)(&in, &out, 1, s, &at))
    for (int64_t o = 0, left; (left = s->outs - o) > 0; o += LANES)
      NAME(store)(y + out + o, NAME(load)(y + out + o, left) + NAME(load)(x + in + o, left), left);
}

static TARGET void NAME(one_job)(const struct job *j, float *scratch, int64_t half) {
  const int64_t *s = j->seen;
  if (s) NAME(window)(scratch, j->x, s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
  if (j->kind == 0)
    NAME(correlate)(j->y, s ? scratch : j->x, j->w, j->taps, j->about, j->becomes);
  else if (j->kind == 1)
    NAME(add)(j->y, j->x, j->about);
  else if (j->kind == 3)
    NAME(select)(j->y, j->x, j->w, j->w + j->taps[1], 1, j->taps[0], j->taps[1]);
  else
    NAME(winograd)(j->kind, j->y, j->x, j->w, j->becomes, scratch, scratch + half, j->about);
}

/* Any number of threads play the same steps, whose jobs are those from first[step] on; each has scratch memory of its
   own, and `state` (2 * steps, zeros), which job is next and how many are done, is theirs together. */
EXPORT void NAME(play)(const struct job *jobs, const int64_t *first, int64_t *state, int64_t steps, float *scratch,
                       int64_t half) {
  for (int64_t step = 0; step < steps; step++, state += 2) {
    int64_t count = first[step + 1] - first[step], next;
    while ((next = __atomic_fetch_add(state, 1, __ATOMIC_RELAXED)) < count) {
      NAME(one_job)(jobs + first[step] + next, scratch, half);
      __atomic_fetch_add(state + 1, 1, __ATOMIC_RELEASE);
    }
    for (int64_t turn = 0; __atomic_load_n(state + 1, __ATOMIC_ACQUIRE) < count; turn++) wait_for_others(turn);
  }
}
