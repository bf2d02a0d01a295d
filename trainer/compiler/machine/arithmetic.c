/* The arithmetic that the machine does by itself, once per kind of processor. */
#include "machine.h"
#include <math.h>

/* s, t, u: numbers, the same for all elements; the other operands are blocks. */
#define EACH(value)                                                                                                     \
    INDEPENDENT for (npy_intp k = 0; k < n; k++) d[k] = value;                                                          \
    break

#define CHAIN(T, root, magnitude)                                                                                       \
    INLINE void chain_##T(const call *chain, int calls, char *const *q, npy_intp n) {                                   \
        for (const call *c = chain; c < chain + calls; c++) {                                                           \
            T *d = (T *)q[c->target];                                                                                   \
            const T *a = (const T *)q[c->take[0]], *b = (const T *)q[c->take[1]], *e = (const T *)q[c->take[2]];        \
            const T s = *(const T *)q[c->take[3]], t = *(const T *)q[c->take[4]], u = *(const T *)q[c->take[5]];        \
            switch (c->code) {                                                                                          \
            case NEGATIVE: EACH(-a[k]);                                                                                 \
            case SQUARE: EACH(a[k] * a[k]);                                                                             \
            case SQRT: EACH(root(a[k]));                                                                                \
            case ABSOLUTE: EACH(magnitude(a[k]));                                                                       \
            case ADD: EACH(a[k] + b[k]);                                                                                \
            case SUBTRACT: EACH(a[k] - b[k]);                                                                           \
            case MULTIPLY: EACH(a[k] * b[k]);                                                                           \
            case DIVIDE: EACH(a[k] / b[k]);                                                                             \
            case MAXIMUM: EACH(a[k] > b[k] || a[k] != a[k] ? a[k] : b[k]);                                              \
            case MINIMUM: EACH(a[k] < b[k] || a[k] != a[k] ? a[k] : b[k]);                                              \
            case GREATER: EACH(a[k] > b[k] ? 1 : 0);                                                                    \
            case GREATER_EQUAL: EACH(a[k] >= b[k] ? 1 : 0);                                                             \
            case LESS: EACH(a[k] < b[k] ? 1 : 0);                                                                       \
            case LESS_EQUAL: EACH(a[k] <= b[k] ? 1 : 0);                                                                \
            case EQUAL: EACH(a[k] == b[k] ? 1 : 0);                                                                     \
            case NOT_EQUAL: EACH(a[k] != b[k] ? 1 : 0);                                                                 \
            case AXPY: EACH(a[k] - s * b[k]);                                                                           \
            case MOVING_AVERAGE: EACH(s * a[k] + t * b[k]);                                                                       \
            case MOVING_SQUARE: EACH(s * a[k] + t * (b[k] * b[k]));                                                       \
            case ADAM_STEP: EACH(a[k] - s * (b[k] / (root(e[k]) * t + u)));                                             \
            case MULTIPLY_ADD: EACH(a[k] * b[k] + e[k]);                                                                \
            case TANH_VJP: EACH((s + a[k] * -a[k]) * b[k]);                                                            \
            case RELU_VJP: EACH(b[k] * (a[k] > s ? (T)1 : (T)0));                                                      \
            default: break;                                                                                             \
            }                                                                                                           \
        }                                                                                                               \
    }
CHAIN(npy_float, sqrtf, fabsf)
CHAIN(npy_double, sqrt, fabs)

/* Bits whose exponent is all ones carry into the sign when the exponent is raised by one. */
#define FINITE(T, U, exponent)                                                                                          \
    INLINE int finite_##T(const char *p, npy_intp n) {                                                                  \
        U found = 0, lowest = exponent & -exponent;                                                                     \
        for (npy_intp k = 0; k < n; k++) found |= (((const U *)p)[k] & exponent) + lowest;                              \
        return !(found >> (8 * sizeof(U) - 1));                                                                         \
    }
FINITE(npy_float, npy_uint32, 0x7f800000u)
FINITE(npy_double, npy_uint64, 0x7ff0000000000000u)

/* The largest or smallest of a row and of what was found before, and whether a number of the row is none. What starts the
 * row in whole vectors ends in `found` as it would one by one, unless it is zero or no number. */
#if defined(__GNUC__)
#define EXTREME_OF_VECTORS(T, I)                                                                                        \
    typedef T vector_##T __attribute__((vector_size(VECTOR), aligned(sizeof(T)), may_alias));                           \
    typedef I mask_##T __attribute__((vector_size(VECTOR)));                                                            \
    INLINE npy_intp vectors_##T(const T *a, npy_intp n, int most, T *found, int *odd) {                                 \
        enum { LANES = VECTOR / sizeof(T) };                                                                            \
        if (n < LANES) return 0;                                                                                        \
        vector_##T r = *(const vector_##T *)a;                                                                          \
        mask_##T none = {0}; /* all ones where a number is none */                                                      \
        npy_intp k = 0;                                                                                                 \
        for (; k < n - n % LANES; k += LANES) {                                                                         \
            const vector_##T x = *(const vector_##T *)(a + k);                                                          \
            const mask_##T better = most ? x > r : x < r;                                                               \
            none |= x != x;                                                                                             \
            r = (vector_##T)((better & (mask_##T)x) | (~better & (mask_##T)r));                                         \
        }                                                                                                               \
        for (int i = 0; i < LANES; i++) *odd |= none[i] != 0, *found = (most ? r[i] > *found : r[i] < *found) ? r[i] : *found; \
        return k;                                                                                                       \
    }
#else
#define EXTREME_OF_VECTORS(T, I)                                                                                        \
    INLINE npy_intp vectors_##T(const T *a, npy_intp n, int most, T *found, int *odd) { return 0; }
#endif
#define EXTREME(T, I)                                                                                                   \
    EXTREME_OF_VECTORS(T, I)                                                                                            \
    INLINE T extreme_##T(const T *a, npy_intp n, int most, T found, int *odd) {                                         \
        *odd = 0;                                                                                                       \
        for (npy_intp k = vectors_##T(a, n, most, &found, odd); k < n; k++) {                                           \
            *odd |= a[k] != a[k];                                                                                       \
            found = (most ? a[k] > found : a[k] < found) ? a[k] : found;                                                \
        }                                                                                                               \
        return found;                                                                                                   \
    }
EXTREME(npy_float, npy_int32)
EXTREME(npy_double, npy_int64)

/* Sum or maximum of short rows, which NumPy's loops would be called for one by one. As they do it: eight sums side by
 * side, then these two by two, then what is left; and a maximum that is zero or no number is left to them, for which zero
 * and which no number they find depends on how they look for it. The target of a maximum holds the row's first. */
#define REDUCTION(T)                                                                                                    \
    INLINE T sum_##T(const T *a, npy_intp n) {                                                                          \
        npy_intp k = 8;                                                                                                 \
        T r[8], sum = (T)-0.0;                                                                                          \
        if (n < 8) k = 0;                                                                                               \
        else {                                                                                                          \
            for (int i = 0; i < 8; i++) r[i] = a[i];                                                                    \
            for (; k < n - n % 8; k += 8)                                                                               \
                for (int i = 0; i < 8; i++) r[i] += a[k + i];                                                           \
            sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));                                    \
        }                                                                                                               \
        for (; k < n; k++) sum += a[k];                                                                                 \
        return sum;                                                                                                     \
    }                                                                                                                   \
    INLINE void reduce_##T(const instruction *in, char *t, npy_intp ts, char *s, npy_intp ss, npy_intp m) {             \
        npy_intp n = in->reduce.width;                                                                                         \
        for (; m > 0; m--, t += ts, s += ss) {                                                                          \
            T *target = (T *)t;                                                                                         \
            const T *row = (const T *)s;                                                                                \
            if (in->reduce.into_row) {                                                                                               \
                INDEPENDENT for (npy_intp k = 0; k < n; k++) target[k] += row[k];                                       \
            } else if (in->reduce.code == ADD) *target += sum_##T(row, n);                                                   \
            else {                                                                                                      \
                T found;                                                                                                \
                int odd;                                                                                                \
                if (in->reduce.code == MAXIMUM) found = extreme_##T(row, n, 1, *target, &odd);                          \
                else found = extreme_##T(row, n, 0, *target, &odd);                                                     \
                npy_intp rest = n - 1;                                                                                  \
                if (odd || found == 0 || found != found)                                                                \
                    in->loop((char *[]){t, s + sizeof(T), t}, &rest, (npy_intp[]){0, sizeof(T), 0}, in->loop_data);     \
                else *target = found;                                                                                   \
            }                                                                                                           \
        }                                                                                                               \
    }
REDUCTION(npy_float)
REDUCTION(npy_double)

/* The same loops for processors with longer vectors; which one runs is settled when the module is loaded. */
#define ARITHMETIC(name, target)                                                                                        \
    target static void chain_##name(const call *chain, int calls, char *const *q, npy_intp n, npy_intp size) {          \
        if (size == sizeof(npy_float)) chain_npy_float(chain, calls, q, n);                                             \
        else chain_npy_double(chain, calls, q, n);                                                                      \
    }                                                                                                                   \
    target static void reduce_##name(const instruction *in, char *t, npy_intp ts, char *s, npy_intp ss, npy_intp m) {   \
        if (in->size == sizeof(npy_float)) reduce_npy_float(in, t, ts, s, ss, m);                                       \
        else reduce_npy_double(in, t, ts, s, ss, m);                                                                    \
    }                                                                                                                   \
    target static int finite_##name(const char *p, npy_intp n, npy_intp size) {                                         \
        return size == sizeof(npy_float) ? finite_npy_float(p, n) : finite_npy_double(p, n);                            \
    }                                                                                                                   \
    static const arithmetic name = {chain_##name, reduce_##name, finite_##name};

ARITHMETIC(plain, )
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
ARITHMETIC(avx2, __attribute__((target("avx2"))))
ARITHMETIC(avx512, __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,prefer-vector-width=512"))))
const arithmetic *best_arithmetic(void) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return &avx512;
    return __builtin_cpu_supports("avx2") ? &avx2 : &plain;
}
#else
const arithmetic *best_arithmetic(void) { return &plain; }
#endif

const arithmetic *arith = &plain;
