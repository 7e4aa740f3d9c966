// RoI operators whose crops are weighted sums of pixels, in float32: what the text writes as a sparse matrix is worked out on
// the spot. Along an axis every bin has some taps: the pixel it reads and how much of it; what it does not read weighs 0.
//
// A RoI's map starts at pixel start (K,) of all pixels (P, C) and has rows of `width` (K,) pixels, or of `row` where width
// is null. A thread serves up to LANES channels, C / LANES apart.

const int LANES = 4;

// pixels (P, C) -> crops (K, S, T, C); down, down_weight (K, S, t), across, across_weight (K, T, u)
extern "C" __global__ void read_taps(
    int count, const float* pixels, const int* down, const float* down_weight, const int* across,
    const float* across_weight, const int* start, const int* width, float* crops, int row, int S, int T, int t, int u,
    int C)
{
    unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= count) return;
    int step = (C + LANES - 1) / LANES, rest = thread;
    int c = rest % step; rest /= step;
    int bin = rest;  // of all RoIs
    int j = rest % T; rest /= T;
    int i = rest % S; rest /= S;  // what is left is the RoI
    int wide = width ? width[rest] : row, rows = (rest * S + i) * t, columns = (rest * T + j) * u;

    float sum[LANES] = {};
    for (int a = rows; a < rows + t; ++a)
        for (int b = columns; b < columns + u; ++b) {
            float weight = down_weight[a] * across_weight[b];
            if (weight == 0.0f) continue;
            const float* pixel = pixels + (long long)(start[rest] + down[a] * wide + across[b]) * C;
            for (int lane = 0; lane < LANES; ++lane)
                if (c + lane * step < C) sum[lane] += weight * pixel[c + lane * step];
        }
    for (int lane = 0; lane < LANES; ++lane)
        if (c + lane * step < C) crops[(long long)bin * C + c + lane * step] = sum[lane];
}

// The first pixel of an axis that any of n taps reads, and the one after the last
__device__ void reach(const int* pixel, const float* weight, int n, int* first, int* end)
{
    *first = 0;
    *end = 0;
    for (int tap = 0; tap < n; ++tap) {
        if (weight[tap] == 0.0f) continue;
        if (*end == 0 || pixel[tap] < *first) *first = pixel[tap];
        *end = max(*end, pixel[tap] + 1);
    }
}

// bounds (K, 4): of the rows that a RoI reads the first and the one after the last, and of the columns
extern "C" __global__ void tap_bounds(
    int K, const int* down, const float* down_weight, const int* across, const float* across_weight, int* bounds,
    int S, int T, int t, int u)
{
    unsigned k = blockIdx.x * blockDim.x + threadIdx.x;
    if (k >= K) return;
    reach(down + k * S * t, down_weight + k * S * t, S * t, bounds + 4 * k, bounds + 4 * k + 1);
    reach(across + k * T * u, across_weight + k * T * u, T * u, bounds + 4 * k + 2, bounds + 4 * k + 3);
}

// How much of a pixel all taps of one bin took.
__device__ float took(const int* pixel, const float* weight, int n, int wanted)
{
    float sum = 0.0f;
    for (int tap = 0; tap < n; ++tap)
        if (pixel[tap] == wanted) sum += weight[tap];
    return sum;
}

// dcrops (K, S, T, C) -> dpixels (P, C): a pixel collects from every bin that read it, RoI by RoI and bin by bin
extern "C" __global__ void collect_taps(
    int count, const float* dcrops, const int* down, const float* down_weight, const int* across,
    const float* across_weight, const int* start, const int* width, const int* bounds, float* dpixels, int K, int row,
    int S, int T, int t, int u, int C)
{
    unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= count) return;
    int step = (C + LANES - 1) / LANES, c = thread % step, p = thread / step;

    float sum[LANES] = {};
    for (int k = 0; k < K; ++k) {
        int behind = p - start[k], wide = width ? width[k] : row;
        if (behind < 0) continue;
        int my_row = behind / wide, my_column = behind - my_row * wide;
        const int* bound = bounds + 4 * k;
        if (my_row < bound[0] || my_row >= bound[1] || my_column < bound[2] || my_column >= bound[3]) continue;
        for (int i = 0; i < S; ++i) {
            int a = (k * S + i) * t;
            float of_row = took(down + a, down_weight + a, t, my_row);
            if (of_row == 0.0f) continue;
            for (int j = 0; j < T; ++j) {
                int b = (k * T + j) * u;
                float weight = of_row * took(across + b, across_weight + b, u, my_column);
                if (weight == 0.0f) continue;
                const float* bin = dcrops + (long long)((k * S + i) * T + j) * C;
                for (int lane = 0; lane < LANES; ++lane)
                    if (c + lane * step < C) sum[lane] += weight * bin[c + lane * step];
            }
        }
    }
    for (int lane = 0; lane < LANES; ++lane)
        if (c + lane * step < C) dpixels[(long long)p * C + c + lane * step] = sum[lane];
}
