/* One variant of everything. */

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t lanes __attribute__((vector_size(4 * LANES)));

#include "correlate.h"
#include "weights.h"
#include "winograd.h"
#include "sweep.h"
#include "select.h"
#include "roi_align.h"
#include "nms.h"
#include "play.h"

#undef VARIANT
