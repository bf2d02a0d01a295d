/* Dividing an instruction by what it writes: rows or columns of a product, matrices of a stack, heads, images, numbers of
 * a chain. No sum is divided, so no bit depends on how many pieces there are, nor on who does them. */
#include "machine.h"

#define LINE 64 /* elements along the innermost axis that stay together: whole vectors, aligned as they were */

/* Whether two operands lie in memory that overlaps, from the first element to the last. */
int overlap(const walk *w, int a, int b) {
    npy_intp low[2] = {0, 0}, high[2] = {1, 1};
    for (int axis = 0; axis < w->axes; axis++) {
        npy_intp reach[2] = {w->stride[a][axis] * (w->shape[axis] - 1), w->stride[b][axis] * (w->shape[axis] - 1)};
        for (int i = 0; i < 2; i++) *(reach[i] < 0 ? &low[i] : &high[i]) += reach[i];
    }
    return w->data[a] + low[0] < w->data[b] + high[1] && w->data[b] + low[1] < w->data[a] + high[0];
}

/* Which operands of its walk an instruction writes to, as bits. */
unsigned written(const instruction *in) {
    unsigned bits = 0;
    switch (in->kind) {
    case CHECK: return 0;
    case LOOP: return 1u << (in->walk.operands - 1);
    case FUSED:
        for (int k = 0; k < in->fused.count; k++)
            if (in->fused.calls[k].target < in->walk.operands) bits |= 1u << in->fused.calls[k].target;
        return bits;
    default: return 1;
    }
}

npy_intp *length_along(instruction *in, int cut) {
    switch (cut) {
    case ROWS_OF_PRODUCT: return &in->matmul.n;
    case COLUMNS_OF_PRODUCT: return &in->matmul.m;
    case ROW_OF_SUMS: return &in->reduce.width;
    case NUMBERS: return &in->random.length;
    default: return &in->walk.shape[cut];
    }
}

npy_intp most_pieces(const instruction *in) {
    instruction *own = (instruction *)in; /* which is only read */
    return in->cut == UNDIVIDED ? 1 : (*length_along(own, in->cut) + in->unit - 1) / in->unit;
}

static void try_cut(instruction *in, int cut, npy_intp unit) {
    instruction other = *in;
    other.cut = cut, other.unit = unit;
    npy_intp best = most_pieces(in), pieces = most_pieces(&other);
    if (best < 8 && pieces > best) in->cut = cut, in->unit = unit; /* of those that do, the one of the longest strides */
}

static void divide_product(instruction *in) {
    const npy_intp n = in->matmul.n, m = in->matmul.m;
    for (int axis = 0; axis < in->walk.axes; axis++) try_cut(in, axis, 1);
    if (in->kind == MATMUL || in->cut != UNDIVIDED) return; /* BLAS would sum a piece of a matrix in another way */
    if (m >= 256 || (m >= 128 && n < 48)) in->cut = COLUMNS_OF_PRODUCT, in->unit = LINE;
    else in->cut = ROWS_OF_PRODUCT, in->unit = 12;
}

/* Whether parts of an instruction may be done in any order. */
int divisible(const instruction *in) {
    const walk *w = &in->walk;
    if (in->kind == STREAM || in->kind == CALL || in->raises) return 0; /* only its own thread may call Python */
    if (in->kind == RANDOM || in->kind == MATMUL || in->kind == PRODUCT) return 1;
    const unsigned targets = written(in);
    for (int i = 0; i < w->operands; i++)
        for (int k = 0; targets >> i & 1 && k < w->operands; k++) {
            int equal = w->data[i] == w->data[k] && !memcmp(w->stride[i], w->stride[k], sizeof(npy_intp) * (size_t)w->axes);
            if (!equal && overlap(w, i, k)) return 0;
        }
    return 1;
}

void choose_cut(instruction *in) {
    const walk *w = &in->walk;
    in->cut = UNDIVIDED, in->unit = 1;
    if (!divisible(in)) return;
    if (in->kind == RANDOM) in->cut = NUMBERS, in->unit = 8 * LINE;
    if (in->kind == MATMUL || in->kind == PRODUCT) divide_product(in);
    if (in->kind == RANDOM || in->kind == MATMUL || in->kind == PRODUCT) return;
    const unsigned targets = written(in);
    /* Of how many elements, or of so many times four bytes, an element of the innermost axis is made. */
    const npy_intp rows = in->kind == FUSED ? in->fused.width : in->kind == REDUCE ? 4 : in->size / 4;
    for (int axis = 0; axis < w->axes; axis++) {
        int summed = 0;
        for (int i = 0; i < w->operands; i++) summed |= (targets >> i & 1) && !w->stride[i][axis];
        if (!summed) try_cut(in, axis, axis < w->axes - 1 || rows >= LINE ? 1 : LINE / (rows > 1 ? rows : 1));
    }
    if (in->kind == REDUCE && in->reduce.into_row) try_cut(in, ROW_OF_SUMS, LINE);
}

/* Places `start` to `stop` of an instruction along a cut. Of the walk's strides those that there are are copied. */
static void narrow(instruction *part, const instruction *in, int cut, npy_intp start, npy_intp stop) {
    walk *w = &part->walk;
    memcpy(part, in, offsetof(instruction, walk.stride));
    memcpy(part->walk.data, in->walk.data, sizeof *in - offsetof(instruction, walk.data));
    for (int i = 0; i < w->operands; i++) memcpy(w->stride[i], in->walk.stride[i], sizeof w->stride[i]);
    npy_intp *length = length_along(part, cut);
    *length = (stop < *length ? stop : *length) - start;
    switch (cut) {
    case ROWS_OF_PRODUCT:
        w->data[0] += start * in->matmul.stride[0], w->data[2] += start * in->matmul.stride[4];
        part->matmul.classes += start * in->matmul.blocks;
        return;
    case COLUMNS_OF_PRODUCT:
        w->data[1] += start * in->matmul.stride[3], w->data[2] += start * in->matmul.stride[5];
        part->matmul.classes += start / 8;
        return;
    case ROW_OF_SUMS:
        for (int i = 0; i < w->operands; i++) w->data[i] += start * in->size;
        return;
    case NUMBERS: part->random.first += start; return;
    default:
        for (int i = 0; i < w->operands; i++) w->data[i] += start * w->stride[i][cut];
    }
}

void part_of(instruction *part, const instruction *in, npy_intp k, npy_intp count) {
    const npy_intp units = most_pieces(in);
    narrow(part, in, in->cut, units * k / count * in->unit, units * (k + 1) / count * in->unit);
}

void slices_of(instruction *part, const instruction *in, npy_intp first, npy_intp last, npy_intp slices) {
    const npy_intp each = *length_along((instruction *)in, in->slice) / slices; /* which is only read */
    narrow(part, in, in->slice, first * each, last * each);
}
