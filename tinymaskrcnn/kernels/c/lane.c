/* Convolutions in C: the same text three times over, for AVX-512, for AVX2 with FMA, and for whatever the compiler takes
   for granted. Which of them the processor can run, `supports` says; Python chooses (library.py).

   Each file below is one theme and knows two things of its surroundings: `vec`, a vector of LANES floats, and NAME(f),
   the name of a function in this variant. There is no allocation and no global state in here, and no thread is started:
   arrays and scratch memory come from Python, which also cuts the work into jobs. */

#if !defined(__GNUC__)
#error "the lane is written with the vector extensions of GCC and Clang"
#endif

#include <stdint.h>
#include <string.h>

#if defined(_WIN32)
#define SHARED __declspec(dllexport)
#else
#include <sched.h>
#define SHARED __attribute__((visibility("default")))
#endif

#define EXPORT SHARED TARGET
#define INLINE static inline TARGET __attribute__((always_inline))
#define PASTE(a, b) a##_##b
#define JOIN(a, b) PASTE(a, b)
#define NAME(function) JOIN(function, VARIANT)
#define UNROLL _Pragma("GCC unroll 8")
#define IN_TILES(function, ...) m == 2 ? NAME(function)(2, __VA_ARGS__) : NAME(function)(4, __VA_ARGS__)
#define LESS(n) (n > PANEL ? PANEL : n)
#define IN_VECTORS(function, ...)                                                       \
  n == 1 ? NAME(function)(1, __VA_ARGS__) : n == 2 ? NAME(function)(2, __VA_ARGS__)     \
  : n == 3 ? NAME(function)(LESS(3), __VA_ARGS__) : NAME(function)(LESS(4), __VA_ARGS__)

#include "shapes.h"

typedef float four __attribute__((vector_size(16), may_alias));

#define TARGET_avx512 __attribute__((target("avx512f,avx2,fma")))
#define TARGET_avx2 __attribute__((target("avx2,fma")))
#define TARGET_plain
#define TARGET JOIN(TARGET, VARIANT)

enum { LANES_avx512 = 16, LANES_avx2 = 8, LANES_plain = 4 };
#define LANES JOIN(LANES, VARIANT)
#define vec NAME(wide)
#define lanes NAME(whole)

/* Others are about to be done: a while of spinning, and then whoever waits for this core may have it. */
static void wait_for_others(int64_t turn) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
#if !defined(_WIN32)
  if (turn % 1024 == 1023) sched_yield();
#endif
}

/* ROWS x PANEL vectors of sums stay in registers, beside PANEL of weights: 24 of 32 with AVX-512, 12 of 16 with AVX2. */
#define ROWS 6
#define PANEL (LANES == 16 ? 4 : 2)

#if defined(__x86_64__)
#define VARIANT avx512
#include "themes.h"
#define VARIANT avx2
#include "themes.h"
#endif
#define VARIANT plain
#include "themes.h"

/* Whether this processor (and its operating system) runs a variant: 0 plain, 1 avx2, 2 avx512. */
SHARED int supports(int variant) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (variant == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (variant == 2) return supports(1) && __builtin_cpu_supports("avx512f");
#endif
  return variant == 0;
}

/* Whether this thread has made what is no number (1) or too large (8) since it was last asked, as NumPy asks, too. */
SHARED int raised(void) {
#if defined(__x86_64__)
  unsigned flags = __builtin_ia32_stmxcsr();
  if (flags & 9) __builtin_ia32_ldmxcsr(flags & ~9u);
  return flags & 9;
#else
  return 0;
#endif
}

/* Raised with every change of what the functions are called with: an older library is passed over. */
SHARED int lane_version(void) { return 11; }
