// CUDA C on the host: enough of the language to run the project's kernels, one thread after the other.
//
// Included before a .cu file, which g++ then reads as C++. A kernel that waits (__syncthreads) runs its threads as
// fibers: each goes on until it waits or ends, then the next. Blocks and threads run in a shuffled order, so that a
// result which depends on the order shows. Atomics do not exist here: the kernels are to do without.

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)

using std::max;
using std::min;

struct Place { unsigned x, y, z; };
static Place threadIdx, blockIdx, blockDim, gridDim;

static inline int __popcll(unsigned long long word) { return __builtin_popcountll(word); }
static inline int __ffsll(unsigned long long word) { return __builtin_ffsll(word); }
template <class T> static inline T __ldg(const T* place) { return *place; }

// ---------------------------------------------------------------- fibers

struct Fiber { ucontext_t context; unsigned thread; bool ended; };

static const size_t STACK = 1 << 15;
static ucontext_t scheduler;
static Fiber* running;
static const std::function<void()>* body;

static void __syncthreads() { swapcontext(&running->context, &scheduler); }

static void fiber_main()
{
    (*body)();
    running->ended = true;
    swapcontext(&running->context, &scheduler);
}

// One block whose threads wait for each other; false when some ended while others waited.
static bool run_waiting(const std::vector<unsigned>& order)
{
    static std::vector<Fiber> fibers;
    static std::vector<char> stacks;
    fibers.resize(order.size());
    stacks.resize(order.size() * STACK);
    for (size_t i = 0; i < order.size(); ++i) {
        Fiber& fiber = fibers[i];
        fiber.thread = order[i];
        fiber.ended = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = &stacks[i * STACK];
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, fiber_main, 0);
    }
    for (size_t ended = 0; ended < fibers.size();) {
        if (ended) return false;
        for (Fiber& fiber : fibers) {
            running = &fiber;
            threadIdx.x = fiber.thread;
            swapcontext(&scheduler, &fiber.context);
            ended += fiber.ended;
        }
    }
    return true;
}

// ---------------------------------------------------------------- a launch

static std::vector<unsigned> shuffled(unsigned n, unsigned long long& seed)
{
    std::vector<unsigned> order(n);
    for (unsigned i = 0; i < n; ++i) order[i] = i;
    for (unsigned i = n; seed && i > 1; --i) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        std::swap(order[i - 1], order[(seed >> 33) % i]);
    }
    return order;
}

// seed 0 keeps the order of the indices
static int emulate(unsigned blocks, unsigned threads, unsigned long long seed, bool waits, std::function<void()> kernel)
{
    gridDim = {blocks, 1, 1};
    blockDim = {threads, 1, 1};
    threadIdx = {0, 0, 0};
    body = &kernel;
    for (unsigned block : shuffled(blocks, seed)) {
        blockIdx = {block, 0, 0};
        std::vector<unsigned> order = shuffled(threads, seed);
        if (waits) {
            if (!run_waiting(order)) return 1;
        } else {
            for (unsigned thread : order) {
                threadIdx.x = thread;
                kernel();
            }
        }
    }
    return 0;
}
