/* What the parts of the machine share: an instruction, ready to run.
 *
 *     machine.c     the Python object and the module; its first page says what the machine is
 *     prepare.c     from Python's tuples of arrays to instructions, with everything checked
 *     run.c         running them, without the interpreter lock
 *     arithmetic.c  the arithmetic that the machine does by itself: chains, short sums, whether all is finite
 *     products.c    products of matrices, with OpenBLAS's bits
 *     divide.c      an instruction in pieces, by what it writes
 *     stretches.c   instructions in a row that are cut alike, so that nobody waits between them
 *     threads.c     who does the pieces
 *     ways.c        whether there are pieces: what is quicker, and whether that is so today
 */
#ifndef TRAINER_MACHINE_H
#define TRAINER_MACHINE_H

#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
/* NumPy's table of functions is fetched once, by the file that defines MACHINE_IMPORTS. */
#define PY_ARRAY_UNIQUE_SYMBOL trainer_machine_array_api
#define PY_UFUNC_UNIQUE_SYMBOL trainer_machine_ufunc_api
#ifndef MACHINE_IMPORTS
#define NO_IMPORT_ARRAY
#define NO_IMPORT_UFUNC
#endif
#include <Python.h>
#include <fenv.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>
#include <stddef.h>
#include <string.h>

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INLINE static inline
#define NOINLINE
#define INDEPENDENT
#endif

#define MAX_OPERANDS 16
#define MAX_AXES 16
#define MAX_CALLS 24
#define REGISTERS 16
#define BLOCK 2048 /* bytes of each operand that go through a chain at a time: a few of them stay in the nearest cache */
#define VECTOR 64  /* bytes; what is spread out over a block may reach so far beyond it */

#define FOR_EACH_KIND(X)                                                                                                \
    X(LOOP) X(FUSED) X(REDUCE) X(MATMUL) X(PRODUCT) X(COPY) X(CAST) X(FILL) X(WHERE) X(GATHER) X(STREAM) X(RANDOM) X(CHECK) X(CALL)

/* What a chain may consist of, how many operands each takes, and what it gives. a, b and e are arrays; s, t and u
 * numbers, the same for all elements, which come at places 3, 4 and 5 of what is taken. Every operation rounds by itself,
 * as in NumPy: nothing here may be contracted or reordered by the compiler. The longer ones are there because they spare
 * a walk through the nearest cache. */
#define FOR_EACH_CODE(X)                                                                                                \
    X(NEGATIVE, 1)         /* -a */                                                                                     \
    X(SQUARE, 1)           /* a a */                                                                                    \
    X(SQRT, 1)             /* root of a */                                                                              \
    X(ABSOLUTE, 1)         /* |a| */                                                                                    \
    X(ADD, 2)              /* a + b */                                                                                  \
    X(SUBTRACT, 2)         /* a - b */                                                                                  \
    X(MULTIPLY, 2)         /* a b */                                                                                    \
    X(DIVIDE, 2)           /* a / b */                                                                                  \
    X(MAXIMUM, 2)          /* the larger, and what is no number where one is none */                                    \
    X(MINIMUM, 2)          /* the smaller, likewise */                                                                  \
    X(GREATER, 2)          /* a > b, as 1 and 0; so the next ones */                                                    \
    X(GREATER_EQUAL, 2)                                                                                                 \
    X(LESS, 2)                                                                                                          \
    X(LESS_EQUAL, 2)                                                                                                    \
    X(EQUAL, 2)                                                                                                         \
    X(NOT_EQUAL, 2)                                                                                                     \
    X(AXPY, 4)             /* a - s b: gradient descent's step */                                                       \
    X(MOVING_AVERAGE, 5)   /* s a + t b */                                                                              \
    X(MOVING_SQUARE, 5)    /* s a + t b^2: the moving average of a square */                                            \
    X(ADAM_STEP, 6)        /* a - s (b / (t root(e) + u)): a step over a root */                                        \
    X(MULTIPLY_ADD, 3)     /* a b + e */                                                                                \
    X(TANH_VJP, 4)         /* (s + a (-a)) b, with a = tanh x, b its cotangent and s = 1 */                             \
    X(RELU_VJP, 4)         /* b where a > s, else 0 */

#define MEMBER(name, ...) name,
enum kind { FOR_EACH_KIND(MEMBER) KINDS };
enum code { FOR_EACH_CODE(MEMBER) CODES };

/* Operands that are walked together: axes from the slowest to the fastest, the last of them given to the inner loop. */
typedef struct {
    int operands, axes;
    int from[MAX_AXES]; /* the first of the arrays' axes that an axis was made of; −1 for none */
    npy_intp shape[MAX_AXES];
    npy_intp stride[MAX_OPERANDS][MAX_AXES];
    char *data[MAX_OPERANDS];
} walk;

/* One call of a chain. Operands are numbered first, then registers: blocks in the nearest cache. */
typedef struct {
    unsigned char code, target, take[7];
} call;

enum { UNDIVIDED = -1, ROWS_OF_PRODUCT = -2, COLUMNS_OF_PRODUCT = -3, ROW_OF_SUMS = -4, NUMBERS = -5 };

#define WORTH 0.9 /* of what it takes whole; what divides for less keeps a processor busy for nothing */

/* How an iteration is run: whole; divided, as it is quicker; or so that this is found out: everything whole, in pieces,
 * stretches one by one, together. */
enum way { WHOLE, DIVIDED, TRY_WHOLE, TRY_PIECES, TRY_SINGLY, TRY_TOGETHER };
enum { TRIES = TRY_TOGETHER - TRY_WHOLE + 1 };

/* What decides it for one table. */
typedef struct {
    int turn, repeat;   /* iterations since trials began, and after how many they do again */
    int divided;        /* whether iterations are, now */
    double whole;       /* seconds of one that is not, as it was known last */
    double sum, count;  /* seconds of those since it was judged last, and how many they were */
    double pause;       /* seconds of iterations that are run whole before they are divided again */
    double lost;        /* seconds, since dividing gained */
    double beyond;      /* seconds beyond what is worth it, since it gained or there was a pause */
} judge;

struct instruction;
typedef void (*product_function)(const struct instruction *in, const char *a, const char *b, char *c);

typedef struct instruction {
    enum kind kind;
    walk walk;
    npy_intp size;               /* bytes of an element */
    PyUFuncGenericFunction loop; /* LOOP, REDUCE, MATMUL; PRODUCT where NumPy's is the quicker one for the whole */
    void *loop_data;
    int raises;        /* LOOP: whether Python may hear an error of it: a whole number to a negative power */
    int cut;           /* the axis of the walk along which it is divided, or one of the following */
    npy_intp unit;     /* of that axis, what stays together */
    double alone[2];   /* seconds that it takes at its quickest, whole and in pieces */
    int slice;         /* along what it is cut in a stretch, as `cut` */
    npy_intp slices;   /* in so many equal ones, 1 where it cannot be */
    Py_ssize_t stretch; /* how many instructions make one that begins here; 0 for none */
    npy_intp together;  /* slices of that stretch */
    size_t room;        /* for what its products pack */
    double as_stretch[2]; /* likewise one by one and together */
    union {
        struct {
            call *calls;
            int count;
            npy_intp width;            /* elements of a row */
            char types[MAX_OPERANDS];  /* NumPy's numbers of the operands' types */
            char staged[MAX_OPERANDS]; /* whether an operand's elements are brought into a block first */
        } fused;
        struct {
            enum code code; /* ADD, MAXIMUM or MINIMUM */
            npy_intp width; /* elements of a row */
            int into_row;   /* whether rows are added to a row of the target, else each to a number */
        } reduce;
        struct {
            npy_intp n, k, m;
            npy_intp stride[6]; /* of the three matrices, two each */
            /* PRODUCT: how each row of a block of eight columns is summed, 1 or 2 chains; where sums along k are cut */
            product_function product;
            const unsigned char *classes;
            npy_intp blocks; /* classes of a row */
            const npy_int64 *cuts;
            npy_intp pieces;
            double zero;  /* to which sums are added in the end, 0 or -0 */
            void *buffer; /* room for a packed panel, which is the machine's */
        } matmul;
        struct {
            int to, from; /* NumPy's numbers of the types */
        } cast;
        struct {
            npy_intp length, stride; /* of the axis along which elements are picked */
        } gather;
        struct {
            npy_intp length, stride; /* how many iterations there are, and bytes from one to the next */
            int moving;              /* which of target (0) and source (1) moves on */
        } stream;
        struct {
            unsigned long long key[2];
            npy_intp first, length; /* which number, and how many */
            int type;
        } random;
        PyObject *callable; /* CALL */
    };
} instruction;

/* The loops that exist once per kind of processor (arithmetic.c). */
typedef struct {
    void (*chain)(const call *chain, int calls, char *const *q, npy_intp n, npy_intp size);
    void (*reduce)(const instruction *in, char *t, npy_intp ts, char *s, npy_intp ss, npy_intp m);
    int (*finite)(const char *p, npy_intp n, npy_intp size);
} arithmetic;

/* The product of two matrices, for elements of so many bytes and vectors of so many; NULL where there is none. */
product_function product_of(npy_intp width, npy_intp size);
/* Bytes of the widest vectors that this processor has them for, or 0. */
int product_width(void);
size_t product_room(const instruction *in);

extern const arithmetic *arith;
const arithmetic *best_arithmetic(void);

/* From (kind, what, operands, extra) to an instruction; -1 where it cannot be used, mostly with an error set. */
int prepare_instruction(instruction *in, PyObject *item);

/* Along which axis an instruction is divided, if it is; in how many pieces at most; and piece k of so many. */
void choose_cut(instruction *in);
npy_intp most_pieces(const instruction *in);
void part_of(instruction *part, const instruction *in, npy_intp k, npy_intp count);
int divisible(const instruction *in);
unsigned written(const instruction *in);
npy_intp *length_along(instruction *in, int cut);

/* The stretches of a table that was made of these items; −1 where there is no memory. And slices `first` to `last`, of
 * so many, of one of its instructions. */
int find_stretches(instruction *table, PyObject *items, Py_ssize_t count);
void slices_of(instruction *part, const instruction *in, npy_intp first, npy_intp last, npy_intp slices);
int overlap(const walk *w, int a, int b);

/* Why a run ended. */
enum ending { DONE, HALTED, WRONG_INDEX, FAILED };

/* Threads that an instruction is spread over; `set_threads` gives the number that there was. A piece is given room for
 * what it packs, or NULL, where it is the whole and takes its own. */
typedef enum ending (*piece_function)(const instruction *in, npy_intp k, npy_intp count, void *room);
enum ending spread(const instruction *in, npy_intp count, piece_function piece, size_t room, int *noted);
int set_threads(int wanted);
int threads_now(void);
double seconds_now(void);

/* Whether the second of two ways is the quicker one; the least of what was taken; and a judge's next way, whether he
 * wants to know what it took, and his answer to that. */
int gains(const double seconds[2]);
void note(double *least, double taken);
enum way next_way(const judge *j);
int is_judged(const judge *j);
void settle(judge *j, double taken);

/* Iterations `start` to `stop` of the table; gives the first that was not completed, and in `raised` what the processor
 * has noted on the way, as NPY_FPE_DIVIDEBYZERO and so on. With `pieces` every instruction that can be is divided in so
 * many, however short it is; with -pieces every stretch, one of a single instruction too; else the judge says how it is
 * run. Called and left with the interpreter lock, which is released in between. */
Py_ssize_t run_table(
    instruction *table, Py_ssize_t count, judge *judge, Py_ssize_t start, Py_ssize_t stop, npy_intp pieces, enum ending *how,
    int *raised);

/* In numbers.c: cells of a text as numbers, which is no part of running programs. */
PyObject *count_lines(PyObject *self, PyObject *content);
PyObject *read_cells(PyObject *self, PyObject *arguments);

#endif
