// Masks and boxes in float32: what a RoI sees of an object's mask, as weights along one axis.

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
