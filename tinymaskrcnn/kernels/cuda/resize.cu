// Nearest upsampling in float32, channels last: a pixel is repeated, and on the way back adds up what its copies got.

// x (N, H, W, C) -> y (N, HO, WO, C): output row i shows input row i * H / HO
extern "C" __global__ void upsample(int count, const float* x, float* y, int H, int W, int HO, int WO, int C)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int rest = i;
    int c = rest % C;       rest /= C;
    int column = rest % WO; rest /= WO;
    int row = rest % HO;    rest /= HO;  // what is left is the image
    y[i] = x[((rest * H + (int)((long long)row * H / HO)) * W + (int)((long long)column * W / WO)) * C + c];
}

// The first output row (or column) that shows an input one; the next one's first is where its copies end
__device__ int first_copy(int i, int in, int out) { return (int)(((long long)i * out + in - 1) / in); }

// dy (N, HO, WO, C) -> dx (N, H, W, C)
extern "C" __global__ void gather_copies(int count, const float* dy, float* dx, int H, int W, int HO, int WO, int C)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int rest = i;
    int c = rest % C;      rest /= C;
    int column = rest % W; rest /= W;
    int row = rest % H;    rest /= H;  // what is left is the image
    float sum = 0.0f;
    for (int a = first_copy(row, H, HO); a < first_copy(row + 1, H, HO); ++a)
        for (int b = first_copy(column, W, WO); b < first_copy(column + 1, W, WO); ++b)
            sum += dy[((rest * HO + a) * WO + b) * C + c];
    dx[i] = sum;
}
