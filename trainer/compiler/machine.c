/* A small virtual machine that runs a program on NumPy's own inner loops.
 *
 * A ufunc object carries its inner loops: plain C functions of pointers, a length and strides, which need no interpreter
 * lock (numpy/ufuncobject.h). The machine walks a table of instructions and calls them, with strided loops around them.
 * It knows nothing of networks or ops; Python decides what each instruction is and hands over arrays, and every pointer,
 * length and stride here is read off those arrays, whose bounds NumPy has checked. Indices that come from data are
 * checked where they are used.
 *
 *     LOOP     an inner loop over operands of one shape (a reduction's output has stride 0 on the reduced axes)
 *     MATMUL   np.matmul's inner loop on matrices, with strided loops over the axes before the last two
 *     COPY     elements of one size from one place to another
 *     CAST     elements of one type to another
 *     FILL     one element into every place
 *     WHERE    elements from one of two places, by a mask
 *     GATHER   elements picked along an axis by indices
 *     STREAM   COPY, with the source or the target moving on by a fixed distance in every iteration
 *     CHECK    stop where a scalar is not finite
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

#define STRIP 8192 /* elements: a few operands of a strip stay in the nearest caches */
#define MAX_OPERANDS 8
#define MAX_AXES 16

enum kind { LOOP, MATMUL, COPY, CAST, FILL, WHERE, GATHER, STREAM, CHECK, CALL, KINDS };

/* Operands that are walked together: axes from the slowest to the fastest, the last of them given to the inner loop. */
typedef struct {
    int operands, axes;
    npy_intp shape[MAX_AXES];
    npy_intp stride[MAX_OPERANDS][MAX_AXES];
    char *data[MAX_OPERANDS];
} walk;

typedef struct {
    enum kind kind;
    walk walk;
    PyUFuncGenericFunction loop; /* LOOP, MATMUL */
    void *loop_data;
    npy_intp core[10];   /* MATMUL: n, k, m and the strides of the three matrices */
    npy_intp size;       /* bytes of an element */
    npy_intp length;     /* GATHER: how many there are along the axis; STREAM: how many iterations */
    npy_intp along;      /* GATHER: the source's stride on that axis; STREAM: bytes from one iteration to the next */
    int moving;          /* STREAM: which of target and source moves on */
    int from, to;        /* CAST: type numbers */
    PyObject *callable;  /* CALL */
    Py_ssize_t strip;    /* how many instructions, from this one on, run strip by strip */
} instruction;

typedef struct {
    PyObject_HEAD
    instruction *table;
    Py_ssize_t count;
    PyObject *keep; /* every object that an instruction points into */
} machine;

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
    case CHECK:
        if (count != 1 || PyArray_SIZE((PyArrayObject *)arrays[0]) != 1) return -1;
        in->from = PyArray_TYPE((PyArrayObject *)arrays[0]);
        if (in->from != NPY_FLOAT && in->from != NPY_DOUBLE) return -1;
        in->walk.data[0] = PyArray_BYTES((PyArrayObject *)arrays[0]);
        return 0;
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

static void run_copy(const instruction *in) {
    const walk *w = &in->walk;
    npy_intp n = w->shape[w->axes - 1], ts = w->stride[0][w->axes - 1], ss = w->stride[1][w->axes - 1];
    ROWS(w, 2, copy_row(p[0], ts, p[1], ss, n, in->size));
}

static void run_stream(const instruction *in, npy_intp iteration) {
    instruction here = *in;
    here.walk.data[in->moving] += iteration * in->along;
    run_copy(&here);
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

/* Returns whether every index was one. */
static int run_gather(const instruction *in) {
    const walk *w = &in->walk;
    const int last_axis = w->axes - 1;
    npy_intp n = w->shape[last_axis], s[3];
    int good = 1;
    for (int i = 0; i < 3; i++) s[i] = w->stride[i][last_axis];
    ROWS(w, 3, for (npy_intp k = 0; k < n; k++) {
        npy_int64 index = *(npy_int64 *)(p[1] + k * s[1]);
        if (index < 0) index += in->length;
        if (index < 0 || index >= in->length) {
            good = 0;
            continue;
        }
        memcpy(p[0] + k * s[0], p[2] + k * s[2] + index * in->along, (size_t)in->size);
    });
    return good;
}

static int is_finite(const instruction *in) {
    switch (in->from) {
    case NPY_FLOAT: return isfinite(*(npy_float *)in->walk.data[0]);
    case NPY_DOUBLE: return isfinite(*(npy_double *)in->walk.data[0]);
    default: return 1;
    }
}

static void run_strips(const instruction *first, Py_ssize_t count) {
    npy_intp n = first->walk.shape[0];
    for (npy_intp start = 0; start < n; start += STRIP) {
        for (Py_ssize_t i = 0; i < count; i++) {
            instruction here = first[i];
            here.walk.shape[0] = n - start < STRIP ? n - start : STRIP;
            for (int k = 0; k < here.walk.operands; k++) here.walk.data[k] += start * here.walk.stride[k][0];
            if (here.kind == LOOP) run_loop(&here);
            else if (here.kind == COPY) run_copy(&here);
            else run_cast(&here);
        }
    }
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
            if (in->strip) {
                run_strips(in, in->strip);
                i += in->strip - 1;
                continue;
            }
            switch (in->kind) {
            case LOOP: run_loop(in); break;
            case MATMUL: run_matmul(in); break;
            case COPY:
            case FILL: run_copy(in); break;
            case CAST: run_cast(in); break;
            case WHERE: run_where(in); break;
            case GATHER: wrong_index = !run_gather(in); break;
            case STREAM: run_stream(in, iteration); break;
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

/* Whether an instruction goes through long vectors element by element: no axes but one, and no reduction. */
static int is_stripable(const instruction *in) {
    const walk *w = &in->walk;
    if ((in->kind != LOOP && in->kind != COPY && in->kind != CAST) || w->axes != 1 || w->shape[0] < 2 * STRIP) return 0;
    return w->stride[in->kind == LOOP ? w->operands - 1 : 0][0] != 0;
}

/* Whether strips of `a` and `b` may alternate: what they share in memory, they share element by element. */
static int may_alternate(const walk *a, const walk *b) {
    npy_intp n = a->shape[0];
    for (int i = 0; i < a->operands; i++) {
        for (int k = 0; k < b->operands; k++) {
            const char *p = a->data[i], *q = b->data[k];
            npy_intp s = a->stride[i][0], t = b->stride[k][0];
            if (p == q && s == t) continue;
            const char *p_end = p + (s < 0 ? 0 : n * s) + 16, *q_end = q + (t < 0 ? 0 : n * t) + 16;
            const char *p_start = p + (s < 0 ? n * s : 0), *q_start = q + (t < 0 ? n * t : 0);
            if (p_start < q_end && q_start < p_end) return 0;
        }
    }
    return 1;
}

/* Where memory traffic rules, as in an optimiser's update of a long vector, consecutive element-wise instructions run on
 * a strip at a time: what one of them leaves in the cache the next one finds there. */
static void plan_strips(machine *self) {
    for (Py_ssize_t i = 0, end; i < self->count; i = end) {
        end = i + 1;
        if (!is_stripable(&self->table[i])) continue;
        for (; end < self->count && is_stripable(&self->table[end]); end++) {
            int fits = self->table[end].walk.shape[0] == self->table[i].walk.shape[0];
            for (Py_ssize_t k = i; fits && k < end; k++) fits = may_alternate(&self->table[k].walk, &self->table[end].walk);
            if (!fits) break;
        }
        if (end - i > 1) self->table[i].strip = end - i;
    }
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
    plan_strips(self);
    return (PyObject *)self;
}

static int machine_traverse(machine *self, visitproc visit, void *arg) {
    Py_VISIT(self->keep);
    return 0;
}

static int machine_clear(machine *self) {
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
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "trainer.compiler._machine.Machine",
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
    if (PyType_Ready(&machine_type) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module || PyModule_AddObjectRef(module, "Machine", (PyObject *)&machine_type) < 0) return NULL;
    static const char *names[KINDS] = {"LOOP", "MATMUL", "COPY", "CAST", "FILL", "WHERE", "GATHER", "STREAM", "CHECK", "CALL"};
    for (int k = 0; k < KINDS; k++)
        if (PyModule_AddIntConstant(module, names[k], k) < 0) return NULL;
    return module;
}
