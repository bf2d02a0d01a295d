/* A small virtual machine that runs a program on NumPy's own inner loops.
 *
 * A ufunc object carries its inner loops: plain C functions of pointers, a length and strides, which need no interpreter
 * lock (numpy/ufuncobject.h). The machine walks a table of instructions and calls them, with strided loops around them.
 * It knows nothing of networks or ops; Python decides what each instruction is and hands over arrays, and every pointer,
 * length and stride here is read off those arrays, whose bounds NumPy has checked. Indices that come from data are
 * checked where they are used.
 *
 *     LOOP     an inner loop over operands of one shape (a reduction's output has stride 0 on the reduced axes)
 *     FUSED    a chain of arithmetic on operands of one shape, block by block
 *     REDUCE   what LOOP does for a sum or a maximum, for short rows
 *     MATMUL   np.matmul's inner loop on matrices, with strided loops over the axes before the last two
 *     COPY     elements of one size from one place to another
 *     CAST     elements of one type to another
 *     FILL     one element into every place
 *     WHERE    elements from one of two places, by a mask
 *     GATHER   elements picked along an axis by indices
 *     STREAM   COPY, with the source or the target moving on by a fixed distance in every iteration
 *     RANDOM   uniform numbers, those of NumPy's Philox generator, at a step that is read where it runs
 *     CHECK    stop where a number is not finite
 *     CALL     anything else: a Python callable, with the interpreter lock
 */
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <Python.h>
#include <math.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>
#include <string.h>

#define MAX_OPERANDS 16
#define MAX_AXES 16
#define MAX_CALLS 24
#define REGISTERS 16
#define BLOCK 2048 /* bytes of each operand that go through a chain at a time: a few of them stay in the nearest cache */
#define VECTOR 64  /* bytes; what is spread out over a block may reach so far beyond it */

enum kind { LOOP, FUSED, REDUCE, MATMUL, COPY, CAST, FILL, WHERE, GATHER, STREAM, RANDOM, CHECK, CALL, KINDS };

/* Operands that are walked together: axes from the slowest to the fastest, the last of them given to the inner loop. */
typedef struct {
    int operands, axes;
    npy_intp shape[MAX_AXES];
    npy_intp stride[MAX_OPERANDS][MAX_AXES];
    char *data[MAX_OPERANDS];
} walk;

/* One call of a chain. Operands are numbered first, then registers: blocks in the nearest cache. */
typedef struct {
    unsigned char code, target, take[7];
} call;

typedef struct {
    enum kind kind;
    walk walk;
    call *chain;         /* FUSED: calls and, per operand, whether its elements are brought into a block first */
    int calls;
    char staged[MAX_OPERANDS];
    char types[MAX_OPERANDS];
    npy_intp width;      /* FUSED, REDUCE: elements of a row */
    PyUFuncGenericFunction loop; /* LOOP, MATMUL */
    void *loop_data;
    npy_intp core[10];   /* MATMUL: n, k, m and the strides of the three matrices */
    npy_intp size;       /* bytes of an element */
    npy_intp length;     /* GATHER: how many there are along the axis; STREAM: how many iterations */
    npy_intp along;      /* GATHER: the source's stride on that axis; STREAM: bytes from one iteration to the next */
    int moving;          /* STREAM: which of target and source moves on */
    int from, to;        /* CAST: type numbers */
    unsigned long long key[2]; /* RANDOM */
    PyObject *callable;  /* CALL */
} instruction;

typedef struct {
    PyObject_HEAD
    instruction *table;
    Py_ssize_t count;
    PyObject *keep; /* every object that an instruction points into */
} machine;

/* What a chain may consist of, and how many operands it takes. Every operation rounds by itself, as in NumPy: nothing
 * here may be contracted or reordered by the compiler. The longer ones are there because they spare a walk through the
 * nearest cache: an average that moves, by its value or its square; a step; a step over a root; and the derivatives of
 * tanh and relu. */
enum code {
    NEGATIVE, SQUARE, SQRT, ABSOLUTE, ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, GREATER, GREATER_EQUAL, LESS,
    LESS_EQUAL, EQUAL, NOT_EQUAL, STEP, MOVE, MOVE_SQUARE, STEP_ROOT, TANH_BACK, RELU_BACK, CODES
};
static const int takes[CODES] = {1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 5, 5, 6, 4, 4};

/* ---- Arithmetic ------------------------------------------------------------------------------------------------- */

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INLINE static inline
#define INDEPENDENT
#endif

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
            case STEP: EACH(a[k] - s * b[k]);                                                                           \
            case MOVE: EACH(s * a[k] + t * b[k]);                                                                       \
            case MOVE_SQUARE: EACH(s * a[k] + t * (b[k] * b[k]));                                                       \
            case STEP_ROOT: EACH(a[k] - s * (b[k] / (root(e[k]) * t + u)));                                             \
            case TANH_BACK: EACH((s + a[k] * -a[k]) * b[k]);                                                            \
            case RELU_BACK: EACH(b[k] * (a[k] > s ? (T)1 : (T)0));                                                      \
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
        npy_intp n = in->width;                                                                                         \
        for (; m > 0; m--, t += ts, s += ss) {                                                                          \
            T *target = (T *)t;                                                                                         \
            const T *row = (const T *)s;                                                                                \
            if (in->to) {                                                                                               \
                INDEPENDENT for (npy_intp k = 0; k < n; k++) target[k] += row[k];                                       \
            } else if (in->moving == ADD) *target += sum_##T(row, n);                                                   \
            else {                                                                                                      \
                T found = *target;                                                                                      \
                int odd = 0;                                                                                            \
                for (npy_intp k = 0; k < n; k++) {                                                                      \
                    odd |= row[k] != row[k];                                                                            \
                    if (in->moving == MAXIMUM) found = row[k] > found ? row[k] : found;                                 \
                    else found = row[k] < found ? row[k] : found;                                                       \
                }                                                                                                       \
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
typedef struct {
    void (*chain)(const call *chain, int calls, char *const *q, npy_intp n, npy_intp size);
    void (*reduce)(const instruction *in, char *t, npy_intp ts, char *s, npy_intp ss, npy_intp m);
    int (*finite)(const char *p, npy_intp n, npy_intp size);
} arithmetic;

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
static const arithmetic *best_arithmetic(void) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return &avx512;
    return __builtin_cpu_supports("avx2") ? &avx2 : &plain;
}
#else
static const arithmetic *best_arithmetic(void) { return &plain; }
#endif
static const arithmetic *arith = &plain;

/* ---- Setting up, with the interpreter lock ------------------------------------------------------------------------ */

static npy_intp magnitude(PyObject *array, int axis) {
    npy_intp stride = PyArray_STRIDE((PyArrayObject *)array, axis);
    return stride < 0 ? -stride : stride;
}

/* Whether axis `outer` should come inside of axis `inner`: 1 or 0, or -1 where the strides do not tell. A stride of 0
 * tells nothing; where operands disagree, the order that stands wins. So does NumPy's iterator. */
static int swaps(PyObject *const *arrays, int operands, int outer, int inner) {
    int answer = -1;
    for (int i = 0; i < operands; i++) {
        npy_intp a = magnitude(arrays[i], outer), b = magnitude(arrays[i], inner);
        if (a == 0 || b == 0) continue;
        if (b <= a) answer = 0;
        else if (answer < 0) answer = 1;
    }
    return answer;
}

/* Read the operands' places, drop axes of length 1, put the axes in memory order, from the slowest to the fastest, and
 * merge those that follow each other without a gap in every operand. A reduction adds in this order. */
static int prepare(walk *w, PyObject *const *arrays, int operands) {
    if (operands > MAX_OPERANDS) {
        PyErr_Format(PyExc_ValueError, "%d operands, and %d at most", operands, MAX_OPERANDS);
        return -1;
    }
    int axes = 0, order[NPY_MAXDIMS]; /* from the fastest to the slowest, while sorting */
    PyArrayObject *first = (PyArrayObject *)arrays[0];
    int ndim = PyArray_NDIM(first);
    for (int i = 0; i < operands; i++) {
        PyArrayObject *a = (PyArrayObject *)arrays[i];
        if (PyArray_NDIM(a) != ndim || !PyArray_CompareLists(PyArray_DIMS(a), PyArray_DIMS(first), ndim)) {
            PyErr_SetString(PyExc_ValueError, "the operands of an instruction must be arrays of one shape");
            return -1;
        }
        w->data[i] = PyArray_BYTES(a);
    }
    w->operands = operands;
    for (int axis = ndim - 1; axis >= 0; axis--) {
        if (PyArray_DIM(first, axis) == 1) continue;
        int place = axes;
        for (int k = axes - 1; k >= 0; k--) {
            int answer = swaps(arrays, operands, axis, order[k]);
            if (answer == 0) break;
            if (answer == 1) place = k;
        }
        memmove(order + place + 1, order + place, sizeof(int) * (size_t)(axes - place));
        order[place] = axis;
        axes++;
    }
    for (int k = 0; k < axes / 2; k++) {
        int other = order[axes - 1 - k];
        order[axes - 1 - k] = order[k];
        order[k] = other;
    }
    int merged = 0;
    for (int k = 0; k < axes; k++) {
        npy_intp length = PyArray_DIM(first, order[k]);
        int joins = merged > 0;
        for (int i = 0; joins && i < operands; i++) {
            npy_intp stride = PyArray_STRIDE((PyArrayObject *)arrays[i], order[k]);
            joins = w->stride[i][merged - 1] == stride * length;
        }
        if (!joins && merged == MAX_AXES) {
            PyErr_Format(PyExc_ValueError, "more than %d axes that cannot be merged", MAX_AXES);
            return -1;
        }
        if (!joins) merged++;
        w->shape[merged - 1] = joins ? w->shape[merged - 1] * length : length;
        for (int i = 0; i < operands; i++)
            w->stride[i][merged - 1] = PyArray_STRIDE((PyArrayObject *)arrays[i], order[k]);
    }
    if (merged == 0) { /* a single element */
        w->shape[0] = 1;
        for (int i = 0; i < operands; i++) w->stride[i][0] = 0;
        merged = 1;
    }
    w->axes = merged;
    return 0;
}

static int find_loop(instruction *in, PyObject *ufunc, PyObject *const *arrays) {
    if (!PyObject_TypeCheck(ufunc, &PyUFunc_Type)) {
        PyErr_SetString(PyExc_TypeError, "an inner loop belongs to a ufunc");
        return -1;
    }
    PyUFuncObject *f = (PyUFuncObject *)ufunc;
    for (int k = 0; k < f->ntypes; k++) {
        int same = 1;
        for (int i = 0; same && i < f->nargs; i++)
            same = f->types[k * f->nargs + i] == PyArray_TYPE((PyArrayObject *)arrays[i]);
        if (same && f->functions && f->functions[k]) {
            in->loop = f->functions[k];
            in->loop_data = f->data ? f->data[k] : NULL;
            return 0;
        }
    }
    PyErr_Format(PyExc_LookupError, "%s has no inner loop for these types", f->name);
    return -1;
}

static int arrays_of(PyObject *tuple, PyObject **arrays, Py_ssize_t wanted) {
    if (!PyTuple_Check(tuple) || (wanted >= 0 && PyTuple_GET_SIZE(tuple) != wanted) ||
        PyTuple_GET_SIZE(tuple) > MAX_OPERANDS || PyTuple_GET_SIZE(tuple) < 1) {
        PyErr_SetString(PyExc_ValueError, "an instruction has the wrong number of operands");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        arrays[i] = PyTuple_GET_ITEM(tuple, i);
        if (!PyArray_Check(arrays[i])) {
            PyErr_SetString(PyExc_TypeError, "operands are arrays");
            return -1;
        }
        if (!PyArray_ISALIGNED((PyArrayObject *)arrays[i]) || PyArray_ISBYTESWAPPED((PyArrayObject *)arrays[i])) {
            PyErr_SetString(PyExc_ValueError, "operands are aligned and of the machine's byte order");
            return -1;
        }
    }
    return (int)PyTuple_GET_SIZE(tuple);
}

static int same_size(PyObject *const *arrays, int a, int b) {
    if (PyArray_ITEMSIZE((PyArrayObject *)arrays[a]) == PyArray_ITEMSIZE((PyArrayObject *)arrays[b])) return 0;
    PyErr_SetString(PyExc_ValueError, "source and target differ in the size of their elements");
    return -1;
}

/* np.matmul on (…, n, k) and (…, k, m): the matrices' own axes go to the inner loop. */
static int prepare_matmul(instruction *in, PyObject *const *arrays) {
    static const int first[3] = {0, 1, 0}, second[3] = {1, 2, 2}; /* which of n, k, m an operand's axes are */
    PyArrayObject *a[3];
    for (int i = 0; i < 3; i++) {
        a[i] = (PyArrayObject *)arrays[i];
        if (PyArray_NDIM(a[i]) != PyArray_NDIM((PyArrayObject *)arrays[0]) || PyArray_NDIM(a[i]) < 2 ||
            PyArray_NDIM(a[i]) > MAX_AXES) {
            PyErr_SetString(PyExc_ValueError, "matmul takes matrices of one number of axes");
            return -1;
        }
    }
    int ndim = PyArray_NDIM(a[0]);
    npy_intp n = PyArray_DIM(a[0], ndim - 2), k = PyArray_DIM(a[0], ndim - 1), m = PyArray_DIM(a[1], ndim - 1);
    npy_intp dims[3] = {n, k, m};
    in->core[0] = n, in->core[1] = k, in->core[2] = m;
    in->walk.operands = 3;
    in->walk.axes = ndim - 2;
    for (int i = 0; i < 3; i++) {
        if (PyArray_DIM(a[i], ndim - 2) != dims[first[i]] || PyArray_DIM(a[i], ndim - 1) != dims[second[i]]) {
            PyErr_SetString(PyExc_ValueError, "matmul's matrices do not fit");
            return -1;
        }
        in->core[3 + 2 * i] = PyArray_STRIDE(a[i], ndim - 2);
        in->core[4 + 2 * i] = PyArray_STRIDE(a[i], ndim - 1);
        in->walk.data[i] = PyArray_BYTES(a[i]);
        for (int axis = 0; axis < ndim - 2; axis++) {
            if (PyArray_DIM(a[i], axis) != PyArray_DIM(a[0], axis)) {
                PyErr_SetString(PyExc_ValueError, "matmul's stacks of matrices do not fit");
                return -1;
            }
            in->walk.shape[axis] = PyArray_DIM(a[i], axis);
            in->walk.stride[i][axis] = PyArray_STRIDE(a[i], axis);
        }
    }
    return 0;
}

/* Whether two operands lie in memory that overlaps, from the first element to the last. */
static int overlap(const walk *w, int a, int b) {
    npy_intp low[2] = {0, 0}, high[2] = {1, 1};
    for (int axis = 0; axis < w->axes; axis++) {
        npy_intp reach[2] = {w->stride[a][axis] * (w->shape[axis] - 1), w->stride[b][axis] * (w->shape[axis] - 1)};
        for (int i = 0; i < 2; i++) *(reach[i] < 0 ? &low[i] : &high[i]) += reach[i];
    }
    return w->data[a] + low[0] < w->data[b] + high[1] && w->data[b] + low[1] < w->data[a] + high[0];
}

/* A chain: a tuple of (code, target, what it takes …), in which operands are numbered first and then registers. What is
 * written is dense, and apart from all that it is not equal to. Short rows go through the chain several at a time; what
 * is not dense over them, such as a number per row, or not of the chain's type, is staged in a block. */
static int prepare_chain(instruction *in, PyObject *chain, PyObject *const *arrays, int operands) {
    walk *w = &in->walk;
    const npy_intp size = PyArray_ITEMSIZE((PyArrayObject *)arrays[operands - 1]);
    const int type = PyArray_TYPE((PyArrayObject *)arrays[operands - 1]);
    int last = w->axes - 1, good = PyTuple_Check(chain), written[MAX_OPERANDS] = {0};
    Py_ssize_t calls = good ? PyTuple_GET_SIZE(chain) : 0;
    good = good && calls > 0 && calls <= MAX_CALLS && (type == NPY_FLOAT || type == NPY_DOUBLE);
    in->size = size;
    in->calls = (int)calls;
    in->chain = PyMem_Calloc(MAX_CALLS, sizeof(call));
    if (!in->chain) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; good && k < in->calls; k++) {
        PyObject *numbers = PyTuple_GET_ITEM(chain, k);
        good = PyTuple_Check(numbers) && PyTuple_GET_SIZE(numbers) >= 3 && PyTuple_GET_SIZE(numbers) <= 8;
        for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(numbers); i++) {
            long number = PyLong_AsLong(PyTuple_GET_ITEM(numbers, i));
            good = number >= 0 && number < (i == 0 ? CODES : operands + REGISTERS);
            ((unsigned char *)&in->chain[k])[i] = (unsigned char)number;
        }
        good = good && PyTuple_GET_SIZE(numbers) == 2 + takes[in->chain[k].code];
        if (good && in->chain[k].target < operands) written[in->chain[k].target] = 1;
    }
    int together = last > 0 && w->shape[last] * size <= BLOCK / 2;
    for (int i = 0; good && i < operands; i++) {
        in->types[i] = (char)PyArray_TYPE((PyArrayObject *)arrays[i]);
        good = in->types[i] == type || (!written[i] && (in->types[i] == NPY_INT64 || in->types[i] == NPY_BOOL));
        if (!written[i]) continue;
        good = good && (w->stride[i][last] == size || (w->shape[last] == 1 && last == 0));
        together = together && w->stride[i][last - 1] == w->shape[last] * size;
        for (int k = 0; good && k < operands; k++) {
            size_t strides = sizeof(npy_intp) * (size_t)w->axes;
            int equal = w->data[i] == w->data[k] && !memcmp(w->stride[i], w->stride[k], strides);
            good = equal || !overlap(w, i, k);
        }
    }
    in->width = together ? w->shape[last] : 1;
    for (int i = 0; i < operands; i++) {
        int dense = together ? w->stride[i][last] == size && w->stride[i][last - 1] == in->width * size
                             : w->stride[i][last] == size || (w->shape[last] == 1 && last == 0);
        in->staged[i] = (char)(!dense || in->types[i] != type);
    }
    if (together) w->axes--;
    if (!good && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the operands do not suit a chain");
    return good ? 0 : -1;
}

/* A reduction by addition or maximum: target and source. Rows are dense, and either each comes down to a number of the
 * target's or all of them to one row there. */
static int prepare_reduction(instruction *in) {
    walk *w = &in->walk;
    int last = w->axes - 1;
    if (w->axes < MAX_AXES && last == 0) { /* a single row */
        w->axes = 2, last = 1;
        w->shape[1] = w->shape[0], w->shape[0] = 1;
        for (int i = 0; i < 2; i++) w->stride[i][1] = w->stride[i][0], w->stride[i][0] = 0;
    }
    in->width = w->shape[last];
    int to_number = w->stride[0][last] == 0 && (in->moving != ADD || in->width <= 128); /* then NumPy adds otherwise */
    int to_row = w->stride[0][last] == in->size && w->stride[0][last - 1] == 0 && in->moving == ADD;
    if (w->stride[1][last] != in->size || (!to_number && !to_row)) {
        PyErr_SetString(PyExc_ValueError, "the operands do not suit a reduction");
        return -1;
    }
    in->to = to_row;
    w->axes--;
    return 0;
}

/* An axis to move along: `whole` is the array, `first` the part of it at the axis's first place. */
static int along_axis(instruction *in, PyObject *whole, PyObject *first, npy_intp axis) {
    PyArrayObject *a = (PyArrayObject *)whole;
    if (!PyArray_Check(whole) || axis < 0 || axis >= PyArray_NDIM(a) ||
        PyArray_BYTES(a) != PyArray_BYTES((PyArrayObject *)first)) {
        PyErr_SetString(PyExc_ValueError, "the operand does not begin where the axis does");
        return -1;
    }
    in->length = PyArray_DIM(a, axis);
    in->along = PyArray_STRIDE(a, axis);
    return 0;
}

static int build(instruction *in, PyObject *item) {
    long kind;
    PyObject *what, *operands, *arrays[MAX_OPERANDS];
    npy_intp extra = 0;
    if (!PyArg_ParseTuple(item, "lOO|n", &kind, &what, &operands, &extra)) return -1;
    if (kind < 0 || kind >= KINDS) {
        PyErr_Format(PyExc_ValueError, "there is no instruction %ld", kind);
        return -1;
    }
    in->kind = (enum kind)kind;
    if (kind == CALL) {
        in->callable = what;
        return 0;
    }
    int count = arrays_of(operands, arrays, -1);
    if (count < 0) return -1;
    in->size = PyArray_ITEMSIZE((PyArrayObject *)arrays[0]);
    switch (in->kind) {
    case LOOP:
        if (PyObject_TypeCheck(what, &PyUFunc_Type) && ((PyUFuncObject *)what)->nargs != count) {
            PyErr_SetString(PyExc_ValueError, "a ufunc has another number of operands");
            return -1;
        }
        if (find_loop(in, what, arrays) < 0) return -1;
        return prepare(&in->walk, arrays, count);
    case FUSED:
        return prepare(&in->walk, arrays, count) < 0 ? -1 : prepare_chain(in, what, arrays, count);
    case REDUCE: /* target, source; `extra` says by what; `what` is the ufunc, for the cases that are left to it */
        if (count != 2 || (extra != ADD && extra != MAXIMUM && extra != MINIMUM)) return -1;
        in->moving = (int)extra;
        if (PyArray_TYPE((PyArrayObject *)arrays[0]) != NPY_FLOAT && PyArray_TYPE((PyArrayObject *)arrays[0]) != NPY_DOUBLE)
            return -1;
        if (find_loop(in, what, (PyObject *[3]){arrays[0], arrays[1], arrays[0]}) < 0) return -1;
        return prepare(&in->walk, arrays, 2) < 0 ? -1 : prepare_reduction(in);
    case MATMUL:
        if (count != 3 || find_loop(in, what, arrays) < 0) return -1;
        return prepare_matmul(in, arrays);
    case COPY: /* target, source */
    case FILL:
        if (count != 2 || same_size(arrays, 0, 1) < 0) return -1;
        return prepare(&in->walk, arrays, 2);
    case CAST:
        if (count != 2) return -1;
        in->to = PyArray_TYPE((PyArrayObject *)arrays[0]);
        in->from = PyArray_TYPE((PyArrayObject *)arrays[1]);
        if (in->to != NPY_FLOAT && in->to != NPY_DOUBLE && in->to != NPY_INT64) return -1;
        if (in->from != NPY_BOOL && in->from != NPY_FLOAT && in->from != NPY_DOUBLE && in->from != NPY_INT64) return -1;
        return prepare(&in->walk, arrays, 2);
    case WHERE: /* target, mask, where true, where false */
        if (count != 4 || PyArray_TYPE((PyArrayObject *)arrays[1]) != NPY_BOOL || same_size(arrays, 0, 2) < 0 ||
            same_size(arrays, 0, 3) < 0)
            return -1;
        return prepare(&in->walk, arrays, 4);
    case GATHER: /* target, indices, what at place 0 of axis `extra`, spread out to their shape */
        if (count != 3 || PyArray_TYPE((PyArrayObject *)arrays[1]) != NPY_INT64 || same_size(arrays, 0, 2) < 0)
            return -1;
        if (along_axis(in, what, arrays[2], extra) < 0) return -1;
        return prepare(&in->walk, arrays, 3);
    case STREAM: /* target, source; operand `extra` is the first of what's first axis, and moves along it */
        if (count != 2 || extra < 0 || extra > 1 || same_size(arrays, 0, 1) < 0) return -1;
        if (along_axis(in, what, arrays[extra], 0) < 0) return -1;
        in->moving = (int)extra;
        return prepare(&in->walk, arrays, 2);
    case RANDOM: /* target, dense; the step */
        in->to = PyArray_TYPE((PyArrayObject *)arrays[0]);
        if (count != 2 || (in->to != NPY_FLOAT && in->to != NPY_DOUBLE) || !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)arrays[0]))
            return -1;
        if (PyArray_TYPE((PyArrayObject *)arrays[1]) != NPY_INT64 || PyArray_SIZE((PyArrayObject *)arrays[1]) != 1) return -1;
        if (!PyArg_ParseTuple(what, "KK", &in->key[0], &in->key[1])) return -1;
        in->length = PyArray_SIZE((PyArrayObject *)arrays[0]);
        in->walk.data[0] = PyArray_DATA((PyArrayObject *)arrays[0]);
        in->walk.data[1] = PyArray_DATA((PyArrayObject *)arrays[1]);
        return 0;
    case CHECK:
        in->from = PyArray_TYPE((PyArrayObject *)arrays[0]);
        if (count != 1 || (in->from != NPY_FLOAT && in->from != NPY_DOUBLE)) return -1;
        return prepare(&in->walk, arrays, 1);
    default:
        return -1;
    }
}

/* ---- Running, without the interpreter lock ------------------------------------------------------------------------- */

/* Call `body` on every row of the walk: the pointers of its operands, with the last axis left to do. With `count` a
 * number that the compiler knows, the loops over the operands unroll. */
#define ROWS(w, count, body)                                                                                                   \
    do {                                                                                                                \
        const int last = (w)->axes - 1;                                                                                 \
        npy_intp at[MAX_AXES] = {0};                                                                                    \
        char *p[MAX_OPERANDS];                                                                                          \
        memcpy(p, (w)->data, sizeof(char *) * (size_t)(count));                                                   \
        int more_rows = 1;                                                                                              \
        for (int axis = 0; axis <= last; axis++) more_rows &= (w)->shape[axis] > 0;                                     \
        while (more_rows) {                                                                                             \
            body;                                                                                                       \
            int axis = last - 1;                                                                                        \
            for (; axis >= 0; axis--) {                                                                                 \
                for (int i = 0; i < (count); i++) p[i] += (w)->stride[i][axis];                                   \
                if (++at[axis] < (w)->shape[axis]) break;                                                               \
                for (int i = 0; i < (count); i++) p[i] -= (w)->stride[i][axis] * (w)->shape[axis];                \
                at[axis] = 0;                                                                                           \
            }                                                                                                           \
            more_rows = axis >= 0;                                                                                      \
        }                                                                                                               \
    } while (0)

static void run_loop(const instruction *in) {
    const walk *w = &in->walk;
    npy_intp steps[MAX_OPERANDS], n = w->shape[w->axes - 1];
    char *args[MAX_OPERANDS]; /* a loop may move its pointers on as it goes */
    for (int i = 0; i < w->operands; i++) steps[i] = w->stride[i][w->axes - 1];
    #define CALL_LOOP(count) ROWS(w, count, memcpy(args, p, sizeof(char *) * (size_t)(count)); in->loop(args, &n, steps, in->loop_data))
    switch (w->operands) {
    case 2: CALL_LOOP(2); break;
    case 3: CALL_LOOP(3); break;
    default: CALL_LOOP(w->operands);
    }
}

/* One element in many places; up to a vector's length further is written. */
static void fill(char *place, npy_intp n, double value, npy_intp size) {
    if (size == sizeof(npy_float)) {
        npy_float *t = (npy_float *)place, v = (npy_float)value;
        for (npy_intp k = 0; k < n; k += 16)
            for (int i = 0; i < 16; i++) t[k + i] = v;
    } else {
        npy_double *t = (npy_double *)place;
        for (npy_intp k = 0; k < n; k += 8)
            for (int i = 0; i < 8; i++) t[k + i] = value;
    }
}

static double number_at(const char *p, int type) {
    switch (type) {
    case NPY_FLOAT: return *(const npy_float *)p;
    case NPY_DOUBLE: return *(const npy_double *)p;
    case NPY_INT64: return (double)*(const npy_int64 *)p;
    default: return *(const npy_bool *)p;
    }
}

/* Ask for memory that will be needed soon. */
static void fetch(const char *p, npy_intp bytes) {
#if defined(__GNUC__)
    for (npy_intp k = 0; k < bytes; k += VECTOR) __builtin_prefetch(p + k);
#endif
}

/* Bring so many rows of an operand into a block. */
static void stage(const instruction *in, int i, char *block, const char *p, npy_intp rows) {
    const walk *w = &in->walk;
    npy_intp outer = w->stride[i][w->axes - 1], inner = in->width > 1 ? w->stride[i][w->axes] : 0, width = in->width;
    npy_intp row = width * in->size;
    if (width == 1 && outer == 0) fill(block, rows, number_at(p, in->types[i]), in->size);
    else if (inner == 0)
        for (npy_intp k = 0; k < rows; k++) fill(block + k * row, width, number_at(p + k * outer, in->types[i]), in->size);
    else if (inner == in->size && in->types[i] != NPY_INT64 && in->types[i] != NPY_BOOL)
        for (npy_intp k = 0; k < rows; k++) memcpy(block + k * row, p + k * outer, (size_t)row);
    else
        for (npy_intp k = 0; k < rows; k++)
            for (npy_intp j = 0; j < width; j++)
                fill(block + k * row + j * in->size, 1, number_at(p + k * outer + j * inner, in->types[i]), in->size);
}

static void run_fused(const instruction *in) {
    _Alignas(VECTOR) char blocks[(MAX_OPERANDS + REGISTERS) * (BLOCK + VECTOR)];
    char *q[MAX_OPERANDS + REGISTERS];
    const walk *w = &in->walk;
    const int count = w->operands, last_axis = w->axes - 1;
    const npy_intp rows = w->shape[last_axis], width = in->width, most = BLOCK / in->size / width;
    for (int i = 0; i < count + REGISTERS; i++) q[i] = blocks + i * (BLOCK + VECTOR);
    ROWS(w, count, for (npy_intp start = 0; start < rows; start += most) {
        const npy_intp piece = rows - start < most ? rows - start : most;
        for (int i = 0; i < count; i++) {
            char *at_start = p[i] + start * w->stride[i][last_axis];
            if (!in->staged[i]) q[i] = at_start;
            else if (start == 0 || w->stride[i][last_axis] != 0) stage(in, i, q[i], at_start, piece);
        }
        arith->chain(in->chain, in->calls, q, piece * width, in->size);
    });
}

static void run_reduce(const instruction *in) {
    const walk *w = &in->walk;
    const npy_intp m = w->shape[w->axes - 1], ts = w->stride[0][w->axes - 1], ss = w->stride[1][w->axes - 1];
    ROWS(w, 2, arith->reduce(in, p[0], ts, p[1], ss, m));
}

static void run_matmul(const instruction *in) {
    const walk *w = &in->walk;
    npy_intp dims[4] = {1, in->core[0], in->core[1], in->core[2]};
    npy_intp steps[9] = {0, 0, 0};
    memcpy(steps + 3, in->core + 3, 6 * sizeof(npy_intp));
    npy_intp total = 1, at[MAX_AXES] = {0};
    for (int axis = 0; axis < w->axes; axis++) total *= w->shape[axis];
    char *p[3] = {w->data[0], w->data[1], w->data[2]};
    while (total-- > 0) {
        char *args[3] = {p[0], p[1], p[2]};
        in->loop(args, dims, steps, in->loop_data);
        for (int axis = w->axes - 1; axis >= 0; axis--) {
            for (int i = 0; i < 3; i++) p[i] += w->stride[i][axis];
            if (++at[axis] < w->shape[axis]) break;
            for (int i = 0; i < 3; i++) p[i] -= w->stride[i][axis] * w->shape[axis];
            at[axis] = 0;
        }
    }
}

#define ELEMENTS(type, n, target, ts, source, ss)                                                                       \
    for (npy_intp k = 0; k < (n); k++) *(type *)((target) + k * (ts)) = *(const type *)((source) + k * (ss))

static void copy_row(char *t, npy_intp ts, const char *s, npy_intp ss, npy_intp n, npy_intp size) {
    if (ts == size && ss == size) {
        memmove(t, s, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: ELEMENTS(npy_uint8, n, t, ts, s, ss); return;
    case 4: ELEMENTS(npy_uint32, n, t, ts, s, ss); return;
    case 8: ELEMENTS(npy_uint64, n, t, ts, s, ss); return;
    default:
        for (npy_intp k = 0; k < n; k++) memcpy(t + k * ts, s + k * ss, (size_t)size);
    }
}

/* `ahead`: how many bytes the target and the source have moved on. */
static void run_copy(const instruction *in, const npy_intp ahead[2]) {
    const walk *w = &in->walk;
    npy_intp n = w->shape[w->axes - 1], ts = w->stride[0][w->axes - 1], ss = w->stride[1][w->axes - 1];
    ROWS(w, 2, copy_row(p[0] + ahead[0], ts, p[1] + ahead[1], ss, n, in->size));
}

static void run_stream(const instruction *in, npy_intp iteration) {
    npy_intp ahead[2] = {0, 0};
    ahead[in->moving] = iteration * in->along;
    run_copy(in, ahead);
}

/* The first loop is one that compilers vectorise. */
#define CAST_ROW(to, from)                                                                                              \
    if (ts == sizeof(to) && ss == sizeof(from))                                                                         \
        for (npy_intp k = 0; k < n; k++) ((to *)p[0])[k] = (to)((const from *)p[1])[k];                                 \
    else                                                                                                                \
        for (npy_intp k = 0; k < n; k++) *(to *)(p[0] + k * ts) = (to) * (const from *)(p[1] + k * ss)
#define CAST_FROM(from_type)                                                                                            \
    switch (in->to) {                                                                                                   \
    case NPY_FLOAT: ROWS(w, 2, CAST_ROW(npy_float, from_type)); return;                                                    \
    case NPY_DOUBLE: ROWS(w, 2, CAST_ROW(npy_double, from_type)); return;                                                  \
    default: ROWS(w, 2, CAST_ROW(npy_int64, from_type)); return;                                                           \
    }

static void run_cast(const instruction *in) {
    const walk *w = &in->walk;
    npy_intp n = w->shape[w->axes - 1], ts = w->stride[0][w->axes - 1], ss = w->stride[1][w->axes - 1];
    switch (in->from) {
    case NPY_BOOL: CAST_FROM(npy_bool)
    case NPY_FLOAT: CAST_FROM(npy_float)
    case NPY_DOUBLE: CAST_FROM(npy_double)
    default: CAST_FROM(npy_int64)
    }
}

static void run_where(const instruction *in) {
    const walk *w = &in->walk;
    const int last_axis = w->axes - 1;
    npy_intp n = w->shape[last_axis], s[4];
    for (int i = 0; i < 4; i++) s[i] = w->stride[i][last_axis];
    ROWS(w, 4, for (npy_intp k = 0; k < n; k++) {
        const char *from = *(npy_bool *)(p[1] + k * s[1]) ? p[2] + k * s[2] : p[3] + k * s[3];
        memcpy(p[0] + k * s[0], from, (size_t)in->size);
    });
}

/* An index, counted from the front; −1 where it lies outside of the axis. */
static npy_int64 row_at(const char *p, npy_intp length) {
    npy_int64 index = *(const npy_int64 *)p;
    if (index < 0) index += length;
    return index < 0 || index >= length ? -1 : index;
}

/* Returns whether every index was one. */
static int run_gather(const instruction *in) {
    const walk *w = &in->walk;
    const int last_axis = w->axes - 1;
    npy_intp n = w->shape[last_axis], s[3];
    int good = 1;
    for (int i = 0; i < 3; i++) s[i] = w->stride[i][last_axis];
    ROWS(w, 3, for (npy_intp k = 0; k < n; k++) {
        npy_int64 index = row_at(p[1] + k * s[1], in->length);
        if (in->size > 4 * VECTOR && k + 2 < n) {
            npy_int64 next = row_at(p[1] + (k + 2) * s[1], in->length);
            if (next >= 0) fetch(p[2] + (k + 2) * s[2] + next * in->along, in->size);
        }
        if (index < 0) good = 0;
        else if (in->size == 4) memcpy(p[0] + k * s[0], p[2] + k * s[2] + index * in->along, 4);
        else if (in->size == 8) memcpy(p[0] + k * s[0], p[2] + k * s[2] + index * in->along, 8);
        else memcpy(p[0] + k * s[0], p[2] + k * s[2] + index * in->along, (size_t)in->size);
    });
    return good;
}

static npy_uint64 high_product(npy_uint64 a, npy_uint64 b) {
    npy_uint64 al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
    npy_uint64 low = al * bl, m = ah * bl + (low >> 32), n = al * bh + (m & 0xffffffff);
    return ah * bh + (m >> 32) + (n >> 32);
}

/* Block `number` of Philox 4×64 with ten rounds (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011). */
static void philox(npy_uint64 block[4], npy_uint64 number, npy_uint64 step, const unsigned long long key[2]) {
    npy_uint64 c[4] = {number, 0, 0, step}, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        npy_uint64 a = c[0], b = c[2];
        c[0] = high_product(0xCA5A826395121157u, b) ^ c[1] ^ k0;
        c[1] = 0xCA5A826395121157u * b;
        c[2] = high_product(0xD2E7470EE14C6C93u, a) ^ c[3] ^ k1;
        c[3] = 0xD2E7470EE14C6C93u * a;
        k0 += 0x9E3779B97F4A7C15u;
        k1 += 0xBB67AE8584CAA73Bu;
    }
    memcpy(block, c, sizeof c);
}

/* NumPy counts before it draws, so its first block is number 1. A double takes 53 bits of a word, a float 24 bits of each
 * half, the lower one first. */
static void run_random(const instruction *in) {
    npy_uint64 block[4], step = (npy_uint64) * (const npy_int64 *)in->walk.data[1];
    int each = in->to == NPY_DOUBLE ? 4 : 8;
    for (npy_intp i = 0; i < in->length; i++) {
        int place = (int)(i % each);
        if (place == 0) philox(block, (npy_uint64)(i / each) + 1, step, in->key);
        if (in->to == NPY_DOUBLE)
            ((double *)in->walk.data[0])[i] = (double)(block[place] >> 11) * (1.0 / 9007199254740992.0);
        else
            ((float *)in->walk.data[0])[i] = (float)((npy_uint32)(block[place / 2] >> (place % 2 * 32)) >> 8) * (1.0f / 16777216.0f);
    }
}

static int finite_row(const char *p, npy_intp n, npy_intp stride, npy_intp size) {
    int good = 1;
    if (stride == size || n == 1) { /* from the end, which was written last, to the start, which is read next */
        for (npy_intp start = (n - 1) / BLOCK * BLOCK; good && start >= 0; start -= BLOCK)
            good = arith->finite(p + start * size, n - start < BLOCK ? n - start : BLOCK, size);
        return good;
    }
    for (npy_intp k = 0; k < n; k++) good &= arith->finite(p + k * stride, 1, size);
    return good;
}

static int is_finite(const instruction *in) {
    const walk *w = &in->walk;
    npy_intp n = w->shape[w->axes - 1], stride = w->stride[0][w->axes - 1];
    int good = 1;
    ROWS(w, 1, good = good && finite_row(p[0], n, stride, in->size));
    return good;
}

static int call_back(const instruction *in, PyThreadState **saved) {
    PyEval_RestoreThread(*saved);
    PyObject *result = PyObject_CallNoArgs(in->callable);
    int failed = result == NULL;
    Py_XDECREF(result);
    *saved = PyEval_SaveThread();
    return failed ? -1 : 0;
}

/* run(start, stop): iterations start … stop − 1 of the table. Returns how many were completed: fewer than asked for
 * where a CHECK found a value that is not finite. */
static PyObject *machine_run(machine *self, PyObject *args) {
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "nn", &start, &stop)) return NULL;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if (start < 0 || (self->table[i].kind == STREAM && stop > self->table[i].length)) {
            PyErr_Format(PyExc_ValueError, "iterations %zd to %zd do not fit the streams", start, stop);
            return NULL;
        }
    }
    Py_ssize_t iteration = start;
    int failed = 0, wrong_index = 0, halted = 0;
    PyThreadState *saved = PyEval_SaveThread();
    for (; iteration < stop && !failed && !wrong_index && !halted; iteration++) {
        for (Py_ssize_t i = 0; i < self->count; i++) {
            const instruction *in = &self->table[i];
            switch (in->kind) {
            case LOOP: run_loop(in); break;
            case FUSED: run_fused(in); break;
            case REDUCE: run_reduce(in); break;
            case MATMUL: run_matmul(in); break;
            case COPY:
            case FILL: run_copy(in, (npy_intp[2]){0, 0}); break;
            case CAST: run_cast(in); break;
            case WHERE: run_where(in); break;
            case GATHER: wrong_index = !run_gather(in); break;
            case STREAM: run_stream(in, iteration); break;
            case RANDOM: run_random(in); break;
            case CHECK: halted = !is_finite(in); break;
            case CALL: failed = call_back(in, &saved); break;
            default: break;
            }
            if (failed || wrong_index || halted) break;
        }
        if (failed || wrong_index || halted) break;
    }
    PyEval_RestoreThread(saved);
    if (failed || PyErr_Occurred()) return NULL; /* an inner loop may raise on its own: an integer to a negative power */
    if (wrong_index) {
        PyErr_Format(PyExc_IndexError, "an index in iteration %zd lies outside of its axis", iteration);
        return NULL;
    }
    return PyLong_FromSsize_t(iteration - start);
}

static PyObject *machine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *items;
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &items)) return NULL;
    machine *self = (machine *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->keep = PyList_AsTuple(items);
    self->count = PyList_GET_SIZE(items);
    self->table = PyMem_Calloc((size_t)(self->count ? self->count : 1), sizeof(instruction));
    if (!self->keep || !self->table) {
        int no_memory = self->keep != NULL;
        Py_DECREF(self);
        return no_memory ? PyErr_NoMemory() : NULL;
    }
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if (build(&self->table[i], PyTuple_GET_ITEM(self->keep, i)) < 0) {
            if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "instruction %zd cannot be used", i);
            Py_DECREF(self);
            return NULL;
        }
    }
    return (PyObject *)self;
}

static int machine_traverse(machine *self, visitproc visit, void *arg) {
    Py_VISIT(self->keep);
    return 0;
}

static int machine_clear(machine *self) {
    for (Py_ssize_t i = 0; i < self->count; i++) {
        PyMem_Free(self->table[i].chain);
        self->table[i].chain = NULL;
    }
    self->count = 0;
    Py_CLEAR(self->keep);
    return 0;
}

static void machine_dealloc(machine *self) {
    PyObject_GC_UnTrack(self);
    machine_clear(self);
    PyMem_Free(self->table);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef machine_methods[] = {
    {"run", (PyCFunction)machine_run, METH_VARARGS, "run(start, stop) -> how many iterations were completed"},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject machine_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "trainer.compiler.machine._machine.Machine",
    .tp_doc = "Machine(instructions): a table of (kind, what, operands, ...) ready to run",
    .tp_basicsize = sizeof(machine),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = machine_new,
    .tp_dealloc = (destructor)machine_dealloc,
    .tp_traverse = (traverseproc)machine_traverse,
    .tp_clear = (inquiry)machine_clear,
    .tp_methods = machine_methods,
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_machine", .m_doc = "Runs programs on NumPy's inner loops.", .m_size = -1};

PyMODINIT_FUNC PyInit__machine(void) {
    import_array();
    import_umath();
    arith = best_arithmetic();
    if (PyType_Ready(&machine_type) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module || PyModule_AddObjectRef(module, "Machine", (PyObject *)&machine_type) < 0) return NULL;
    static const char *names[KINDS] = {"LOOP",  "FUSED",  "REDUCE", "MATMUL", "COPY",  "CAST", "FILL",
                                       "WHERE", "GATHER", "STREAM", "RANDOM", "CHECK", "CALL"};
    for (int k = 0; k < KINDS; k++)
        if (PyModule_AddIntConstant(module, names[k], k) < 0) return NULL;
    static const char *codes[CODES] = {
        "NEGATIVE", "SQUARE", "SQRT", "ABSOLUTE", "ADD", "SUBTRACT", "MULTIPLY", "DIVIDE", "MAXIMUM", "MINIMUM",
        "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL", "STEP", "MOVE", "MOVE_SQUARE",
        "STEP_ROOT", "TANH_BACK", "RELU_BACK"};
    for (int k = 0; k < CODES; k++)
        if (PyModule_AddIntConstant(module, codes[k], k) < 0) return NULL;
    return module;
}
