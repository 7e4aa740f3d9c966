// A balanced random sample: places lie in the order of their keys, largest first, and the first few of either kind are in.

// label (N, K) 1, 0 or -1, order (N, K) -> chosen (N, K): at most quota positives, and negatives up to count in all. One
// block for a row; a thread counts the places of a stretch, learns what the stretches before it hold, and decides its own.
extern "C" __global__ void balanced_sample(
    int K, const long long* label, const long long* order, bool* chosen, int count, int quota)
{
    __shared__ int positives[256], negatives[256];
    int me = threadIdx.x, stretch = (K + blockDim.x - 1) / blockDim.x;
    int begin = min(K, me * stretch), end = min(K, begin + stretch);
    label += (long long)blockIdx.x * K;
    order += (long long)blockIdx.x * K;
    chosen += (long long)blockIdx.x * K;

    positives[me] = negatives[me] = 0;
    for (int place = begin; place < end; ++place) {
        positives[me] += label[order[place]] == 1;
        negatives[me] += label[order[place]] == -1;
    }
    __syncthreads();

    int all_positives = 0, positives_before = 0, negatives_before = 0;
    for (int other = 0; other < blockDim.x; ++other) {
        all_positives += positives[other];
        if (other < me) {
            positives_before += positives[other];
            negatives_before += negatives[other];
        }
    }
    int room = count - min(all_positives, quota);  // positives that are missing leave room for negatives
    for (int place = begin; place < end; ++place) {
        long long kind = label[order[place]];
        bool in = false;
        if (kind == 1) in = positives_before++ < quota;
        if (kind == -1) in = negatives_before++ < room;
        chosen[order[place]] = in;
    }
}
