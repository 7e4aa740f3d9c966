// Masks and boxes in float32: what a RoI sees of an object's mask, as weights along one axis; and predicted masks in pictures.

// start, end, length (K,) -> weights (K, bins, longest): how much of each pixel a bin's points take, as many points as the
// bin has pixels. One thread per number; it adds up the points in the order of the text, first as pixel before the point.
extern "C" __global__ void adaptive_weights(
    int count, const float* start, const float* end, const float* length, float* weights, int bins, int longest,
    bool aligned)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int pixel = i % longest, bin = i / longest % bins, k = i / longest / bins;
    float size = end[k] - start[k], origin = start[k] - (aligned ? 0.5f : 0.0f), last = length[k] - 1.0f;
    if (!aligned && size < 1.0f) size = 1.0f;
    float points = ceilf(size / bins), share = 1.0f / fmaxf(points, 1.0f);
    int most = (longest + bins - 1) / bins;  // boxes lie in their pictures
    float sum = 0.0f;
    for (int behind = 0; behind < 2; ++behind)
        for (int point = 0; point < most && point < points; ++point) {
            float along = (bin + (point + 0.5f) / fmaxf(points, 1.0f)) / bins;
            float position = origin + along * size;
            if (!(position >= -1.0f && position <= length[k])) continue;
            position = fminf(fmaxf(position, 0.0f), last);
            float low = floorf(position), moved = position - low;
            float read = behind ? low + 1.0f : low;  // behind the last pixel lies nobody, with weight 0
            if (read == pixel) sum += share * (behind ? moved : 1.0f - moved);
        }
    weights[i] = sum;
}

// ---------------------------------------------------------------- pasting

struct Tap { int first; float near, far; };  // the two mask pixels that a picture's pixel sees, and how much of each

// Along an axis on which a mask of `size` pixels lies between low and high. whole: on whole pixels, with a border of zeros.
__device__ Tap see(float low, float high, int pixel, int size, bool whole)
{
    Tap tap = {0, 0.0f, 0.0f};
    float place, border = whole ? 1.0f : 0.0f;
    if (whole) {
        float reach = (high - low) * 0.5f * (float)((size + 2.0) / size), centre = (high + low) * 0.5f;
        float first = truncf(centre - reach), last = truncf(centre + reach), count = fmaxf(last - first + 1.0f, 1.0f);
        if (!(pixel >= first && pixel <= last)) return tap;
        place = (size + 2) / count * (pixel - first + 0.5f) - 0.5f;
        place = fminf(fmaxf(place, 0.0f), size + 1.0f);
    } else {
        place = (pixel + 0.5f - low) * (size / fmaxf(high - low, 1e-6f)) - 0.5f;
    }
    if (!(place > -2.0f && place < size + 3.0f)) return tap;
    float floored = floorf(place);
    tap.first = (int)(floored - border);
    if (tap.first >= 0 && tap.first < size) tap.near = 1.0f - (place - floored);
    if (tap.first >= -1 && tap.first < size - 1) tap.far = 1.0f - (floored + 1.0f - place);
    return tap;
}

// masks (D, S, T), boxes (D, 4) of one picture that has H x W pixels when these are stretched by `wider` and `taller` ->
// bits, `step` bytes for each mask: one thread for eight pixels of a row, the first in the highest bit
extern "C" __global__ void paste_bits(
    int count, const float* masks, const float* boxes, bool* bits, float wider, float taller, int S, int T, int H, int W,
    int step, float threshold, bool whole)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int across = (W + 7) / 8, rest = i;
    int column = rest % across * 8; rest /= across;
    int row = rest % H;             rest /= H;  // what is left is the mask
    const float* box = boxes + 4 * rest;
    const float* mask = masks + rest * S * T;
    Tap y = see(box[1] * taller, box[3] * taller, row, S, whole);
    int byte = 0;
    for (int bit = 0; bit < 8 && column + bit < W; ++bit) {
        Tap x = see(box[0] * wider, box[2] * wider, column + bit, T, whole);
        float soft = 0.0f;
        for (int right = 0; right < 2; ++right) {
            float weight = right ? x.far : x.near, of_column = 0.0f;
            if (weight == 0.0f) continue;
            if (y.near != 0.0f) of_column += y.near * mask[y.first * T + x.first + right];
            if (y.far != 0.0f) of_column += y.far * mask[(y.first + 1) * T + x.first + right];
            soft += of_column * weight;
        }
        if (soft >= threshold) byte |= 128 >> bit;
    }
    ((unsigned char*)bits)[(long long)rest * step + row * across + column / 8] = (unsigned char)byte;
}
