// 3x3 convolutions (stride 1, padding 1) on CPUs by Winograd's minimal filtering, forward and backward, in f32.
//
// Terms. A *tile* is M x M outputs of one channel; it needs T x T inputs, T = M + 2. In the transformed domain a tile has T*T
// points, and the convolution is, for each point, a matrix product over channels: M*M*9 products become T*T (4 times fewer for
// M = 4, 3.24 times for M = 3). With transforms V = B'dB of the input and U = GgG' of the weights the output is
// y = A'(sum over channels of U V)A; the gradients are the adjoint of the same three steps, so they are exact but for rounding.
// Matrices: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), M = 4; M = 3 by the same
// construction (Cook and Toom) from the points 0, 1, -1, 2 and infinity. winograd.py transforms the weights and holds G.
//
// Tensors are channels-last; channels a multiple of LANES (one vector). A thread works through chunks of whole images, small
// enough for their transforms to stay in its cache, so that nothing transformed goes through main memory.
#include <torch/extension.h>

#ifndef _OPENMP
#error "compile with -fopenmp: without it at::parallel_for goes through its range on one core, and says nothing"
#endif

namespace {

#ifdef __AVX512F__
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));

template <int M>
struct Filter;

template <>
struct Filter<4> {
    static constexpr float BT[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                       {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
    static constexpr float AT[4][6] = {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
};

template <>
struct Filter<3> {
    static constexpr float BT[5][5] = {{2, -1, -2, 1, 0}, {0, -2, -1, 1, 0}, {0, 2, -3, 1, 0}, {0, -1, 0, 1, 0}, {0, 2, -1, -2, 1}};
    static constexpr float AT[3][5] = {{1, 1, 1, 1, 0}, {0, 1, -1, 2, 0}, {0, 1, 1, 4, 1}};
};

// The coefficient of a transform: as written, or transposed.
template <bool TRANSPOSED, int R, int K>
constexpr float coefficient(const float (&m)[R][K], int row, int col) {
    return TRANSPOSED ? m[col][row] : m[row][col];
}

// (m in)', where m is OUT x IN.
template <bool TRANSPOSED, int R, int K, int IN, int COLS, int OUT>
inline __attribute__((always_inline)) void turned_product(const float (&m)[R][K], const lanes (&in)[IN][COLS], lanes (&out)[COLS][OUT]) {
#pragma GCC unroll 8
    for (int r = 0; r < OUT; r++)
#pragma GCC unroll 8
        for (int j = 0; j < COLS; j++) {
            lanes sum = {};
#pragma GCC unroll 8
            for (int k = 0; k < IN; k++)
                if (coefficient<TRANSPOSED>(m, r, k) != 0) sum += coefficient<TRANSPOSED>(m, r, k) * in[k][j];
            out[j][r] = sum;
        }
}

// m in m', where m is OUT x IN.
template <bool TRANSPOSED, int R, int K, int IN, int OUT>
inline __attribute__((always_inline)) void sandwich(const float (&m)[R][K], const lanes (&in)[IN][IN], lanes (&out)[OUT][OUT]) {
    lanes half[IN][OUT];
    turned_product<TRANSPOSED>(m, in, half);
    turned_product<TRANSPOSED>(m, half, out);
}

inline lanes load(const float* at) { return *reinterpret_cast<const lanes*>(at); }
inline void store(float* at, lanes v) { *reinterpret_cast<lanes*>(at) = v; }

// Maps of `images` pictures, H x W pixels of C channels, cut into tiles with M outputs a side.
template <int M>
struct Maps {
    static constexpr int T = M + 2;
    int64_t images, H, W, C;
    int64_t down() const { return (H + M - 1) / M; }
    int64_t across() const { return (W + M - 1) / M; }
    int64_t tiles() const { return images * down() * across(); }

    // Calls `each` with a tile's number, its picture, its first row and column.
    template <class F>
    void walk(F each) const {
        int64_t p = 0;
        for (int64_t n = 0; n < images; n++)
            for (int64_t i = 0; i < down(); i++)
                for (int64_t j = 0; j < across(); j++) each(p++, n, i * M, j * M);
    }

    const float* pixel(const float* x, int64_t n, int64_t row, int64_t col) const {
        return row < 0 || row >= H || col < 0 || col >= W ? nullptr : x + ((n * H + row) * W + col) * C;
    }
    float* pixel(float* x, int64_t n, int64_t row, int64_t col) const {
        return const_cast<float*>(pixel(static_cast<const float*>(x), n, row, col));
    }

    // The points of tile p, channels from c on; `all` is T*T x tiles x C.
    void get(const float* all, int64_t p, int64_t c, lanes (&tile)[T][T]) const {
        for (int i = 0; i < T; i++)
            for (int j = 0; j < T; j++) tile[i][j] = load(all + ((i * T + j) * tiles() + p) * C + c);
    }
    void put(const lanes (&tile)[T][T], float* all, int64_t p, int64_t c) const {
        for (int i = 0; i < T; i++)
            for (int j = 0; j < T; j++) store(all + ((i * T + j) * tiles() + p) * C + c, tile[i][j]);
    }

    // V = B'dB: inputs to points, T*T x tiles x C.
    void input(const float* x, float* V) const {
        walk([&](int64_t p, int64_t n, int64_t top, int64_t left) {
            const float* at[T][T];
            for (int i = 0; i < T; i++)
                for (int j = 0; j < T; j++) at[i][j] = pixel(x, n, top - 1 + i, left - 1 + j);
            for (int64_t c = 0; c < C; c += LANES) {
                lanes d[T][T], v[T][T];
                for (int i = 0; i < T; i++)
                    for (int j = 0; j < T; j++) d[i][j] = at[i][j] ? load(at[i][j] + c) : lanes{};
                sandwich<false>(Filter<M>::BT, d, v);
                put(v, V, p, c);
            }
        });
    }

    // Its adjoint, dx = B dV B': overlapping tiles add up; `dx` is written over.
    void input_adjoint(const float* dV, float* dx) const {
        std::fill(dx, dx + images * H * W * C, 0.0f);
        walk([&](int64_t p, int64_t n, int64_t top, int64_t left) {
            float* at[T][T];
            for (int i = 0; i < T; i++)
                for (int j = 0; j < T; j++) at[i][j] = pixel(dx, n, top - 1 + i, left - 1 + j);
            for (int64_t c = 0; c < C; c += LANES) {
                lanes v[T][T], d[T][T];
                get(dV, p, c, v);
                sandwich<true>(Filter<M>::BT, v, d);
                for (int i = 0; i < T; i++)
                    for (int j = 0; j < T; j++)
                        if (at[i][j]) store(at[i][j] + c, load(at[i][j] + c) + d[i][j]);
            }
        });
    }

    // y = A'(points)A + bias.
    void output(const float* points, const float* bias, float* y) const {
        walk([&](int64_t p, int64_t n, int64_t top, int64_t left) {
            for (int64_t c = 0; c < C; c += LANES) {
                lanes m[T][T], out[M][M];
                get(points, p, c, m);
                sandwich<false>(Filter<M>::AT, m, out);
                for (int i = 0; i < M; i++)
                    for (int j = 0; j < M; j++)
                        if (float* at = pixel(y, n, top + i, left + j)) store(at + c, out[i][j] + load(bias + c));
            }
        });
    }

    // Its adjoint: A dy A'.
    void output_adjoint(const float* dy, float* points) const {
        walk([&](int64_t p, int64_t n, int64_t top, int64_t left) {
            for (int64_t c = 0; c < C; c += LANES) {
                lanes d[M][M], m[T][T];
                for (int i = 0; i < M; i++)
                    for (int j = 0; j < M; j++) {
                        const float* at = pixel(dy, n, top + i, left + j);
                        d[i][j] = at ? load(at + c) : lanes{};
                    }
                sandwich<true>(Filter<M>::AT, d, m);
                put(m, points, p, c);
            }
        });
    }
};

using torch::Tensor;

// Every thread gets a run of images, and goes through it `chunk` at a time; `each(thread, first, count)`.
template <class F>
void by_chunks(int64_t images, int64_t chunk, F each) {
    const int64_t threads = std::min<int64_t>(at::get_num_threads(), images);
    at::parallel_for(0, threads, 1, [&](int64_t from, int64_t to) {
        at::AutoDispatchBelowADInplaceOrView no_autograd;
        for (int64_t t = from; t < to; t++) {
            const int64_t last = images * (t + 1) / threads;
            for (int64_t first = images * t / threads; first < last; first += chunk)
                each(t, first, std::min(chunk, last - first));
        }
    });
}

void check(const Tensor& x, const char* name) {
    TORCH_CHECK(x.scalar_type() == torch::kFloat && x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
                    x.size(1) % LANES == 0,
                name, ": expected f32, channels last, channels a multiple of ", LANES, "; got ", x.sizes());
}

// x: N x Cin x H x W; U: T*T x Cin x Cout.
template <int M>
Tensor forward(const Tensor& x, const Tensor& U, const Tensor& bias, int64_t chunk) {
    constexpr int T = M + 2;
    check(x, "input");
    const int64_t N = x.size(0), Cin = x.size(1), H = x.size(2), W = x.size(3), Cout = U.size(2);
    Tensor y = torch::empty({N, Cout, H, W}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
    by_chunks(N, chunk, [&](int64_t, int64_t first, int64_t count) {
        const Maps<M> in{count, H, W, Cin}, out{count, H, W, Cout};
        Tensor V = at::empty({T * T, in.tiles(), Cin}, x.options());
        in.input(x.data_ptr<float>() + first * H * W * Cin, V.data_ptr<float>());
        Tensor points = at::bmm(V, U);
        out.output(points.data_ptr<float>(), bias.data_ptr<float>(), y.data_ptr<float>() + first * H * W * Cout);
    });
    return y;
}

// dx (undefined where not wanted) and dU.
template <int M>
std::tuple<Tensor, Tensor> backward(const Tensor& x, const Tensor& U, const Tensor& dy, bool wants_dx, int64_t chunk) {
    constexpr int T = M + 2;
    check(x, "input");
    check(dy, "gradient");
    const int64_t N = x.size(0), Cin = x.size(1), H = x.size(2), W = x.size(3), Cout = U.size(2);
    Tensor dx = wants_dx ? torch::empty_like(x) : Tensor();
    const Tensor Ut = U.transpose(1, 2);
    std::vector<Tensor> sums(at::get_num_threads());
    by_chunks(N, chunk, [&](int64_t thread, int64_t first, int64_t count) {
        const Maps<M> in{count, H, W, Cin}, out{count, H, W, Cout};
        Tensor V = at::empty({T * T, in.tiles(), Cin}, x.options()), points = at::empty({T * T, in.tiles(), Cout}, x.options());
        in.input(x.data_ptr<float>() + first * H * W * Cin, V.data_ptr<float>());
        out.output_adjoint(dy.data_ptr<float>() + first * H * W * Cout, points.data_ptr<float>());
        Tensor& sum = sums[thread];
        if (sum.defined())
            sum.baddbmm_(V.transpose(1, 2), points);
        else
            sum = at::bmm(V.transpose(1, 2), points);
        if (wants_dx) {
            Tensor dV = at::bmm_out(V, points, Ut);
            in.input_adjoint(dV.data_ptr<float>(), dx.data_ptr<float>() + first * H * W * Cin);
        }
    });
    Tensor dU = sums[0];
    for (size_t t = 1; t < sums.size(); t++)
        if (sums[t].defined()) dU.add_(sums[t]);
    return {dx, dU};
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
    py::call_guard<py::gil_scoped_release> free;
    module.def("forward3", &forward<3>, free);
    module.def("forward4", &forward<4>, free);
    module.def("backward3", &backward<3>, free);
    module.def("backward4", &backward<4>, free);
}
