// Windows of an image as rows of a matrix, and the way back. Channels last, float32, one thread per number that is
// written: nothing is added atomically, so every run gives the same bits.

// x (N, H, W, C) -> columns (N, HO, WO, KH, KW, C): what each window sees; 0 where it hangs over the border.
extern "C" __global__ void image_to_columns(
    int count, const float* x, float* columns, int H, int W, int C, int HO, int WO, int KH, int KW,
    int stride_y, int stride_x, int padding_y, int padding_x, int dilation_y, int dilation_x)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;

    int rest = i;
    int c = rest % C;   rest /= C;
    int kx = rest % KW; rest /= KW;
    int ky = rest % KH; rest /= KH;
    int ox = rest % WO; rest /= WO;
    int oy = rest % HO; rest /= HO;  // what is left is the image

    int y = oy * stride_y + ky * dilation_y - padding_y;
    int column = ox * stride_x + kx * dilation_x - padding_x;
    bool inside = y >= 0 && y < H && column >= 0 && column < W;
    columns[i] = inside ? x[((rest * H + y) * W + column) * C + c] : 0.0f;
}

// The adjoint: columns (N, HO, WO, KH, KW, C) -> x (N, H, W, C). A pixel gathers from every window that saw it, row by
// row of the kernel, which is the order in which the readable text adds. bias (C,) comes last; it may be null.
extern "C" __global__ void columns_to_image(
    int count, const float* columns, const float* bias, float* x, int H, int W, int C, int HO, int WO, int KH, int KW,
    int stride_y, int stride_x, int padding_y, int padding_x, int dilation_y, int dilation_x)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;

    int rest = i;
    int c = rest % C; rest /= C;
    int column = rest % W; rest /= W;
    int y = rest % H; rest /= H;  // what is left is the image

    float sum = 0.0f;
    for (int ky = 0; ky < KH; ++ky) {
        int top = y + padding_y - ky * dilation_y;  // of the window, before the stride
        if (top < 0 || top % stride_y != 0 || top / stride_y >= HO) continue;
        for (int kx = 0; kx < KW; ++kx) {
            int left = column + padding_x - kx * dilation_x;
            if (left < 0 || left % stride_x != 0 || left / stride_x >= WO) continue;
            int window = (rest * HO + top / stride_y) * WO + left / stride_x;
            sum += columns[((window * KH + ky) * KW + kx) * C + c];
        }
    }
    x[i] = bias ? sum + bias[c] : sum;
}
