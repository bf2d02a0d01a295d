/* Running a table of instructions, without the interpreter lock. */
#include "machine.h"
#include <math.h>

#define PIECE 5e-6    /* seconds of a piece at least: handing one on takes about one microsecond */
#define PIECES_EACH 4 /* for each thread, so that one that is held up does fewer */
#define SHARES_EACH 1 /* likewise of a stretch */
#define BLOCKS 2      /* of random numbers, at a time */

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
    npy_intp outer = w->stride[i][w->axes - 1], inner = in->fused.width > 1 ? w->stride[i][w->axes] : 0, width = in->fused.width;
    npy_intp row = width * in->size;
    if (width == 1 && outer == 0) fill(block, rows, number_at(p, in->fused.types[i]), in->size);
    else if (inner == 0)
        for (npy_intp k = 0; k < rows; k++) fill(block + k * row, width, number_at(p + k * outer, in->fused.types[i]), in->size);
    else if (inner == in->size && in->fused.types[i] != NPY_INT64 && in->fused.types[i] != NPY_BOOL)
        for (npy_intp k = 0; k < rows; k++) memcpy(block + k * row, p + k * outer, (size_t)row);
    else
        for (npy_intp k = 0; k < rows; k++)
            for (npy_intp j = 0; j < width; j++)
                fill(block + k * row + j * in->size, 1, number_at(p + k * outer + j * inner, in->fused.types[i]), in->size);
}

static void run_fused(const instruction *in) {
    _Alignas(VECTOR) char blocks[(MAX_OPERANDS + REGISTERS) * (BLOCK + VECTOR)];
    char *q[MAX_OPERANDS + REGISTERS];
    const walk *w = &in->walk;
    const int count = w->operands, last_axis = w->axes - 1;
    const npy_intp rows = w->shape[last_axis], width = in->fused.width, most = BLOCK / in->size / width;
    for (int i = 0; i < count + REGISTERS; i++) q[i] = blocks + i * (BLOCK + VECTOR);
    ROWS(w, count, for (npy_intp start = 0; start < rows; start += most) {
        const npy_intp piece = rows - start < most ? rows - start : most;
        for (int i = 0; i < count; i++) {
            char *at_start = p[i] + start * w->stride[i][last_axis];
            if (!in->fused.staged[i]) q[i] = at_start;
            else if (start == 0 || w->stride[i][last_axis] != 0) stage(in, i, q[i], at_start, piece);
        }
        arith->chain(in->fused.calls, in->fused.count, q, piece * width, in->size);
    });
}

static void run_reduce(const instruction *in) {
    const walk *w = &in->walk;
    const npy_intp m = w->shape[w->axes - 1], ts = w->stride[0][w->axes - 1], ss = w->stride[1][w->axes - 1];
    ROWS(w, 2, arith->reduce(in, p[0], ts, p[1], ss, m));
}

static void run_matmul(const instruction *in) {
    const walk *w = &in->walk;
    npy_intp dims[4] = {1, in->matmul.n, in->matmul.k, in->matmul.m};
    npy_intp steps[9] = {0, 0, 0};
    memcpy(steps + 3, in->matmul.stride, 6 * sizeof(npy_intp));
    npy_intp total = 1, at[MAX_AXES] = {0};
    for (int axis = 0; axis < w->axes; axis++) total *= w->shape[axis];
    char *p[3] = {w->data[0], w->data[1], w->data[2]};
    while (total-- > 0) {
        char *args[3] = {p[0], p[1], p[2]};
        if (in->loop) in->loop(args, dims, steps, in->loop_data);
        else in->matmul.product(in, p[0], p[1], p[2]);
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

/* One element in places side by side, as compilers vectorise it. */
#define REPEATED(type, n, target, source)                                                                               \
    do {                                                                                                                \
        const type value = *(const type *)(source);                                                                     \
        for (npy_intp k = 0; k < (n); k++) ((type *)(target))[k] = value;                                               \
    } while (0)

static void copy_row(char *t, npy_intp ts, const char *s, npy_intp ss, npy_intp n, npy_intp size) {
    if (ts == size && ss == size) {
        memmove(t, s, (size_t)(n * size));
        return;
    }
    if (ts == size && ss == 0 && size == 4) {
        REPEATED(npy_uint32, n, t, s);
        return;
    }
    if (ts == size && ss == 0 && size == 8) {
        REPEATED(npy_uint64, n, t, s);
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
    ahead[in->stream.moving] = iteration * in->stream.stride;
    run_copy(in, ahead);
}

/* The first loop is one that compilers vectorise. */
#define CAST_ROW(to, from)                                                                                              \
    if (ts == sizeof(to) && ss == sizeof(from))                                                                         \
        for (npy_intp k = 0; k < n; k++) ((to *)p[0])[k] = (to)((const from *)p[1])[k];                                 \
    else                                                                                                                \
        for (npy_intp k = 0; k < n; k++) *(to *)(p[0] + k * ts) = (to) * (const from *)(p[1] + k * ss)
#define CAST_FROM(from_type)                                                                                            \
    switch (in->cast.to) {                                                                                                   \
    case NPY_FLOAT: ROWS(w, 2, CAST_ROW(npy_float, from_type)); return;                                                    \
    case NPY_DOUBLE: ROWS(w, 2, CAST_ROW(npy_double, from_type)); return;                                                  \
    default: ROWS(w, 2, CAST_ROW(npy_int64, from_type)); return;                                                           \
    }

static void run_cast(const instruction *in) {
    const walk *w = &in->walk;
    npy_intp n = w->shape[w->axes - 1], ts = w->stride[0][w->axes - 1], ss = w->stride[1][w->axes - 1];
    switch (in->cast.from) {
    case NPY_BOOL: CAST_FROM(npy_bool)
    case NPY_FLOAT: CAST_FROM(npy_float)
    case NPY_DOUBLE: CAST_FROM(npy_double)
    default: CAST_FROM(npy_int64)
    }
}

/* A row of elements of a known size. Those that lie side by side, and a single number in place of some, are told apart
 * by their strides, so that the compiler makes a selection of vectors of them. */
#define WHERE_ROW(name, type)                                                                                          \
    static inline void name##_at(char *const *p, const npy_intp *s, npy_intp n) {                                      \
        for (npy_intp k = 0; k < n; k++) {                                                                             \
            type yes, no;                                                                                              \
            memcpy(&yes, p[2] + k * s[2], sizeof yes);                                                                 \
            memcpy(&no, p[3] + k * s[3], sizeof no);                                                                   \
            yes = *(npy_bool *)(p[1] + k * s[1]) ? yes : no;                                                           \
            memcpy(p[0] + k * s[0], &yes, sizeof yes);                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
    static void name(char *const *p, const npy_intp *s, npy_intp n) {                                                  \
        const npy_intp size = sizeof(type);                                                                            \
        if (s[0] == size && s[1] == 1 && s[2] == size && s[3] == size)                                                 \
            name##_at(p, (npy_intp[]){sizeof(type), 1, sizeof(type), sizeof(type)}, n);                                \
        else if (s[0] == size && s[1] == 1 && s[2] == 0 && s[3] == size)                                               \
            name##_at(p, (npy_intp[]){sizeof(type), 1, 0, sizeof(type)}, n);                                           \
        else                                                                                                           \
            name##_at(p, s, n);                                                                                        \
    }

WHERE_ROW(where_4, npy_uint32)
WHERE_ROW(where_8, npy_uint64)

static void run_where(const instruction *in) {
    const walk *w = &in->walk;
    const int last_axis = w->axes - 1;
    npy_intp n = w->shape[last_axis], s[4];
    for (int i = 0; i < 4; i++) s[i] = w->stride[i][last_axis];
    switch (in->size) {
    case 4: ROWS(w, 4, where_4(p, s, n)); break;
    case 8: ROWS(w, 4, where_8(p, s, n)); break;
    default:
        ROWS(w, 4, for (npy_intp k = 0; k < n; k++) {
            const char *from = *(npy_bool *)(p[1] + k * s[1]) ? p[2] + k * s[2] : p[3] + k * s[3];
            memcpy(p[0] + k * s[0], from, (size_t)in->size);
        });
    }
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
        npy_int64 index = row_at(p[1] + k * s[1], in->gather.length);
        if (in->size > 4 * VECTOR && k + 2 < n) {
            npy_int64 next = row_at(p[1] + (k + 2) * s[1], in->gather.length);
            if (next >= 0) fetch(p[2] + (k + 2) * s[2] + next * in->gather.stride, in->size);
        }
        if (index < 0) good = 0;
        else if (in->size == 4) memcpy(p[0] + k * s[0], p[2] + k * s[2] + index * in->gather.stride, 4);
        else if (in->size == 8) memcpy(p[0] + k * s[0], p[2] + k * s[2] + index * in->gather.stride, 8);
        else memcpy(p[0] + k * s[0], p[2] + k * s[2] + index * in->gather.stride, (size_t)in->size);
    });
    return good;
}

static npy_uint64 high_product(npy_uint64 a, npy_uint64 b) {
#if defined(__SIZEOF_INT128__)
    return (npy_uint64)((unsigned __int128)a * b >> 64);
#else
    npy_uint64 al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
    npy_uint64 low = al * bl, m = ah * bl + (low >> 32), n = al * bh + (m & 0xffffffff);
    return ah * bh + (m >> 32) + (n >> 32);
#endif
}

/* Blocks `number` and after it of Philox 4×64 with ten rounds (Salmon et al., Parallel random numbers: as easy as 1, 2, 3,
 * 2011); side by side, since each multiplication waits for the one before. */
static void philox(npy_uint64 blocks[BLOCKS][4], npy_uint64 number, npy_uint64 step, const unsigned long long key[2]) {
    npy_uint64 c[4][BLOCKS], k0 = key[0], k1 = key[1];
    for (int i = 0; i < BLOCKS; i++) c[0][i] = number + (npy_uint64)i, c[1][i] = c[2][i] = 0, c[3][i] = step;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            npy_uint64 a = c[0][i], b = c[2][i];
            c[0][i] = high_product(0xCA5A826395121157u, b) ^ c[1][i] ^ k0;
            c[1][i] = 0xCA5A826395121157u * b;
            c[2][i] = high_product(0xD2E7470EE14C6C93u, a) ^ c[3][i] ^ k1;
            c[3][i] = 0xD2E7470EE14C6C93u * a;
        }
        k0 += 0x9E3779B97F4A7C15u;
        k1 += 0xBB67AE8584CAA73Bu;
    }
    for (int i = 0; i < BLOCKS; i++)
        for (int word = 0; word < 4; word++) blocks[i][word] = c[word][i];
}

/* NumPy counts before it draws, so its first block is number 1. A double takes 53 bits of a word, a float 24 bits of each
 * half, the lower one first. What is drawn begins with a block. */
static void run_random(const instruction *in) {
    npy_uint64 blocks[BLOCKS][4], step = (npy_uint64) * (const npy_int64 *)in->walk.data[1];
    const int single = in->random.type == NPY_FLOAT, each = single ? 8 : 4;
    const npy_intp end = in->random.first + in->random.length;
    for (npy_intp i = in->random.first; i < end; i += BLOCKS * each) {
        const size_t count = (size_t)(end - i < BLOCKS * each ? end - i : BLOCKS * each);
        philox(blocks, (npy_uint64)(i / each) + 1, step, in->random.key);
        if (single) {
            npy_float numbers[BLOCKS * 8];
            for (int k = 0; k < BLOCKS * 8; k++)
                numbers[k] = (npy_float)(npy_int32)((npy_uint32)(blocks[k / 8][k % 8 / 2] >> (k % 2 * 32)) >> 8) * (1.0f / 16777216.0f);
            memcpy((npy_float *)in->walk.data[0] + i, numbers, count * sizeof(npy_float));
        } else {
            npy_double numbers[BLOCKS * 4];
            for (int k = 0; k < BLOCKS * 4; k++) numbers[k] = (npy_double)(blocks[k / 4][k % 4] >> 11) * (1.0 / 9007199254740992.0);
            memcpy((npy_double *)in->walk.data[0] + i, numbers, count * sizeof(npy_double));
        }
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
    /* An inner loop may have raised on its own: Python must not be called with an error set. */
    PyObject *result = PyErr_Occurred() ? NULL : PyObject_CallNoArgs(in->callable);
    int failed = result == NULL;
    Py_XDECREF(result);
    *saved = PyEval_SaveThread();
    return failed ? -1 : 0;
}

/* Anything but a CALL and a STREAM, whole. */
static enum ending run_whole(const instruction *in) {
    switch (in->kind) {
    case LOOP: run_loop(in); return DONE;
    case FUSED: run_fused(in); return DONE;
    case REDUCE: run_reduce(in); return DONE;
    case MATMUL:
    case PRODUCT: run_matmul(in); return DONE;
    case COPY:
    case FILL: run_copy(in, (npy_intp[2]){0, 0}); return DONE;
    case CAST: run_cast(in); return DONE;
    case WHERE: run_where(in); return DONE;
    case GATHER: return run_gather(in) ? DONE : WRONG_INDEX;
    case RANDOM: run_random(in); return DONE;
    case CHECK: return is_finite(in) ? DONE : HALTED;
    default: return DONE;
    }
}

/* A part of a product is for the machine to do, and has room of its own where threads do parts at once. */
static void by_machine(instruction *part, void *room) {
    if (part->kind != PRODUCT) return;
    part->loop = NULL;
    if (room) part->matmul.buffer = room;
}

static enum ending run_piece(const instruction *in, npy_intp k, npy_intp count, void *room) {
    if (count == 1) return run_whole(in);
    instruction part;
    part_of(&part, in, k, count);
    by_machine(&part, room);
    return run_whole(&part);
}

/* What is run now. */
typedef struct {
    Py_ssize_t iteration;
    npy_intp pieces;
    enum way way;
    int noted;
    PyThreadState *saved;
} run;

/* In pieces, by as many threads as there are, where that is quicker. */
static enum ending run_divided(instruction *in, run *r) {
    const int tried = r->way == TRY_WHOLE || r->way == TRY_PIECES;
    const int divided = tried ? r->way == TRY_PIECES : gains(in->alone);
    const double began = tried ? seconds_now() : 0, most = fmin((double)most_pieces(in), PIECES_EACH * threads_now());
    const npy_intp pieces = divided ? (npy_intp)fmin(in->alone[0] / PIECE, most) : 1;
    enum ending how;
    if (pieces < 2) how = run_whole(in);
    else how = spread(in, pieces, run_piece, in->kind == PRODUCT ? product_room(in) : 0, &r->noted);
    if (tried) note(&in->alone[divided], seconds_now() - began);
    return how;
}

/* A thread's share of a stretch. */
static enum ending run_slices(const instruction *head, npy_intp k, npy_intp count, void *room) {
    const npy_intp slices = head->together, first = slices * k / count, last = slices * (k + 1) / count;
    enum ending how = DONE;
    for (const instruction *in = head; in < head + head->stretch && how == DONE; in++) {
        instruction part;
        slices_of(&part, in, first, last, slices);
        by_machine(&part, room);
        how = run_whole(&part);
    }
    return how;
}

/* In so many pieces, by threads if there are some. */
static enum ending run_pieces(instruction *in, npy_intp pieces, piece_function piece, size_t room, int *noted) {
    if (threads_now() > 1) return spread(in, pieces, piece, room, noted);
    enum ending how = DONE;
    for (npy_intp k = 0; k < pieces; k++) {
        const enum ending other = piece(in, k, pieces, NULL);
        if (other != DONE) how = other;
    }
    return how;
}

static enum ending run_one(instruction *in, run *r) {
    switch (in->kind) {
    case STREAM: run_stream(in, r->iteration); return DONE;
    case CALL:
        r->noted |= fetestexcept(FE_ALL_EXCEPT); /* NumPy wipes them, and warns of its own */
        return call_back(in, &r->saved) < 0 ? FAILED : DONE;
    default: break;
    }
    if (in->cut == UNDIVIDED || r->pieces < 0 || (!r->pieces && r->way == WHOLE)) return run_whole(in);
    if (!r->pieces) return run_divided(in, r);
    const npy_intp pieces = r->pieces < most_pieces(in) ? r->pieces : most_pieces(in);
    return run_pieces(in, pieces, run_piece, in->kind == PRODUCT ? product_room(in) : 0, &r->noted);
}

/* What begins with this instruction, and how many it was: a stretch, where that is quicker, or it alone. */
static Py_ssize_t run_next(instruction *in, run *r, enum ending *how) {
    const Py_ssize_t stretch = in->stretch;
    if (r->pieces < 0 && stretch) {
        const npy_intp pieces = -r->pieces < in->together ? -r->pieces : in->together;
        *how = run_pieces(in, pieces, run_slices, in->room, &r->noted);
        return stretch;
    }
    if (r->pieces || stretch < 2 || r->way == WHOLE || r->way == TRY_WHOLE || r->way == TRY_PIECES) {
        *how = run_one(in, r);
        return 1;
    }
    const int tried = r->way != DIVIDED, together = tried ? r->way == TRY_TOGETHER : gains(in->as_stretch);
    const double began = tried ? seconds_now() : 0;
    if (together) {
        const npy_intp most = SHARES_EACH * threads_now();
        *how = spread(in, in->together < most ? in->together : most, run_slices, in->room, &r->noted);
    } else {
        for (Py_ssize_t i = 0; i < stretch && *how == DONE; i++) *how = run_one(in + i, r);
    }
    if (tried) note(&in->as_stretch[together], seconds_now() - began);
    return stretch;
}

Py_ssize_t run_table(
    instruction *table, Py_ssize_t count, judge *judge, Py_ssize_t start, Py_ssize_t stop, npy_intp pieces, enum ending *how,
    int *raised) {
    run r = {.iteration = start, .pieces = pieces};
    feclearexcept(FE_ALL_EXCEPT);
    r.saved = PyEval_SaveThread();
    *how = DONE;
    for (; r.iteration < stop; r.iteration++) {
        const int judged = !pieces && is_judged(judge);
        const double began = judged ? seconds_now() : 0;
        r.way = judged ? next_way(judge) : WHOLE;
        for (Py_ssize_t i = 0; i < count && *how == DONE;) i += run_next(&table[i], &r, how);
        if (*how != DONE) break;
        if (judged) settle(judge, seconds_now() - began);
    }
    const int noted = r.noted | fetestexcept(FE_ALL_EXCEPT);
    *raised = (noted & FE_DIVBYZERO ? NPY_FPE_DIVIDEBYZERO : 0) | (noted & FE_OVERFLOW ? NPY_FPE_OVERFLOW : 0) |
              (noted & FE_UNDERFLOW ? NPY_FPE_UNDERFLOW : 0) | (noted & FE_INVALID ? NPY_FPE_INVALID : 0);
    PyEval_RestoreThread(r.saved);
    return r.iteration;
}
