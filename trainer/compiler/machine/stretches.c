/* Stretches: instructions that follow one another and are divided alike. A thread does its part of all of them, and none
 * waits for another in between.
 *
 * The first axis of what an instruction writes is cut into slices, and slice k of every instruction of a stretch is done
 * by the thread that did slice k of those before. That is right where no slice touches what another slice writes, of its
 * own instruction or of any other: then a thread finds what it has written itself, or what was there before the stretch.
 * So it is with the rows of a batch on their way through the gates of a recurrence, or through the layers of a network,
 * whose weights all slices read and none writes. It is read off the operands' addresses, with nothing known of rows. */
#include "machine.h"

#define LONGEST 512 /* instructions: each is compared with all those before it */
#define AHEAD 8     /* instructions that are asked in how many slices they come */

/* Where an operand lies. */
typedef struct {
    const char *low, *high; /* all of it, from the first byte to behind the last */
    const char *start;      /* slice 0 */
    npy_intp length, step;  /* bytes of a slice, and from one to the next; no step where every slice takes all of it */
    int written;
} span;

typedef struct {
    int count;
    span of[MAX_OPERANDS + 1];
} spans;

static span span_of(PyArrayObject *a, int axis, int written) {
    const npy_intp step = axis >= 0 && PyArray_STRIDE(a, axis) > 0 ? PyArray_STRIDE(a, axis) : 0;
    const npy_intp period = step ? step * PyArray_DIM(a, axis) : 0;
    span s = {.low = PyArray_BYTES(a), .start = PyArray_BYTES(a), .length = PyArray_ITEMSIZE(a), .step = step, .written = written};
    s.high = s.low + s.length;
    for (int i = 0; i < PyArray_NDIM(a); i++) {
        const npy_intp reach = PyArray_STRIDE(a, i) * (PyArray_DIM(a, i) - 1);
        if (reach < 0) s.low += reach;
        else s.high += reach;
        if (i == axis && step) continue;
        if (period && PyArray_STRIDE(a, i) % period == 0) continue; /* further on the slices come in the same order again */
        if (reach < 0) s.start += reach;
        s.length += reach < 0 ? -reach : reach;
    }
    return s;
}

/* Whether slices of one operand touch other slices of the other, of which each has so many of the arrays' own. */
static int conflict(const span *x, npy_intp x_each, const span *y, npy_intp y_each, npy_intp slices) {
    if (!(x->written || y->written) || x->high <= y->low || y->high <= x->low) return 0;
    const npy_intp step = x->step * x_each, period = step * slices;
    if (step == 0 || step != y->step * y_each) return 1;
    const npy_intp x_length = x->length + x->step * (x_each - 1), y_length = y->length + y->step * (y_each - 1);
    npy_intp apart = (y->start - x->start) % period;
    for (int turn = 0; turn < 2; turn++, apart += apart > 0 ? -period : period)
        if (x_length - apart <= step && apart + y_length <= step) return 0;
    return 1;
}

/* Which operands it writes, of those that Python gave, as bits; 0 for what is not divided into slices. */
static unsigned written_by(const instruction *in) {
    switch (in->kind) {
    case STREAM:
    case CHECK:
    case CALL: return 0;
    case LOOP: return in->raises ? 0 : 1u << (in->walk.operands - 1);
    case MATMUL:
    case PRODUCT: return 1u << 2;
    default: return written(in);
    }
}

/* Where slices are cut: along the first axis of what is written, if that can be. */
static void find_slices(instruction *in, PyObject *item, spans *found) {
    PyObject *operands = PyTuple_GET_ITEM(item, 2);
    const unsigned targets = written_by(in);
    in->slices = 1, found->count = 0;
    if (!targets) return;
    int first = 0, axis = 0;
    while (!(targets >> first & 1)) first++;
    PyArrayObject *target = (PyArrayObject *)PyTuple_GET_ITEM(operands, first);
    const int ndim = PyArray_NDIM(target), product = in->kind == MATMUL || in->kind == PRODUCT;
    while (axis < ndim && PyArray_DIM(target, axis) == 1) axis++;
    if (axis == ndim) return;
    const npy_intp length = PyArray_DIM(target, axis);
    if (product && axis < ndim - 2) in->slice = axis;
    else if (in->kind == PRODUCT && axis == ndim - 2) in->slice = ROWS_OF_PRODUCT;
    else if (in->kind == RANDOM) in->slice = NUMBERS;
    else if (product || !divisible(in)) return;
    else {
        for (in->slice = 0; in->slice < in->walk.axes && in->walk.from[in->slice] != axis; in->slice++) {}
        if (in->slice == in->walk.axes) return;
    }
    const npy_intp all = *length_along(in, in->slice);
    if (length < 2 || all % length || (in->kind == RANDOM && all / length % 8)) return;
    int count = (int)PyTuple_GET_SIZE(operands);
    for (int i = 0; i < count; i++) {
        /* Every row takes all of the second matrix, and all random numbers are of one step. */
        const int whole = i == 1 && (in->slice == ROWS_OF_PRODUCT || in->kind == RANDOM);
        found->of[i] = span_of((PyArrayObject *)PyTuple_GET_ITEM(operands, i), whole ? -1 : axis, targets >> i & 1);
        if (found->of[i].written && !found->of[i].step) return;
    }
    if (in->kind == GATHER) found->of[count++] = span_of((PyArrayObject *)PyTuple_GET_ITEM(item, 1), -1, 0);
    found->count = count, in->slices = length;
}

/* Whether an instruction, cut into so many slices, may stand in a stretch with those before it. */
static int fits(const instruction *table, const spans *all, Py_ssize_t start, Py_ssize_t at, npy_intp slices) {
    const instruction *in = &table[at];
    if (in->slices < 2 || in->slices % slices) return 0;
    for (int k = 0; k < all[at].count; k++)
        for (Py_ssize_t other = start; other <= at; other++)
            for (int i = 0; i < all[other].count; i++)
                if (conflict(&all[other].of[i], table[other].slices / slices, &all[at].of[k], in->slices / slices, slices))
                    return 0;
    return 1;
}

static void find_from(instruction *table, const spans *all, Py_ssize_t start, Py_ssize_t count) {
    instruction *head = &table[start];
    const Py_ssize_t end = count - start < LONGEST ? count : start + LONGEST;
    for (Py_ssize_t ahead = start; ahead < end && ahead < start + AHEAD && table[ahead].slices > 1; ahead++) {
        const npy_intp slices = table[ahead].slices;
        int asked = head->slices % slices != 0;
        for (Py_ssize_t before = start; before < ahead; before++) asked |= table[before].slices == slices;
        Py_ssize_t at = start;
        while (!asked && at < end && fits(table, all, start, at, slices)) at++;
        if (at - start > head->stretch) head->stretch = at - start, head->together = slices;
    }
    for (Py_ssize_t at = start; at < start + head->stretch; at++)
        if (table[at].kind == PRODUCT && product_room(&table[at]) > head->room) head->room = product_room(&table[at]);
}

int find_stretches(instruction *table, PyObject *items, Py_ssize_t count) {
    spans *all = PyMem_Calloc((size_t)(count ? count : 1), sizeof(spans));
    if (!all) return PyErr_NoMemory(), -1;
    for (Py_ssize_t at = 0; at < count; at++) find_slices(&table[at], PyTuple_GET_ITEM(items, at), &all[at]);
    for (Py_ssize_t at = 0; at < count; at += table[at].stretch ? table[at].stretch : 1) find_from(table, all, at, count);
    PyMem_Free(all);
    return 0;
}
