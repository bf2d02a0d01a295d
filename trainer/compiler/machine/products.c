/* Products of matrices with the bits of OpenBLAS, where the processor can do better than it does.
 *
 * NumPy's OpenBLAS takes its Haswell kernels on every processor with AVX2 that it has none for. They sum along k in one
 * chain of fused operations for most elements and in two, for even and odd places, for the others, which are columns in
 * blocks of eight at the edges of its tiles; what is left of eight places goes on in the first. Long sums are cut, and
 * the pieces added in turn. Which element is summed how is found by trial (products.py), and said here by a class for
 * each row and block of columns; then wider vectors, and no copies of small matrices, give the same bits in half the
 * time. Its kernels for AVX-512 sum in one chain and cut elsewhere. Sums are added to 0 in the end, so that none is -0,
 * but for those of small products there: adding them to -0 leaves them as they are. */
#include "machine.h"

#define PANEL 64          /* columns that are gone through at a time, at least */
#define WIDEST 1024       /* and at most, where sums are short: then rows of c are written in long runs */
#define NEAR (128 * 1024) /* bytes of b that stay in the second cache, while c goes through it as well */

/* How many columns a panel has, of sums whose longest piece has so many places. */
static npy_intp panel_of(const instruction *in, npy_intp longest) {
    npy_intp most = (in->matmul.m + PANEL - 1) / PANEL * PANEL, near = NEAR / (longest * in->size) / PANEL * PANEL;
    if (most > WIDEST) most = WIDEST;
    return near < PANEL ? PANEL : near < most ? near : most;
}

static npy_intp longest_piece(const instruction *in) {
    npy_intp longest = 1;
    for (npy_intp piece = 0, q = 0; piece < in->matmul.pieces; q = in->matmul.cuts[piece++])
        if (in->matmul.cuts[piece] - q > longest) longest = in->matmul.cuts[piece] - q;
    return longest;
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

#define TILE 6 /* rows of a tile: with four vectors of columns, as many sums as there are registers for */

/* What is multiplied: a (R, k) and b (k, N vectors) into c (R, N vectors). Strides count elements. Meanwhile the lines of
 * c are asked for, and those at `soon`, one for each place along k, so far apart. */
#define KERNEL(name, T, V, LOAD, STORE, SET, FMA, ADD, ZERO)                                                           \
    INLINE void tile_##name(                                                                                           \
        const T *a, npy_intp ar, npy_intp ak, const T *b, npy_intp bk, T *c, npy_intp cr, npy_intp k, int R, int N,    \
        int two, int more, T zero, const T *soon, npy_intp apart) {                                                    \
        enum { W = sizeof(V) / sizeof(T) };                                                                            \
        V even[TILE][4], odd[TILE][4], x[4];                                                                           \
        npy_intp q = 0, pairs = two ? k - k % 8 : k - 1; /* what is left of a double chain goes on in one */           \
        for (int i = 0; i < R; i++)                                                                                    \
            for (int j = 0; j < N; j++) {                                                                              \
                even[i][j] = odd[i][j] = ZERO();                                                                       \
                __builtin_prefetch(c + i * cr + j * W, 1);                                                             \
            }                                                                                                          \
        for (; q < pairs; q += 2, a += 2 * ak, b += 2 * bk, soon += 2 * apart) {                                       \
            for (int i = 0; i < 2 && N > 1; i++) __builtin_prefetch(soon + i * apart, 0, 2);                           \
            for (int j = 0; j < N; j++) x[j] = LOAD(b + j * W);                                                        \
            for (int i = 0; i < R; i++)                                                                                \
                for (int j = 0; j < N; j++) even[i][j] = FMA(SET(a[i * ar]), x[j], even[i][j]);                        \
            for (int j = 0; j < N; j++) x[j] = LOAD(b + bk + j * W);                                                   \
            for (int i = 0; i < R; i++)                                                                                \
                for (int j = 0; j < N; j++)                                                                            \
                    if (two) odd[i][j] = FMA(SET(a[ak + i * ar]), x[j], odd[i][j]);                                    \
                    else even[i][j] = FMA(SET(a[ak + i * ar]), x[j], even[i][j]);                                      \
        }                                                                                                              \
        for (; q < k; q++, a += ak, b += bk)                                                                           \
            for (int i = 0; i < R; i++)                                                                                \
                for (int j = 0; j < N; j++) even[i][j] = FMA(SET(a[i * ar]), LOAD(b + j * W), even[i][j]);             \
        for (int i = 0; i < R; i++)                                                                                    \
            for (int j = 0; j < N; j++) {                                                                              \
                T *place = c + i * cr + j * W;                                                                         \
                V sum = two ? ADD(even[i][j], odd[i][j]) : even[i][j];                                                 \
                STORE(place, ADD(more ? LOAD(place) : SET(zero), sum));                                                \
            }                                                                                                          \
    }                                                                                                                  \
    /* A tile of a size that the compiler knows. */                                                                    \
    NOINLINE static void sized_##name(                                                                                 \
        const T *a, npy_intp ar, npy_intp ak, const T *b, npy_intp bk, T *c, npy_intp cr, npy_intp k, int R, int N,    \
        int two, int more, T zero, const T *soon, npy_intp apart) {                                                    \
        switch (two << 6 | R << 3 | N) {                                                                               \
            ROWS_OF(name, 1, 0) ROWS_OF(name, 2, 0) ROWS_OF(name, 3, 0) ROWS_OF(name, 4, 0) ROWS_OF(name, 1, 1)        \
            ROWS_OF(name, 2, 1)                                                                                        \
        }                                                                                                              \
    }
/* Rows of b's panel behind one another, each so wide. Where its columns are dense, squares of it are turned in vectors:
 * those of one half are laid between those of the other, element by element, so that the first bit of an element's place
 * in the square becomes the last, until the bits of row and column have changed places. */
#define PACK(name, T, V, LOAD, STORE)                                                                                  \
    INLINE void turn_##name(T *t, npy_intp width, const T *b, npy_intp bm) {                                           \
        enum { W = sizeof(V) / sizeof(T) };                                                                            \
        typedef __typeof__((V){0} < (V){0}) places;                                                                    \
        V x[W], y[W];                                                                                                  \
        places low, high;                                                                                              \
        for (int i = 0; i < W; i++) x[i] = LOAD(b + i * bm), low[i] = i / 2 + i % 2 * W, high[i] = low[i] + W / 2;     \
        for (int turns = 1; turns < W; turns *= 2) {                                                                   \
            for (int i = 0; i < W; i++) y[i] = __builtin_shuffle(x[i / 2], x[i / 2 + W / 2], i % 2 ? high : low);      \
            for (int i = 0; i < W; i++) x[i] = y[i];                                                                   \
        }                                                                                                              \
        for (int i = 0; i < W; i++) STORE(t + i * width, x[i]);                                                        \
    }                                                                                                                  \
    static void pack_##name(T *t, npy_intp width, const T *b, npy_intp bk, npy_intp bm, npy_intp k, npy_intp m) {      \
        enum { W = sizeof(V) / sizeof(T) };                                                                            \
        if (bm == 1) {                                                                                                 \
            for (npy_intp q = 0; q < k; q++) memcpy(t + q * width, b + q * bk, (size_t)m * sizeof(T));                 \
            return;                                                                                                    \
        }                                                                                                              \
        npy_intp j = 0;                                                                                                \
        for (; bk == 1 && j + W <= m; j += W) {                                                                        \
            npy_intp q = 0;                                                                                            \
            for (; q + W <= k; q += W) turn_##name(t + q * width + j, width, b + q + j * bm, bm);                      \
            for (; q < k; q++)                                                                                         \
                for (npy_intp i = 0; i < W; i++) t[q * width + j + i] = b[q + (j + i) * bm];                           \
        }                                                                                                              \
        for (; j < m; j++)                                                                                             \
            for (npy_intp q = 0; q < k; q++) t[q * width + j] = b[q * bk + j * bm];                                    \
    }
#define ROWS_OF(name, N, two)                                                                                          \
    SIZE(name, 1, N, two) SIZE(name, 2, N, two) SIZE(name, 3, N, two) SIZE(name, 4, N, two) SIZE(name, 5, N, two)      \
    SIZE(name, 6, N, two)
#define SIZE(name, R, N, two)                                                                                          \
    case two << 6 | R << 3 | N:                                                                                        \
        if (more) tile_##name(a, ar, ak, b, bk, c, cr, k, R, N, two, 1, zero, soon, apart);                            \
        else tile_##name(a, ar, ak, b, bk, c, cr, k, R, N, two, 0, zero, soon, apart);                                 \
        break;

/* One product. `most` is the number of vectors that a tile of single chains may have; of double ones it is half. A piece
 * of the sums is done for all rows before the next one, so that the part of b's panel that it takes stays near. */
#define PRODUCT(name, T, V, most, narrow)                                                                              \
    NOINLINE static void product_##name(const instruction *in, const char *pa, const char *pb, char *pc) {             \
        enum { W = sizeof(V) / sizeof(T), BLOCKS = W > 8 ? W / 8 : 1 };                                                \
        const npy_intp n = in->matmul.n, m = in->matmul.m, *s = in->matmul.stride;                                     \
        const npy_intp ar = s[0] / (npy_intp)sizeof(T), ak = s[1] / (npy_intp)sizeof(T), bk = s[2] / (npy_intp)sizeof(T), \
                       bm = s[3] / (npy_intp)sizeof(T), cr = s[4] / (npy_intp)sizeof(T), blocks = (m + 7) / 8;         \
        const T zero = (T)in->matmul.zero;                                                                             \
        T *packed = (T *)(((uintptr_t)in->matmul.buffer + VECTOR - 1) / VECTOR * VECTOR);                              \
        const npy_intp panel = panel_of(in, longest_piece(in));                                                        \
        _Alignas(VECTOR) T whole[TILE * PANEL];                                                                        \
        for (npy_intp start = 0, columns; start < m; start += columns) {                                               \
            columns = m - start < panel ? m - start : panel;                                                           \
            if (columns > PANEL) columns -= columns % PANEL; /* what is left is a panel by itself */                   \
            const int vectors = (int)((columns + W - 1) / W), part = columns % W != 0;                                 \
            const int packs = bm != 1 || part || (n >= 48 && bk * (npy_intp)sizeof(T) >= 2048);                        \
            for (npy_intp piece = 0, q = 0, k; piece < in->matmul.pieces; piece++, q += k) {                           \
                k = in->matmul.cuts[piece] - q;                                                                        \
                const T *b = (const T *)pb + start * bm + q * bk;                                                      \
                const npy_intp step = packs ? vectors * W : bk;                                                        \
                if (part) memset(packed, 0, (size_t)(k * step) * sizeof(T)); /* whole vectors are multiplied */        \
                if (packs) pack_##name(packed, step, b, bk, bm, k, columns), b = packed;                               \
                /* Rows of b's next part, which the first tiles ask for, where each is far from the one before. */     \
                const int last = piece + 1 == in->matmul.pieces, ends = bm != 1 || (last && start + columns == m);     \
                const T *next = (const T *)pb + (last ? start + columns : start + (q + k) * bk);                       \
                int group = 0;                                                                                         \
                for (npy_intp row = 0, R; row < n; row += R, group++) {                                                \
                    const unsigned char *class = in->matmul.classes + row * in->matmul.blocks;                         \
                    for (R = 1; R < TILE && row + R < n && !memcmp(class, class + R * in->matmul.blocks, (size_t)blocks);) R++; \
                    const T *a = (const T *)pa + row * ar + q * ak;                                                    \
                    T *c = part ? whole : (T *)pc + row * cr + start;                                                  \
                    const npy_intp width = part ? PANEL : cr;                                                          \
                    for (npy_intp i = 0; part && piece && i < R; i++)                                                  \
                        memcpy(whole + i * PANEL, (T *)pc + (row + i) * cr + start, (size_t)columns * sizeof(T));      \
                    for (int v = 0, N; v < vectors; v += N) {                                                          \
                        const unsigned char *of = class + (start + v * W) / 8, two = of[0] == 2;                       \
                        const int mixed = BLOCKS > 1 && (start + v * W) / 8 + 1 < blocks && of[0] != of[1];            \
                        for (N = 1; !mixed && N < (two ? most / 2 : most) && v + N < vectors; N++) {                   \
                            const unsigned char *then = class + (start + (v + N) * W) / 8;                             \
                            if (then[0] != of[0] || (BLOCKS > 1 && then + 1 < class + blocks && then[1] != of[0])) break; \
                        }                                                                                              \
                        if (!mixed) {                                                                                  \
                            const int asks = !ends && group < N;                                                       \
                            const T *soon = asks ? next + (v + group) * W : a;                                         \
                            sized_##name(                                                                              \
                                a, ar, ak, b + v * W, step, c + v * W, width, k, (int)R, N, two, piece > 0, zero, soon, asks ? bk : 0); \
                            continue;                                                                                  \
                        }                                                                                              \
                        for (int block = 0; block < BLOCKS; block++) /* each in its way, by vectors as wide as it is */ \
                            sized_##narrow(                                                                            \
                                a, ar, ak, b + v * W + block * 8, step, c + v * W + block * 8, width, k, (int)R, 1,    \
                                of[block] == 2, piece > 0, zero, a, 0);                                                \
                    }                                                                                                  \
                    for (npy_intp i = 0; part && i < R; i++)                                                           \
                        memcpy((T *)pc + (row + i) * cr + start, whole + i * PANEL, (size_t)columns * sizeof(T));      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

#pragma GCC push_options
#pragma GCC target("avx2,fma")
KERNEL(float_8, npy_float, __m256, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_setzero_ps)
KERNEL(double_4, npy_double, __m256d, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_add_pd, _mm256_setzero_pd)
PACK(float_8, npy_float, __m256, _mm256_loadu_ps, _mm256_storeu_ps)
PACK(double_4, npy_double, __m256d, _mm256_loadu_pd, _mm256_storeu_pd)
PRODUCT(float_8, npy_float, __m256, 2, float_8)
PRODUCT(double_4, npy_double, __m256d, 2, double_4)
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f")
KERNEL(float_16, npy_float, __m512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_setzero_ps)
KERNEL(double_8, npy_double, __m512d, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_add_pd, _mm512_setzero_pd)
PACK(float_16, npy_float, __m512, _mm512_loadu_ps, _mm512_storeu_ps)
PACK(double_8, npy_double, __m512d, _mm512_loadu_pd, _mm512_storeu_pd)
PRODUCT(float_16, npy_float, __m512, 4, float_8)
PRODUCT(double_8, npy_double, __m512d, 4, double_4)
#pragma GCC pop_options

int product_width(void) {
    if (__builtin_cpu_supports("avx512f")) return 64;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 32 : 0;
}

product_function product_of(npy_intp width, npy_intp size) {
    const int single = size == sizeof(npy_float);
    if (width > product_width()) return NULL;
    if (width == 64) return single ? product_float_16 : product_double_8;
    return width == 32 ? single ? product_float_8 : product_double_4 : NULL;
}
#else
int product_width(void) { return 0; }

product_function product_of(npy_intp width, npy_intp size) { return NULL; }
#endif

/* Bytes that the packed part of a panel takes. */
size_t product_room(const instruction *in) {
    const npy_intp longest = longest_piece(in);
    return (size_t)(longest * panel_of(in, longest) * in->size + VECTOR);
}
