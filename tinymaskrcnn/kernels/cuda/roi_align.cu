// RoIAlign in float32, channels last: bins read their pixels; and, backward, pixels read the bins that read them. Nothing
// is added atomically, so every run gives the same bits. One launch serves one level of a pyramid; level (K,) may be null.
//
// A thread serves up to LANES channels of its bin or pixel, C / LANES apart, for which it works out the weights once.

const int LANES = 4;

struct Axis  // of a RoI: where its bins lie along the rows or the columns of a map
{
    float origin, size, points;  // points per bin, in this direction
    int bins, length;
};

__device__ Axis make_axis(float start, float end, int bins, int length, float scale, int samples, bool aligned)
{
    Axis axis;
    start = start * scale;
    end = end * scale;
    axis.origin = start - (aligned ? 0.5f : 0.0f);
    axis.size = end - start;
    if (!aligned && axis.size < 1.0f) axis.size = 1.0f;
    axis.points = samples > 0 ? (float)samples : ceilf(axis.size / bins);
    if (!(axis.points >= 0.0f)) axis.points = 0.0f;  // a box that is turned over, or not a number
    axis.points = fminf(axis.points, 4096.0f);
    axis.bins = bins;
    axis.length = length;
    return axis;
}

struct Taps { int low, high; float low_weight, high_weight; };  // the two pixels that a point reads

__device__ Taps read_point(const Axis& axis, int bin, int point)
{
    float along = (bin + (point + 0.5f) / fmaxf(axis.points, 1.0f)) / axis.bins;  // 0 at the start, 1 at the end
    float position = axis.origin + along * axis.size;
    Taps taps = {0, 0, 0.0f, 0.0f};
    if (!(position >= -1.0f && position <= axis.length)) return taps;  // more than a pixel outside: 0
    position = fminf(fmaxf(position, 0.0f), axis.length - 1);
    float floored = floorf(position), share = position - floored, use = 1.0f / fmaxf(axis.points, 1.0f);
    taps.low = (int)floored;
    taps.high = taps.low + 1;  // at the border beyond the map, with weight 0: nobody reads there
    taps.low_weight = use * (1.0f - share);
    taps.high_weight = use * share;
    return taps;
}

// features (N, H, W, C), rois (K, 4) -> crops (K, rows, columns, C), those rows whose RoI is on this level
extern "C" __global__ void roi_align_forward(
    int count, const float* features, const float* rois, const long long* image_index, const long long* level,
    float* crops, int this_level, int N, int H, int W, int C, int rows, int columns, float scale, int samples,
    bool aligned)
{
    unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= count) return;
    int step = (C + LANES - 1) / LANES;
    int rest = thread;
    int c = rest % step;    rest /= step;
    int bin = rest;  // of all RoIs
    int j = rest % columns; rest /= columns;
    int i = rest % rows;    rest /= rows;  // what is left is the RoI
    if (level && level[rest] != this_level) return;

    const float* roi = rois + 4 * rest;
    Axis y = make_axis(roi[1], roi[3], rows, H, scale, samples, aligned);
    Axis x = make_axis(roi[0], roi[2], columns, W, scale, samples, aligned);
    long long image = image_index[rest];
    if (image < 0 || image >= N) y.points = 0.0f;  // no such picture: nothing to read
    const float* pixels = features + image * H * W * C;

    float sum[LANES] = {};
    for (int down = 0; down < 2 * (int)y.points; ++down) {  // first the upper pixels of all points, then the lower ones
        bool lower = down >= (int)y.points;
        Taps row = read_point(y, i, lower ? down - (int)y.points : down);
        float row_weight = lower ? row.high_weight : row.low_weight;
        if (row_weight == 0.0f) continue;
        const float* line = pixels + (lower ? row.high : row.low) * W * C;
        for (int across = 0; across < 2 * (int)x.points; ++across) {
            bool right = across >= (int)x.points;
            Taps column = read_point(x, j, right ? across - (int)x.points : across);
            float weight = row_weight * (right ? column.high_weight : column.low_weight);
            if (weight == 0.0f) continue;
            const float* pixel = line + (right ? column.high : column.low) * C;
            for (int lane = 0; lane < LANES; ++lane)
                if (c + lane * step < C) sum[lane] += weight * pixel[c + lane * step];
        }
    }
    for (int lane = 0; lane < LANES; ++lane)
        if (c + lane * step < C) crops[bin * C + c + lane * step] = sum[lane];
}

// image_index (K,) -> spans (N, 2): the first RoI of each image and the one after its last; one block per image.
// RoIs lie sorted by image, so that a span holds few of other images; but they need not.
extern "C" __global__ void roi_spans(int K, const long long* image_index, int* spans)
{
    __shared__ int first[256], last[256];
    int me = threadIdx.x;
    first[me] = K;
    last[me] = 0;
    for (int k = me; k < K; k += blockDim.x)
        if (image_index[k] == blockIdx.x) {
            first[me] = min(first[me], k);
            last[me] = k + 1;
        }
    __syncthreads();
    if (me == 0) {
        for (int other = 1; other < blockDim.x; ++other) {
            first[0] = min(first[0], first[other]);
            last[0] = max(last[0], last[other]);
        }
        spans[2 * blockIdx.x] = first[0];
        spans[2 * blockIdx.x + 1] = last[0];
    }
}

// How much of a pixel a bin took along one axis, all its points together.
__device__ float share_of(const Axis& axis, int bin, int pixel)
{
    float sum = 0.0f;
    for (int point = 0; point < (int)axis.points; ++point) {
        Taps taps = read_point(axis, bin, point);
        if (taps.low == pixel) sum += taps.low_weight;
        if (taps.high == pixel) sum += taps.high_weight;
    }
    return sum;
}

struct Range { int first, end; };

// The bins that may have read a pixel, with one more on either side for rounding; none when the RoI is elsewhere.
__device__ Range bins_near(const Axis& axis, int pixel)
{
    float low = pixel - 1.0f, high = pixel + 1.0f;  // points between them read the pixel
    float start = axis.origin + fminf(axis.size, 0.0f), end = axis.origin + fmaxf(axis.size, 0.0f);
    Range range = {0, 0};
    if (!(start <= high && end >= low)) return range;
    range.end = axis.bins;
    float per_pixel = axis.bins / axis.size;
    if (!(fabsf(per_pixel) < 1000.0f)) return range;  // a RoI almost without extent: all its bins are here
    float a = (low - axis.origin) * per_pixel, b = (high - axis.origin) * per_pixel;
    range.first = (int)fmaxf(floorf(fminf(a, b)) - 1.0f, 0.0f);
    range.end = (int)fminf(floorf(fmaxf(a, b)) + 2.0f, axis.bins);
    return range;
}

// dcrops (K, rows, columns, C) -> dfeatures (N, H, W, C): a pixel collects from every bin of its image that read it, RoI
// by RoI and bin by bin, as much as it gave
extern "C" __global__ void roi_align_backward(
    int count, const float* dcrops, const float* rois, const long long* image_index, const long long* level,
    const int* spans, float* dfeatures, int this_level, int H, int W, int C, int rows, int columns, float scale,
    int samples, bool aligned)
{
    unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= count) return;
    int step = (C + LANES - 1) / LANES;
    int rest = thread;
    int c = rest % step; rest /= step;
    int pixel = rest;  // of all images
    int column = rest % W; rest /= W;
    int row = rest % H;    rest /= H;  // what is left is the image

    float sum[LANES] = {};
    for (int k = spans[2 * rest]; k < spans[2 * rest + 1]; ++k) {
        if (image_index[k] != rest || (level && level[k] != this_level)) continue;
        const float* roi = rois + 4 * k;
        Axis y = make_axis(roi[1], roi[3], rows, H, scale, samples, aligned);
        Range down = bins_near(y, row);
        if (down.first >= down.end) continue;
        Axis x = make_axis(roi[0], roi[2], columns, W, scale, samples, aligned);
        Range across = bins_near(x, column);
        for (int i = down.first; i < down.end; ++i) {
            float row_weight = share_of(y, i, row);
            if (row_weight == 0.0f) continue;
            for (int j = across.first; j < across.end; ++j) {
                float weight = row_weight * share_of(x, j, column);
                if (weight == 0.0f) continue;
                const float* bin = dcrops + ((k * rows + i) * columns + j) * C;
                for (int lane = 0; lane < LANES; ++lane)
                    if (c + lane * step < C) sum[lane] += weight * bin[c + lane * step];
            }
        }
    }
    for (int lane = 0; lane < LANES; ++lane)
        if (c + lane * step < C) dfeatures[pixel * C + c + lane * step] = sum[lane];
}
