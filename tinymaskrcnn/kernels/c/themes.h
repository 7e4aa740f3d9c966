/* One variant of everything. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define vec NAME(vec)

#include "correlate.h"
#include "weights.h"
#include "winograd.h"

#undef vec
