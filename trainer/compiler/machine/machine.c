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
 *     PRODUCT  the same by the machine itself, with its bits
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
#define MACHINE_IMPORTS
#include "machine.h"
#include <structmember.h>

#ifndef SOURCES
#define SOURCES "" /* their digest, where the package is installed; see __init__.py */
#endif

typedef struct {
    PyObject_HEAD
    instruction *table;
    Py_ssize_t count;
    judge judge;
    PyObject *keep; /* every object that an instruction points into */
    void *room;     /* for what instructions pack, one after the other */
    int raised;     /* by the last run: NPY_FPE_DIVIDEBYZERO and so on */
} machine;

#define MOST 0xffff /* pieces of an instruction */

/* run(start, stop, pieces=0): iterations start … stop − 1 of the table. Returns how many were completed: fewer than asked
 * for where a CHECK found a value that is not finite. For `pieces` see machine.h. */
static PyObject *machine_run(machine *self, PyObject *args) {
    Py_ssize_t start, stop, pieces = 0;
    if (!PyArg_ParseTuple(args, "nn|n", &start, &stop, &pieces)) return NULL;
    pieces = pieces > MOST ? MOST : pieces < -MOST ? -MOST : pieces;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if (start < 0 || (self->table[i].kind == STREAM && stop > self->table[i].stream.length)) {
            PyErr_Format(PyExc_ValueError, "iterations %zd to %zd do not fit the streams", start, stop);
            return NULL;
        }
    }
    enum ending how;
    Py_ssize_t iteration = run_table(self->table, self->count, &self->judge, start, stop, pieces, &how, &self->raised);
    /* An inner loop may raise on its own: an integer to a negative power. */
    if (how == FAILED || PyErr_Occurred()) return NULL;
    if (how == WRONG_INDEX) {
        PyErr_Format(PyExc_IndexError, "an index in iteration %zd lies outside of its axis", iteration);
        return NULL;
    }
    return PyLong_FromSsize_t(iteration - start);
}

/* One piece of memory for all products, as large as the largest of them needs. */
static int give_room(machine *self) {
    size_t most = 0;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        size_t needed = self->table[i].kind == PRODUCT ? product_room(&self->table[i]) : 0;
        if (needed > most) most = needed;
    }
    self->room = PyMem_Malloc(most);
    for (Py_ssize_t i = 0; self->room && i < self->count; i++)
        if (self->table[i].kind == PRODUCT) self->table[i].matmul.buffer = self->room;
    if (!self->room) PyErr_NoMemory();
    return self->room ? 0 : -1;
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
        if (prepare_instruction(&self->table[i], PyTuple_GET_ITEM(self->keep, i)) < 0) {
            if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "instruction %zd cannot be used", i);
            Py_DECREF(self);
            return NULL;
        }
        choose_cut(&self->table[i]);
    }
    return find_stretches(self->table, self->keep, self->count) < 0 || give_room(self) < 0 ? (Py_DECREF(self), NULL) : (PyObject *)self;
}

static int machine_traverse(machine *self, visitproc visit, void *arg) {
    Py_VISIT(self->keep);
    return 0;
}

static int machine_clear(machine *self) {
    for (Py_ssize_t i = 0; i < self->count; i++) {
        instruction *in = &self->table[i];
        if (in->kind == FUSED) PyMem_Free(in->fused.calls), in->fused.calls = NULL;
    }
    self->count = 0;
    Py_CLEAR(self->keep);
    return 0;
}

static void machine_dealloc(machine *self) {
    PyObject_GC_UnTrack(self);
    machine_clear(self);
    PyMem_Free(self->table);
    PyMem_Free(self->room);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef machine_methods[] = {
    {"run", (PyCFunction)machine_run, METH_VARARGS, "run(start, stop, pieces=0) -> how many iterations were completed"},
    {NULL, NULL, 0, NULL},
};

/* (first instruction, how many, slices) of each stretch. */
static PyObject *machine_stretches(machine *self, void *unused) {
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found && i < self->count; i++) {
        const instruction *in = &self->table[i];
        PyObject *one = in->stretch ? Py_BuildValue("nnn", i, in->stretch, (Py_ssize_t)in->together) : NULL;
        if (in->stretch && (!one || PyList_Append(found, one) < 0)) Py_CLEAR(found);
        Py_XDECREF(one);
    }
    return found;
}

static PyGetSetDef machine_got[] = {
    {"stretches", (getter)machine_stretches, NULL, "(first instruction, how many, in how many slices) of each stretch", NULL},
    {NULL},
};

static PyMemberDef machine_members[] = {
    {"raised", T_INT, offsetof(machine, raised), READONLY, "what the last run divided by 0 (1), overflowed (2), underflowed (4), made nan (8)"},
    {NULL},
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
    .tp_members = machine_members,
    .tp_getset = machine_got,
};

static PyObject *threads(PyObject *module, PyObject *args) {
    int wanted = 0;
    if (!PyArg_ParseTuple(args, "|i", &wanted)) return NULL;
    return PyLong_FromLong(wanted > 0 ? set_threads(wanted) : threads_now());
}

/* What a judge says of iterations that take so many seconds, one after the other: which of them are divided. */
static PyObject *divided(PyObject *module, PyObject *args) {
    PyObject *seconds[2], *found = PyList_New(0);
    judge judge = {0};
    if (!found || !PyArg_ParseTuple(args, "O!O!", &PyList_Type, &seconds[0], &PyList_Type, &seconds[1])) {
        Py_XDECREF(found);
        return NULL;
    }
    for (Py_ssize_t i = 0; found && i < PyList_GET_SIZE(seconds[0]) && i < PyList_GET_SIZE(seconds[1]); i++) {
        const enum way way = next_way(&judge);
        PyObject *is = way == DIVIDED || way == TRY_PIECES || way == TRY_TOGETHER ? Py_True : Py_False;
        const double taken = PyFloat_AsDouble(PyList_GET_ITEM(seconds[is == Py_True], i));
        if (PyErr_Occurred() || PyList_Append(found, is) < 0) Py_CLEAR(found);
        settle(&judge, taken);
    }
    return found;
}

static PyMethodDef functions[] = {
    {"divided", divided, METH_VARARGS, "divided(whole, in pieces) -> of iterations that take so many seconds, which would be"},
    {"threads", threads, METH_VARARGS, "threads([n]) -> how many threads instructions are spread over; from now on n"},
    {"count_lines", count_lines, METH_O, "count_lines(text) -> (lines, whether it is ASCII)"},
    {"read_cells", read_cells, METH_VARARGS,
     "read_cells(text, signs, marks, any_case, kinds, powers, numbers, spans) -> (rows, gaps, problem)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_machine", .m_doc = "Runs programs on NumPy's inner loops, and reads numbers.", .m_size = -1,
    .m_methods = functions};

PyMODINIT_FUNC PyInit__machine(void) {
    import_array();
    import_umath();
    arith = best_arithmetic();
    if (PyType_Ready(&machine_type) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module || PyModule_AddObjectRef(module, "Machine", (PyObject *)&machine_type) < 0) return NULL;
#define NAME(name, ...) #name,
    static const char *kinds[KINDS] = {FOR_EACH_KIND(NAME)}, *codes[CODES] = {FOR_EACH_CODE(NAME)};
    for (int k = 0; k < KINDS; k++)
        if (PyModule_AddIntConstant(module, kinds[k], k) < 0) return NULL;
    for (int k = 0; k < CODES; k++)
        if (PyModule_AddIntConstant(module, codes[k], k) < 0) return NULL;
    if (PyModule_AddIntConstant(module, "VECTORS", product_width()) < 0) return NULL;
    if (PyModule_AddStringConstant(module, "SOURCES", SOURCES) < 0) return NULL;
    return module;
}
