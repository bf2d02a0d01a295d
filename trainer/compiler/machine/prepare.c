/* From Python's tuples of arrays to instructions. Every pointer, length and stride is read off arrays whose bounds NumPy
 * has checked; what an instruction asks of its operands besides is checked here, once. */
#include "machine.h"

#define OPERANDS(name, count) count,
static const int takes[CODES] = {FOR_EACH_CODE(OPERANDS)};

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
        if (!joins) w->from[merged++] = order[k];
        w->shape[merged - 1] = joins ? w->shape[merged - 1] * length : length;
        for (int i = 0; i < operands; i++)
            w->stride[i][merged - 1] = PyArray_STRIDE((PyArrayObject *)arrays[i], order[k]);
    }
    if (merged == 0) { /* a single element */
        w->shape[0] = 1, w->from[0] = -1;
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
    in->matmul.n = n, in->matmul.k = k, in->matmul.m = m;
    in->walk.operands = 3;
    in->walk.axes = ndim - 2;
    for (int i = 0; i < 3; i++) {
        if (PyArray_DIM(a[i], ndim - 2) != dims[first[i]] || PyArray_DIM(a[i], ndim - 1) != dims[second[i]]) {
            PyErr_SetString(PyExc_ValueError, "matmul's matrices do not fit");
            return -1;
        }
        in->matmul.stride[2 * i] = PyArray_STRIDE(a[i], ndim - 2);
        in->matmul.stride[2 * i + 1] = PyArray_STRIDE(a[i], ndim - 1);
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

/* The same with vectors of so many bytes, summed as (classes, cuts, zero) say; see machine.h. The result's rows are dense.
 * A ufunc beside them is for the whole. */
static int prepare_product(instruction *in, PyObject *what, PyObject *const *arrays, npy_intp width) {
    const int type = PyArray_TYPE((PyArrayObject *)arrays[2]);
    PyObject *classes, *cuts, *ufunc;
    double *zero = &in->matmul.zero;
    if (prepare_matmul(in, arrays) < 0 || !PyArg_ParseTuple(what, "SSdO", &classes, &cuts, zero, &ufunc)) return -1;
    if (ufunc != Py_None && find_loop(in, ufunc, arrays) < 0) return -1;
    const npy_intp n = in->matmul.n, k = in->matmul.k, m = in->matmul.m, *s = in->matmul.stride;
    in->matmul.product = product_of(width, in->size);
    int good = in->matmul.product && *zero == 0 && (type == NPY_FLOAT || type == NPY_DOUBLE) && s[5] == in->size && n > 0 && k > 0 && m > 0;
    for (int i = 0; i < 3; i++)
        good = good && PyArray_TYPE((PyArrayObject *)arrays[i]) == type && s[2 * i] % in->size == 0 && s[2 * i + 1] % in->size == 0;
    good = good && PyBytes_GET_SIZE(classes) == n * ((m + 7) / 8) && PyBytes_GET_SIZE(cuts) % sizeof(npy_int64) == 0;
    in->matmul.cuts = (const npy_int64 *)PyBytes_AS_STRING(cuts);
    in->matmul.pieces = PyBytes_GET_SIZE(cuts) / (npy_intp)sizeof(npy_int64);
    npy_int64 before = 0;
    for (npy_intp i = 0; good && i < in->matmul.pieces; before = in->matmul.cuts[i++])
        good = in->matmul.cuts[i] > before && in->matmul.cuts[i] <= k;
    if (!good || before != k) {
        PyErr_SetString(PyExc_ValueError, "the operands do not suit a product");
        return -1;
    }
    in->matmul.classes = (const unsigned char *)PyBytes_AS_STRING(classes);
    in->matmul.blocks = (m + 7) / 8;
    return 0;
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
    in->fused.count = (int)calls;
    in->fused.calls = PyMem_Calloc(MAX_CALLS, sizeof(call));
    if (!in->fused.calls) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; good && k < in->fused.count; k++) {
        PyObject *numbers = PyTuple_GET_ITEM(chain, k);
        good = PyTuple_Check(numbers) && PyTuple_GET_SIZE(numbers) >= 3 && PyTuple_GET_SIZE(numbers) <= 8;
        for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(numbers); i++) {
            long number = PyLong_AsLong(PyTuple_GET_ITEM(numbers, i));
            good = number >= 0 && number < (i == 0 ? CODES : operands + REGISTERS);
            ((unsigned char *)&in->fused.calls[k])[i] = (unsigned char)number;
        }
        good = good && PyTuple_GET_SIZE(numbers) == 2 + takes[in->fused.calls[k].code];
        if (good && in->fused.calls[k].target < operands) written[in->fused.calls[k].target] = 1;
    }
    int together = last > 0 && w->shape[last] * size <= BLOCK / 2;
    for (int i = 0; good && i < operands; i++) {
        in->fused.types[i] = (char)PyArray_TYPE((PyArrayObject *)arrays[i]);
        good = in->fused.types[i] == type || (!written[i] && (in->fused.types[i] == NPY_INT64 || in->fused.types[i] == NPY_BOOL));
        if (!written[i]) continue;
        good = good && (w->stride[i][last] == size || (w->shape[last] == 1 && last == 0));
        together = together && w->stride[i][last - 1] == w->shape[last] * size;
        for (int k = 0; good && k < operands; k++) {
            size_t strides = sizeof(npy_intp) * (size_t)w->axes;
            int equal = w->data[i] == w->data[k] && !memcmp(w->stride[i], w->stride[k], strides);
            good = equal || !overlap(w, i, k);
        }
    }
    in->fused.width = together ? w->shape[last] : 1;
    for (int i = 0; i < operands; i++) {
        int dense = together ? w->stride[i][last] == size && w->stride[i][last - 1] == in->fused.width * size
                             : w->stride[i][last] == size || (w->shape[last] == 1 && last == 0);
        in->fused.staged[i] = (char)(!dense || in->fused.types[i] != type);
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
        w->from[1] = w->from[0], w->from[0] = -1;
        for (int i = 0; i < 2; i++) w->stride[i][1] = w->stride[i][0], w->stride[i][0] = 0;
    }
    in->reduce.width = w->shape[last];
    int to_number = w->stride[0][last] == 0 && (in->reduce.code != ADD || in->reduce.width <= 128); /* then NumPy adds otherwise */
    int to_row = w->stride[0][last] == in->size && w->stride[0][last - 1] == 0 && in->reduce.code == ADD;
    if (w->stride[1][last] != in->size || (!to_number && !to_row)) {
        PyErr_SetString(PyExc_ValueError, "the operands do not suit a reduction");
        return -1;
    }
    in->reduce.into_row = to_row;
    w->axes--;
    return 0;
}

/* An axis to move along: `whole` is the array, `first` the part of it at the axis's first place. */
static int along_axis(npy_intp *length, npy_intp *stride, PyObject *whole, PyObject *first, npy_intp axis) {
    PyArrayObject *a = (PyArrayObject *)whole;
    if (!PyArray_Check(whole) || axis < 0 || axis >= PyArray_NDIM(a) ||
        PyArray_BYTES(a) != PyArray_BYTES((PyArrayObject *)first)) {
        PyErr_SetString(PyExc_ValueError, "the operand does not begin where the axis does");
        return -1;
    }
    *length = PyArray_DIM(a, axis);
    *stride = PyArray_STRIDE(a, axis);
    return 0;
}

int prepare_instruction(instruction *in, PyObject *item) {
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
        for (int i = 0; i < count; i++) in->raises |= PyArray_ISINTEGER((PyArrayObject *)arrays[i]);
        return prepare(&in->walk, arrays, count);
    case FUSED:
        return prepare(&in->walk, arrays, count) < 0 ? -1 : prepare_chain(in, what, arrays, count);
    case REDUCE: /* target, source; `extra` says by what; `what` is the ufunc, for the cases that are left to it */
        if (count != 2 || (extra != ADD && extra != MAXIMUM && extra != MINIMUM)) return -1;
        in->reduce.code = (enum code)extra;
        if (PyArray_TYPE((PyArrayObject *)arrays[0]) != NPY_FLOAT && PyArray_TYPE((PyArrayObject *)arrays[0]) != NPY_DOUBLE)
            return -1;
        if (find_loop(in, what, (PyObject *[3]){arrays[0], arrays[1], arrays[0]}) < 0) return -1;
        return prepare(&in->walk, arrays, 2) < 0 ? -1 : prepare_reduction(in);
    case MATMUL:
        if (count != 3 || find_loop(in, what, arrays) < 0) return -1;
        return prepare_matmul(in, arrays);
    case PRODUCT: /* as MATMUL; `what` says how the sums are done, `extra` how wide vectors are */
        return count != 3 ? -1 : prepare_product(in, what, arrays, extra);
    case COPY: /* target, source */
    case FILL:
        if (count != 2 || same_size(arrays, 0, 1) < 0) return -1;
        return prepare(&in->walk, arrays, 2);
    case CAST:
        if (count != 2) return -1;
        in->cast.to = PyArray_TYPE((PyArrayObject *)arrays[0]);
        in->cast.from = PyArray_TYPE((PyArrayObject *)arrays[1]);
        if (in->cast.to != NPY_FLOAT && in->cast.to != NPY_DOUBLE && in->cast.to != NPY_INT64) return -1;
        if (in->cast.from != NPY_BOOL && in->cast.from != NPY_FLOAT && in->cast.from != NPY_DOUBLE && in->cast.from != NPY_INT64) return -1;
        return prepare(&in->walk, arrays, 2);
    case WHERE: /* target, mask, where true, where false */
        if (count != 4 || PyArray_TYPE((PyArrayObject *)arrays[1]) != NPY_BOOL || same_size(arrays, 0, 2) < 0 ||
            same_size(arrays, 0, 3) < 0)
            return -1;
        return prepare(&in->walk, arrays, 4);
    case GATHER: /* target, indices, what at place 0 of axis `extra`, spread out to their shape */
        if (count != 3 || PyArray_TYPE((PyArrayObject *)arrays[1]) != NPY_INT64 || same_size(arrays, 0, 2) < 0)
            return -1;
        if (along_axis(&in->gather.length, &in->gather.stride, what, arrays[2], extra) < 0) return -1;
        return prepare(&in->walk, arrays, 3);
    case STREAM: /* target, source; operand `extra` is the first of what's first axis, and moves along it */
        if (count != 2 || extra < 0 || extra > 1 || same_size(arrays, 0, 1) < 0) return -1;
        if (along_axis(&in->stream.length, &in->stream.stride, what, arrays[extra], 0) < 0) return -1;
        in->stream.moving = (int)extra;
        return prepare(&in->walk, arrays, 2);
    case RANDOM: /* target, dense; the step */
        in->random.type = PyArray_TYPE((PyArrayObject *)arrays[0]);
        if (count != 2 || (in->random.type != NPY_FLOAT && in->random.type != NPY_DOUBLE) || !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)arrays[0]))
            return -1;
        if (PyArray_TYPE((PyArrayObject *)arrays[1]) != NPY_INT64 || PyArray_SIZE((PyArrayObject *)arrays[1]) != 1) return -1;
        if (!PyArg_ParseTuple(what, "KK", &in->random.key[0], &in->random.key[1])) return -1;
        in->random.length = PyArray_SIZE((PyArrayObject *)arrays[0]);
        in->walk.data[0] = PyArray_DATA((PyArrayObject *)arrays[0]);
        in->walk.data[1] = PyArray_DATA((PyArrayObject *)arrays[1]);
        return 0;
    case CHECK:
        if (count != 1 || (PyArray_TYPE((PyArrayObject *)arrays[0]) != NPY_FLOAT && PyArray_TYPE((PyArrayObject *)arrays[0]) != NPY_DOUBLE))
            return -1;
        return prepare(&in->walk, arrays, 1);
    default:
        return -1;
    }
}
