/* One variant of everything. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t NAME(lanes) __attribute__((vector_size(4 * LANES)));
#define vec NAME(vec)
#define lanes NAME(lanes)

#include "correlate.h"
#include "weights.h"
#include "winograd.h"
#include "select.h"
#include "roi_align.h"
#include "nms.h"
#include "play.h"

#undef vec
#undef lanes
#undef VARIANT
#undef LANES
#undef ROWS
#undef PANEL
