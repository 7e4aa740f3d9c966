// Normalisation and ReLU in float32, channels last: x is a matrix (M, C), a row per pixel, and what belongs to a channel is a
// column. A column is added up by `lanes` threads, lane l taking the rows l, l + lanes, ...; then one block adds up the
// lanes. The order never changes, so every run gives the same bits.

// The sum of what the 256 threads of a block bring, for all of them; the next call must wait behind __syncthreads.
__device__ float sum_of_block(float mine)
{
    __shared__ float sums[256];
    sums[threadIdx.x] = mine;
    for (int half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    __syncthreads();
    return sums[0];
}

// ---------------------------------------------------------------- batch normalisation: the batch's mean and variance

// partial (2, lanes, C): of the rows of each lane their sum, and the sum of their squared distances from their own mean
extern "C" __global__ void column_moments(int lanes, int M, int C, const float* x, float* partial)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= lanes * C) return;
    int lane = i / C, c = i % C, rows = (M - lane + lanes - 1) / lanes;
    float sum = 0.0f, squares = 0.0f;
    for (int row = lane; row < M; row += lanes) sum += x[row * C + c];
    float mean = sum / rows;
    for (int row = lane; row < M; row += lanes) {  // once more, out of the cache
        float distance = x[row * C + c] - mean;
        squares += distance * distance;
    }
    partial[i] = sum;
    partial[lanes * C + i] = squares;
}

// The mean and variance of each channel, a block for one, and the running statistics, which may be null. A lane's squares
// are moved to the mean of all by its rows times the distance of the means (Chan, Golub and LeVeque). unbiased: M / (M - 1)
extern "C" __global__ void batch_statistics(
    int lanes, int M, int C, const float* partial, float* mean, float* inv_std, float* running_mean,
    float* running_var, float eps, float momentum, float unbiased)
{
    int c = blockIdx.x;
    float sum = 0.0f, squares = 0.0f;
    for (int lane = threadIdx.x; lane < lanes; lane += blockDim.x) sum += partial[lane * C + c];
    float middle = sum_of_block(sum) / M;
    for (int lane = threadIdx.x; lane < lanes; lane += blockDim.x) {
        int rows = (M - lane + lanes - 1) / lanes;
        float distance = partial[lane * C + c] / rows - middle;
        squares += partial[(lanes + lane) * C + c] + rows * distance * distance;
    }
    __syncthreads();
    float var = sum_of_block(squares) / M;
    if (threadIdx.x > 0) return;
    mean[c] = middle;
    inv_std[c] = 1.0f / sqrtf(var + eps);
    if (!running_mean) return;
    running_mean[c] += momentum * (middle - running_mean[c]);
    running_var[c] += momentum * (var * unbiased - running_var[c]);
}

// centred = x - mean, which the way back needs, and y; and ReLU, when asked for
extern "C" __global__ void normalize(
    int count, int C, const float* x, const float* mean, const float* inv_std, const float* weight, const float* bias,
    float* centred, float* y, bool rectify)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int c = i % C;
    float distance = x[i] - mean[c], value = distance * (inv_std[c] * weight[c]) + bias[c];
    centred[i] = distance;
    y[i] = rectify && value <= 0.0f ? 0.0f : value;
}

// ---------------------------------------------------------------- its way back

// What is left of a gradient behind a ReLU that returned y; without one, y is null
__device__ float behind_relu(float d, const float* y, int i) { return y ? d * (y[i] > 0.0f ? 1.0f : 0.0f) : d; }

// partial (2, lanes, C): sums of dy * centred, then of dy
extern "C" __global__ void gradient_sums(
    int lanes, int M, int C, const float* dy, const float* y, const float* centred, float* partial)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= lanes * C) return;
    float along = 0.0f, sum = 0.0f;
    for (int row = i / C; row < M; row += lanes) {
        float d = behind_relu(dy[row * C + i % C], y, row * C + i % C);
        along += d * centred[row * C + i % C];
        sum += d;
    }
    partial[i] = along;
    partial[lanes * C + i] = sum;
}

// gradients (2, C): dweight, dbias; a block for each number of them
extern "C" __global__ void parameter_gradients(
    int lanes, int C, const float* partial, const float* inv_std, float* gradients)
{
    int c = blockIdx.x % C;
    const float* of_kind = partial + blockIdx.x / C * lanes * C;
    float sum = 0.0f;
    for (int lane = threadIdx.x; lane < lanes; lane += blockDim.x) sum += of_kind[lane * C + c];
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) gradients[blockIdx.x] = blockIdx.x < C ? sum * inv_std[c] : sum;
}

// dx = weight * inv_std * (dy - dbias / M - xhat * dweight / M)
extern "C" __global__ void batch_norm_dx(
    int count, int M, int C, const float* dy, const float* y, const float* centred, const float* inv_std,
    const float* weight, const float* gradients, float* dx)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int c = i % C;
    float along = centred[i] * (inv_std[c] * gradients[c] / -(float)M);
    dx[i] = (along + behind_relu(dy[i], y, i) - gradients[C + c] / M) * (weight[c] * inv_std[c]);
}

// ---------------------------------------------------------------- frozen statistics

// One pass: y = (x - mean) * inv_std * weight + bias, and inv_std (C,) for the cache
extern "C" __global__ void frozen_batch_norm(
    int count, int C, const float* x, const float* weight, const float* bias, const float* mean, const float* var,
    float* y, float* inv_std, float eps)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int c = i % C;
    float inverse = 1.0f / sqrtf(var[c] + eps);
    float scale = inverse * weight[c];
    y[i] = x[i] * scale + (bias[c] - mean[c] * scale);
    if (i < C) inv_std[i] = inverse;
}

// ---------------------------------------------------------------- ReLU

extern "C" __global__ void relu_dx(int count, const float* dy, const float* y, float* dx)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[i] = dy[i] * (y[i] > 0.0f ? 1.0f : 0.0f);
}
