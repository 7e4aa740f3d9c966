// Boxes x1 y1 x2 y2 in float32: their overlap, and greedy non-maximum suppression. The numbers are those of the readable
// text, bit for bit: the same operations in the same order, without fused multiply-add.

// maximum and minimum that hand NaN on, as the array functions do (fmaxf and fminf drop it)
__device__ float larger(float a, float b) { return a > b || a != a ? a : b; }
__device__ float smaller(float a, float b) { return a < b || a != a ? a : b; }

__device__ float area(const float* box)
{
    return larger(box[2] - box[0], 0.0f) * larger(box[3] - box[1], 0.0f);
}

__device__ float overlap(const float* a, const float* b)
{
    float width = larger(smaller(a[2], b[2]) - larger(a[0], b[0]), 0.0f);
    float height = larger(smaller(a[3], b[3]) - larger(a[1], b[1]), 0.0f);
    float intersection = width * height;
    float both = area(a) + area(b) - intersection;
    return intersection / (both > 0.0f ? both : 1.0f);
}

// a (N, K, 4), b (N, M, 4) -> iou (N, K, M), one thread per pair. The boxes of image n start at a + n * a_step; a step
// of 0 compares the same boxes with those of every image.
extern "C" __global__ void iou_matrix(
    int count, const float* a, const float* b, float* iou, int K, int M, int a_step, int b_step)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int image = i / M / K;
    iou[i] = overlap(a + image * a_step + i / M % K * 4, b + image * b_step + i % M * 4);
}

// ---------------------------------------------------------------- boxes and deltas

const float SMALLEST_SIDE = 1e-6f;  // as in ops/boxes.py

struct Centered { float x, y, w, h; };

__device__ Centered to_center(const float* box)
{
    return {(box[0] + box[2]) / 2.0f, (box[1] + box[3]) / 2.0f, box[2] - box[0], box[3] - box[1]};
}

// boxes (count, 4), anchors (some, 4) -> deltas (count, 4), one thread per box; the anchors are those of every image
extern "C" __global__ void encode(
    int count, const float* boxes, const float* anchors, float* deltas, int some, float wx, float wy, float ww, float wh)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Centered g = to_center(boxes + 4 * i), a = to_center(anchors + 4 * (i % some));
    float gw = larger(g.w, SMALLEST_SIDE), gh = larger(g.h, SMALLEST_SIDE);
    float aw = larger(a.w, SMALLEST_SIDE), ah = larger(a.h, SMALLEST_SIDE);
    float* out = deltas + 4 * i;
    out[0] = wx * (g.x - a.x) / aw;
    out[1] = wy * (g.y - a.y) / ah;
    out[2] = ww * logf(gw / aw);
    out[3] = wh * logf(gh / ah);
}

// deltas (count, 4), anchors (some, 4) -> boxes (count, 4)
extern "C" __global__ void decode(
    int count, const float* deltas, const float* anchors, float* boxes, int some, float wx, float wy, float ww,
    float wh, float clamp)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const float* d = deltas + 4 * i;
    Centered a = to_center(anchors + 4 * (i % some));
    float cx = a.x + d[0] / wx * a.w, cy = a.y + d[1] / wy * a.h;
    float w = a.w * expf(smaller(d[2] / ww, clamp)), h = a.h * expf(smaller(d[3] / wh, clamp));
    float* out = boxes + 4 * i;
    out[0] = cx - w / 2.0f;
    out[1] = cy - h / 2.0f;
    out[2] = cx + w / 2.0f;
    out[3] = cy + h / 2.0f;
}

// boxes (count, 4) moved into pictures: a height and a width for each `every` boxes
extern "C" __global__ void clip(
    int count, const float* boxes, const float* height, const float* width, float* clipped, int every)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    for (int corner = 0; corner < 4; ++corner) {
        float most = corner % 2 ? height[i / every] : width[i / every];
        clipped[4 * i + corner] = smaller(larger(boxes[4 * i + corner], 0.0f), most);
    }
}

// ---------------------------------------------------------------- non-maximum suppression

const int TILE = 64;  // boxes that are decided together: the bits of a word

// Rows lie in `order` by group and, within a group, best first. Every block looks for the groups that start among its
// TILE places and decides each of them alone: no group waits for another, and no K x K matrix is ever stored.
//
// A group is decided tile by tile. Row i of a tile writes the word of later rows that it clashes with, and whether it is
// still alive; one thread goes from one that stays to the next, as many turns as boxes stay, each a word out of shared
// memory; then all threads end the rows after the tile that clash with one that stays.
//
// keep (K,), in the order of the input, is also the list of who is alive. group and valid may be null.
extern "C" __global__ void nms_groups(
    int K, const float* boxes, const long long* order, const long long* group, const bool* valid, bool* keep,
    float threshold)
{
    __shared__ float tile[TILE * 4];
    __shared__ unsigned long long clashes[TILE];
    __shared__ bool living[TILE];
    __shared__ unsigned long long staying;
    int me = threadIdx.x;

    int places_end = min(K, (int)(blockIdx.x + 1) * TILE);
    for (int start = blockIdx.x * TILE; start < places_end; ++start) {
        if (start > 0 && (!group || group[order[start - 1]] == group[order[start]])) continue;

        int end = K;  // of the group: search by halves for the first place that belongs to another
        if (group) {
            int low = start;
            while (end - low > 1) {
                int middle = low + (end - low) / 2;
                if (group[order[middle]] == group[order[start]]) low = middle; else end = middle;
            }
        }
        for (int place = start + me; place < end; place += blockDim.x)
            keep[order[place]] = valid ? valid[order[place]] : true;
        __syncthreads();

        for (int first = start; first < end; first += TILE) {
            int size = min(TILE, end - first);
            if (me < size)
                for (int corner = 0; corner < 4; ++corner)
                    tile[4 * me + corner] = boxes[4 * order[first + me] + corner];
            __syncthreads();

            if (me < size) {
                unsigned long long word = 0;
                for (int other = me + 1; other < size; ++other)
                    if (overlap(tile + 4 * me, tile + 4 * other) > threshold) word |= 1ull << other;
                clashes[me] = word;
                living[me] = keep[order[first + me]];
            }
            __syncthreads();

            if (me == 0) {
                unsigned long long stay = 0, alive = 0;
                for (int row = 0; row < size; ++row) alive |= (unsigned long long)living[row] << row;
                while (alive) {
                    int row = __ffsll(alive) - 1;  // the best that is left
                    stay |= 1ull << row;
                    alive &= ~(clashes[row] | 1ull << row);
                }
                staying = stay;
            }
            __syncthreads();

            if (me < size) keep[order[first + me]] = staying >> me & 1;
            for (int place = first + TILE + me; place < end; place += blockDim.x) {
                long long row = order[place];
                for (unsigned long long rest = staying; rest && keep[row]; rest &= rest - 1)
                    if (overlap(tile + 4 * (__ffsll(rest) - 1), boxes + 4 * row) > threshold) keep[row] = false;
            }
            __syncthreads();  // before the next tile takes the place of this one
        }
    }
}
