// RoIPool in float32, channels last: the largest value of each bin of whole pixels, and who gets its gradient.

// pixels (P, C); top, bottom (K, S), left, right (K, T): the first pixel of each bin and the one after its last; start (K,)
// -> crops (K, S, T, C) and where: the place in the bin, counted in rows of `reach`. A bin with more than tall x reach
// pixels is NaN, one without any is 0. width (K,) may be null: then all rows have `row` pixels.
extern "C" __global__ void largest(
    int count, const float* pixels, const int* top, const int* bottom, const int* left, const int* right,
    const int* start, const int* width, float* crops, int* where, int row, int tall, int reach, int S, int T, int C)
{
    unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= count) return;
    int rest = thread;
    int c = rest % C; rest /= C;
    int j = rest % T; rest /= T;
    int i = rest % S; rest /= S;  // what is left is the RoI
    int wide = width ? width[rest] : row;
    int first = top[rest * S + i], rows = bottom[rest * S + i] - first;
    int before = left[rest * T + j], columns = right[rest * T + j] - before;

    float best = -INFINITY;
    int place = 0;
    bool odd = false;
    for (int down = 0; down < rows && down < tall; ++down)
        for (int across = 0; across < columns && across < reach; ++across) {
            float value = pixels[(long long)(start[rest] + (first + down) * wide + before + across) * C + c];
            if (value > best) { best = value; place = down * reach + across; }
            odd = odd || value != value;  // NaN is handed on, as the array functions do
        }
    if (odd || rows > tall || columns > reach) best = NAN;
    crops[thread] = rows > 0 && columns > 0 ? best : 0.0f;
    where[thread] = place;
}

// receiver (n,), gives (n,), order: the rows of both so that equal receivers lie together -> sums, zeros before: each
// receiver adds up what it is given, in the order of the rows; what has the receiver -1 is given to nobody
extern "C" __global__ void add_runs(int n, const long long* order, const int* receiver, const float* gives, float* sums)
{
    unsigned place = blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= n) return;
    int mine = receiver[order[place]];
    if (mine < 0) return;
    if (place > 0 && receiver[order[place - 1]] == mine) return;  // the first of a run adds it up
    float sum = 0.0f;
    for (int next = place; next < n && receiver[order[next]] == mine; ++next) sum += gives[order[next]];
    sums[mine] = sum;
}
