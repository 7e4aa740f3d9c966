// Normalisation and ReLU in float32, channels last: x is a matrix (M, C), a row per pixel, and what belongs to a channel is a
// column. A column is added up by `lanes` threads, lane l taking the rows l, l + lanes, ...; then one thread adds up the
// lanes. The order never changes, so every run gives the same bits.

__device__ float total(const float* partial, int lanes, int C, int c)
{
    float sum = 0.0f;
    for (int lane = 0; lane < lanes; ++lane) sum += partial[lane * C + c];
    return sum;
}

// ---------------------------------------------------------------- batch normalisation: the batch's mean and variance

// partial (lanes, C): sums of x
extern "C" __global__ void column_sums(int lanes, int M, int C, const float* x, float* partial)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= lanes * C) return;
    float sum = 0.0f;
    for (int row = i / C; row < M; row += lanes) sum += x[row * C + i % C];
    partial[i] = sum;
}

extern "C" __global__ void batch_mean(int lanes, int M, int C, const float* partial, float* mean)
{
    unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < C) mean[c] = total(partial, lanes, C, c) / M;
}

// centred (M, C) = x - mean, and partial (lanes, C): sums of its squares
extern "C" __global__ void centre(
    int lanes, int M, int C, const float* x, const float* mean, float* centred, float* partial)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= lanes * C) return;
    float sum = 0.0f, middle = mean[i % C];
    for (int row = i / C; row < M; row += lanes) {
        float distance = x[row * C + i % C] - middle;
        centred[row * C + i % C] = distance;
        sum += distance * distance;
    }
    partial[i] = sum;
}

// The variance of each channel, and the running statistics, which may be null. unbiased is M / (M - 1).
extern "C" __global__ void batch_variance(
    int lanes, int M, int C, const float* partial, const float* mean, float* inv_std, float* running_mean,
    float* running_var, float eps, float momentum, float unbiased)
{
    unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= C) return;
    float var = total(partial, lanes, C, c) / M;
    inv_std[c] = 1.0f / sqrtf(var + eps);
    if (!running_mean) return;
    running_mean[c] += momentum * (mean[c] - running_mean[c]);
    running_var[c] += momentum * (var * unbiased - running_var[c]);
}

// and ReLU, when asked for
extern "C" __global__ void scale_and_shift(
    int count, int C, const float* centred, const float* inv_std, const float* weight, const float* bias, float* y,
    bool rectify)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int c = i % C;
    float value = centred[i] * (inv_std[c] * weight[c]) + bias[c];
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

// gradients (2, C): dweight, dbias
extern "C" __global__ void parameter_gradients(
    int lanes, int C, const float* partial, const float* inv_std, float* gradients)
{
    unsigned c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= C) return;
    gradients[c] = total(partial, lanes, C, c) * inv_std[c];
    gradients[C + c] = total(partial + lanes * C, lanes, C, c);
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
