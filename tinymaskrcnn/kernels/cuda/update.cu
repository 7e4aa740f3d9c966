// One step of an optimizer in one pass over flat arrays; the same operations in the same order as the readable text.

// v = momentum v + g + decay w, then w = w - rate v; the rate is read: it changes from step to step, arguments do not
extern "C" __global__ void sgd_update(
    int count, float* value, const float* grad, float* velocity, const float* rate, float momentum, float decay)
{
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float v = velocity[i] * momentum + grad[i];
    if (decay != 0.0f) v += decay * value[i];
    velocity[i] = v;
    value[i] -= rate[0] * v;
}
