/* Cells of a text as numbers, rounded as Python's float() rounds them.
 *
 * A decimal w·10^q with at most 19 digits w is w·5^q·2^q, and the product of w with 128 bits of 5^q nearly always tells
 * which double is nearest: D. Lemire, Number parsing at a gigabyte per second, Software: Practice and Experience 51,
 * 2021. What it does not tell, and what is longer or smaller than usual, Python's own conversion reads.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#ifdef _MSC_VER
#include <intrin.h>
#endif
#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

enum { LEAST = -342, MOST = 308, DIGITS = 19, LONGEST = 800 };
enum { TEXT, NUMBER, SKIP, DONE = -1, UNLIKE = -2 };
enum { WIDEST = 100000 }; /* bytes of a cell: the csv module refuses one of 131,073 characters */
enum { AROUND = 32 }; /* bytes before and behind the beginning of a number that may be looked at together */

typedef struct { uint64_t high, low; } wide;

/* How cells are written: the mark between them, that before decimals and that between groups of digits, 0 where there is
 * none; the mark before decimals in a cell without quotes, a digit where there is none, since no digit ends a row of
 * digits; the texts that say that a value is missing, each with a zero behind it, and whether capitals are as good; and
 * the texts that may stand before or behind a number, of which none begins or ends another. */
typedef struct {
    char delimiter, decimal, thousands, bare_decimal;
    const char *marks, *last_mark;
    int any_case;
    const char *units, *last_unit;
    const uint64_t *powers;
} style;

static wide product(uint64_t a, uint64_t b) {
#if defined(_MSC_VER) && defined(_M_X64)
    wide r;
    r.low = _umul128(a, b, &r.high);
    return r;
#elif defined(__SIZEOF_INT128__)
    unsigned __int128 r = (unsigned __int128)a * b;
    return (wide){(uint64_t)(r >> 64), (uint64_t)r};
#else
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t middle = ah * bl + (al * bl >> 32), other = al * bh + (uint32_t)middle;
    return (wide){ah * bh + (middle >> 32) + (other >> 32), other << 32 | (uint32_t)(al * bl)};
#endif
}

static int leading_zeros(uint64_t w) {
#ifdef _MSC_VER
    int zeros = 0;
    for (; !(w >> 63); w <<= 1) zeros++;
    return zeros;
#else
    return __builtin_clzll(w);
#endif
}

static int trailing_zeros(uint64_t w) {
#ifdef _MSC_VER
    int zeros = 0;
    for (; !(w & 1); w >>= 1) zeros++;
    return zeros;
#else
    return __builtin_ctzll(w);
#endif
}

/* The double nearest to w·10^q; 0 where this cannot tell, or it is no normal number. */
static inline int nearest(uint64_t w, int64_t q, const uint64_t *powers, double *value) {
    if (w == 0) return *value = 0, 1;
    if (q == 0 && w <= (uint64_t)1 << 53) return *value = (double)w, 1;
    if (q < LEAST || q > MOST) return 0;
    int zeros = leading_zeros(w);
    w <<= zeros;
    const uint64_t *power = powers + 2 * (q - LEAST);
    wide p = product(w, power[0]);
    if ((p.high & 0x1FF) == 0x1FF) { /* what is cut off may carry into the bits that count */
        wide more = product(w, power[1]);
        p.low += more.high;
        p.high += more.high > p.low;
    }
    if (p.low == UINT64_MAX && (q < -27 || q > 55)) return 0;
    int upper = (int)(p.high >> 63);
    uint64_t mantissa = p.high >> (upper + 9);
    int64_t exponent = ((217706 * q) >> 16) + 63 + upper - zeros + 1023;
    if (exponent <= 0) return 0;
    if (p.low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << (upper + 9) == p.high)
        mantissa &= ~(uint64_t)1; /* half way between two doubles: to the even one */
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >= (uint64_t)2 << 52) mantissa = (uint64_t)1 << 52, exponent++;
    if (exponent >= 0x7FF) return 0;
    mantissa = (mantissa & ~((uint64_t)1 << 52)) | (uint64_t)exponent << 52;
    memcpy(value, &mantissa, sizeof mantissa);
    return 1;
}

static inline int is_digit(char c) { return c >= '0' && c <= '9'; }

/* The power of ten behind an e: where it ends, NULL where there is none. */
static inline const char *exponent(const char *s, int64_t *q) {
    int down = *++s == '-';
    s += down || *s == '+';
    if (!is_digit(*s)) return NULL;
    int64_t power = 0;
    for (; is_digit(*s); s++)
        if (power < 100000) power = power * 10 + (*s - '0');
    *q += down ? -power : power;
    return s;
}

#if PY_LITTLE_ENDIAN
static inline uint64_t eight(const char *s) {
    uint64_t v;
    memcpy(&v, s, 8);
    return v;
}

/* The number that eight digits are, without their zeros' codes. The multiplications are Lemire's, too. */
static inline uint64_t eight_digits(uint64_t v) {
    v = v * 10 + (v >> 8);
    return ((v & 0xFF000000FF) * 0x000F424000000064 + (v >> 16 & 0xFF000000FF) * 0x0000271000000001) >> 32 & 0xFFFFFFFF;
}

/* The digits that eight characters begin with as a number, and how many they are: without a branch for each of them,
 * which nobody can foretell. */
static inline int leading_digits(const char *s, uint64_t *digits) {
    const uint64_t tens = 0xF0F0F0F0F0F0F0F0, zeros = 0x3030303030303030;
    uint64_t v = eight(s), others = ((v & tens) ^ zeros) | (((v + 0x0606060606060606) & tens) ^ zeros);
    int count = others ? trailing_zeros(others) >> 3 : 8;
    if (count == 0) return 0;
    *digits = eight_digits((v - zeros) << (64 - 8 * count)); /* zeros come to the front; what else is subtracted goes */
    return count;
}
#endif

static inline const char *run_of_digits(const char *s, const char *end, uint64_t *w) {
#if PY_LITTLE_ENDIAN
    static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    uint64_t some;
    while (end - s >= 8) {
        int count = leading_digits(s, &some);
        if (count == 0) return s;
        *w = *w * tens[count] + some, s += count;
        if (count < 8) return s;
    }
#endif
    for (; is_digit(*s); s++) *w = *w * 10 + (uint64_t)(*s - '0');
    return s;
}

#if PY_LITTLE_ENDIAN
/* A bit for each of the 32 characters from s on, the first the lowest: whether it is something else than a digit. */
static inline uint32_t others_than_digits(const char *s) {
    uint32_t found = 0;
#if defined(__SSE2__) || defined(_M_X64)
    const __m128i least = _mm_set1_epi8(128 - '0'), ten = _mm_set1_epi8(10 - 128); /* numbers with a sign are compared */
    for (int i = 0; i < 32; i += 16) {
        const __m128i digits = _mm_cmplt_epi8(_mm_add_epi8(_mm_loadu_si128((const __m128i *)(s + i)), least), ten);
        found |= (uint32_t)_mm_movemask_epi8(digits) << i;
    }
    return ~found;
#else
    for (int i = 0; i < 32; i += 8) {
        const uint64_t v = eight(s + i) ^ 0x3030303030303030;
        const uint64_t high = (((v & 0x7F7F7F7F7F7F7F7F) + 0x7676767676767676) | v) & 0x8080808080808080;
        found |= (uint32_t)((high >> 7) * 0x0102040810204080 >> 56) << i;
    }
    return found;
#endif
}

/* Eight of the 24 digits before `stop`, those from 8·part on, as a number: all but the last `count` are taken for zeros,
 * and a mark stands before the last `decimals`. */
static inline uint64_t some_digits(const char *stop, int part, int64_t decimals, int64_t count) {
    static const uint64_t masks[6] = {0, 0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const char *from = stop - 24 + 8 * part, *mask = (const char *)masks + 8 * part;
    const uint64_t behind = eight(mask + decimals), counted = eight(mask + count) & 0x0F0F0F0F0F0F0F0F;
    return eight_digits(((eight(from) & behind) | (eight(from - 1) & ~behind)) & counted);
}

/* A number as most are written, in a cell without quotes or spaces, at most 19 digits and at least one: where the cell
 * ends, NULL for any other. How many digits there are decides no branch but for short ones; a column's are alike. */
static inline const char *usual(const char *text, const char *s, const char *end, const style *how, double *value) {
    const int negative = *s == '-';
    s += negative | (*s == '+');
    if (s - text < AROUND || end - s < AROUND) return NULL;
    uint32_t others = others_than_digits(s);
    if (!others) return NULL;
    const char *stop = s + trailing_zeros(others);
    int64_t count = stop - s, decimals = 0;
    const int marked = *stop == how->bare_decimal;
    if (marked) {
        others &= others - 1;
        if (!others) return NULL;
        stop = s + trailing_zeros(others);
        decimals = stop - s - count - 1, count += decimals;
    }
    if (count < 1 || count > DIGITS) return NULL;
    int64_t q = -decimals;
    const char *after = stop;
    if (*after != how->delimiter && *after != '\n') {
        if ((*stop != 'e' && *stop != 'E') || !(after = exponent(stop, &q))) return NULL;
        if (after - stop > AROUND || (*after != how->delimiter && *after != '\n')) return NULL;
    }
    const int64_t behind = marked ? decimals : count;
    uint64_t w = some_digits(stop, 2, behind, count), bits;
    if (count > 8)
        w += some_digits(stop, 1, behind, count) * 100000000 + some_digits(stop, 0, behind, count) * 10000000000000000;
    if (!nearest(w, q, how->powers, value)) return NULL;
    memcpy(&bits, value, sizeof bits);
    bits |= (uint64_t)negative << 63;
    memcpy(value, &bits, sizeof bits);
    return after;
}
#endif

/* By Python's own conversion, which wants its lock. */
static int slowly(
    const char *start, const char *stop, char decimal, char thousands, double *value, PyThreadState **state) {
    char text[LONGEST], *t = text;
    if (stop - start >= LONGEST) return 0;
    for (; start < stop; start++)
        if (*start != thousands) *t++ = *start == decimal ? '.' : *start;
    *t = 0;
    PyEval_RestoreThread(*state);
    *value = PyOS_string_to_double(text, NULL, NULL);
    int well = !(*value == -1.0 && PyErr_Occurred()) && *value - *value == 0; /* finite */
    PyErr_Clear();
    *state = PyEval_SaveThread();
    return well;
}

/* Groups of digits behind the first one, of two or three each and the last of three: 1,234,567 and 12,34,567. */
static const char *groups(const char *s, const char *end, char thousands, uint64_t *w, int64_t *digits) {
    if (*digits < 1 || *digits > 3) return NULL;
    int64_t length = 3;
    while (*s == thousands && is_digit(s[1])) {
        const char *group = s + 1;
        s = run_of_digits(group, end, w);
        length = s - group;
        if (length != 2 && length != 3) return NULL;
        *digits += length;
    }
    return length == 3 ? s : NULL;
}

/* One finite number in digits from s on: where it ends, NULL where there is none. A zero byte stands at `end`. A cell
 * without quotes has no mark that is also the delimiter. */
static const char *number(
    const char *s, const char *end, const style *how, int quoted, double *value, PyThreadState **state) {
    const char *start = s;
    const char decimal = quoted || how->decimal != how->delimiter ? how->decimal : 0;
    const char thousands = quoted || how->thousands != how->delimiter ? how->thousands : 0;
    int negative = *s == '-';
    s += negative | (*s == '+');
    const char *first = s;
    uint64_t w = 0;
    int64_t q = 0;
    s = run_of_digits(s, end, &w);
    int64_t digits = s - first;
    if (thousands && *s == thousands && is_digit(s[1]) && !(s = groups(s, end, thousands, &w, &digits))) return NULL;
    if (decimal && *s == decimal) {
        const char *decimals = ++s;
        s = run_of_digits(s, end, &w);
        q = decimals - s;
        digits -= q;
    }
    if (digits == 0) return NULL;
    if ((*s == 'e' || *s == 'E') && !(s = exponent(s, &q))) return NULL;
    if (digits > DIGITS) { /* zeros in front are none that count */
        for (; first < s && (*first == '0' || *first == decimal || *first == thousands); first++) digits -= *first == '0';
    }
    if (digits > DIGITS || !nearest(w, q, how->powers, value))
        return slowly(start, s, decimal, thousands, value, state) ? s : NULL;
    *value = negative ? -*value : *value;
    return s;
}

static const char *spaces(const char *s, char delimiter) {
    while ((*s == ' ' || *s == '\t') && *s != delimiter) s++;
    return s;
}

static int ends(const char *s, const char *end, char delimiter) {
    return s == end || *s == delimiter || *s == '\n' || (*s == '\r' && s[1] == '\n');
}

/* Where what says that a value is missing ends; NULL where nothing does. */
static const char *absent(const char *s, const char *end, const style *how) {
    for (const char *mark = how->marks; mark < how->last_mark; mark++) {
        const char *rest = s;
        while (*mark && (*rest == *mark || (how->any_case && *mark >= 'a' && *rest == *mark - 'a' + 'A'))) mark++, rest++;
        rest = spaces(rest, how->delimiter);
        if (!*mark && ends(rest, end, how->delimiter)) return rest;
        mark += strlen(mark);
    }
    return NULL;
}

/* Where the unit that stands at s ends; s where none does. */
static const char *unit(const char *s, const style *how) {
    for (const char *name = how->units; name < how->last_unit; name += strlen(name) + 1)
        if (!strncmp(s, name, strlen(name))) return s + strlen(name);
    return s;
}

/* One finite number, its unit before it, behind the sign or in front of it, or behind it. */
static const char *measure(
    const char *s, const char *end, const style *how, int quoted, double *value, PyThreadState **state) {
    const char blank = quoted ? '"' : how->delimiter;
    if (how->units == how->last_unit) return number(s, end, how, quoted, value, state);
    int negative = *s == '-', is_signed = negative || *s == '+';
    const char *first = unit(spaces(s + is_signed, blank), how);
    if (first == spaces(s + is_signed, blank)) { /* none stands in front */
        s = number(s, end, how, quoted, value, state);
        return s ? unit(spaces(s, blank), how) : NULL;
    }
    first = spaces(first, blank);
    if (is_signed && (*first == '-' || *first == '+')) return NULL;
    s = number(first, end, how, quoted, value, state);
    if (s && negative) *value = -*value;
    return s;
}

/* A number, in quotes or not, or a sign that it is missing, which is nan: where the cell ends, NULL where it is something else. */
static const char *number_cell(const char *s, const char *end, const style *how, double *value, PyThreadState **state) {
    int quoted = *s == '"';
    const char *start = quoted ? spaces(s + 1, '"') : spaces(s, how->delimiter);
    s = measure(start, end, how, quoted, value, state);
    if (!s) return *value = Py_NAN, quoted ? NULL : absent(start, end, how);
    s = spaces(s, quoted ? '"' : how->delimiter);
    if (quoted && *s++ != '"') return NULL;
    return ends(s, end, how->delimiter) ? s : NULL;
}

/* A text, in quotes or not: where the cell ends, NULL where it is not closed, or holds a zero or a lone '\r'. */
static const char *text_cell(const char *s, const char *end, char delimiter) {
    if (*s != '"') {
        while (*s && *s != delimiter && *s != '\n' && *s != '\r') s++;
        return ends(s, end, delimiter) ? s : NULL;
    }
    do {
        for (s++; *s != '"'; s++)
            if (!*s) return NULL;
    } while (*++s == '"');
    return ends(s, end, delimiter) ? s : NULL;
}

/* The bytes of a text, which a zero follows. */
static int text_of(PyObject *content, Py_buffer *view) {
    if (!PyBytes_Check(content) && !PyByteArray_Check(content))
        return PyErr_SetString(PyExc_TypeError, "a text is bytes or a bytearray"), 0;
    return PyObject_GetBuffer(content, view, PyBUF_SIMPLE) == 0;
}

/* How many ends of lines a text has, and whether all of its characters are ASCII. */
PyObject *count_lines(PyObject *self, PyObject *content) {
    (void)self;
    Py_buffer view;
    if (!text_of(content, &view)) return NULL;
    const char *text = view.buf;
    Py_ssize_t length = view.len, lines = 0;
    unsigned char all = 0;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t start = 0; start < length; start += 128) { /* so few that a byte counts them */
        unsigned char some = 0;
        Py_ssize_t stop = length - start < 128 ? length : start + 128;
        for (Py_ssize_t i = start; i < stop; i++) some += text[i] == '\n', all |= (unsigned char)text[i];
        lines += some;
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return Py_BuildValue("nO", lines, all < 128 ? Py_True : Py_False);
}

PyObject *read_cells(PyObject *self, PyObject *arguments) {
    const char *signs, *marks, *units, *kinds, *powers;
    Py_ssize_t three, length, names, columns, bytes;
    PyObject *content;
    int any_case;
    Py_buffer numbers, spans, view;
    (void)self;
    if (!PyArg_ParseTuple(
            arguments, "Oy#y#py#y#y#w*w*", &content, &signs, &three, &marks, &length, &any_case, &units, &names, &kinds,
            &columns, &powers, &bytes, &numbers, &spans))
        return NULL;
    if (!text_of(content, &view)) return PyBuffer_Release(&numbers), PyBuffer_Release(&spans), NULL;
    Py_ssize_t counted = 0, texts = 0, most = PY_SSIZE_T_MAX, rows = 0, gaps = 0, problem = DONE;
    for (Py_ssize_t c = 0; c < columns; c++) counted += kinds[c] == NUMBER, texts += kinds[c] == TEXT;
    if (counted) most = numbers.len / (Py_ssize_t)sizeof(double) / counted;
    Py_ssize_t pairs = spans.len / (Py_ssize_t)sizeof(int64_t) / 2;
    if (texts && pairs / texts < most) most = pairs / texts;
    int fits = bytes == (MOST - LEAST + 1) * 16 && columns > 0 && three == 3;
    double *value = numbers.buf;
    int64_t *span = spans.buf;
    style how = {0};
    if (fits) how = (style){signs[0], signs[1], signs[2], signs[1] == signs[0] ? '0' : signs[1], marks, marks + length,
                              any_case, units, units + names, (const uint64_t *)powers};
    const char delimiter = how.delimiter, *text = view.buf, *s = text, *end = text + view.len;
    PyThreadState *state = PyEval_SaveThread();
    while (fits && problem == DONE) {
        while (s < end && (*s == '\n' || (*s == '\r' && s[1] == '\n'))) s++;
        if (s == end || rows == most) break;
        for (Py_ssize_t c = 0; c < columns && problem == DONE; c++) {
            const char *start = s;
#if PY_LITTLE_ENDIAN
            const char *after = kinds[c] == NUMBER ? usual(text, s, end, &how, value) : NULL;
            if (after && (*after == delimiter) == (c < columns - 1)) {
                s = after + (c < columns - 1), value++;
                continue;
            }
#endif
            while (*start == ' ') start++; /* what else is blank makes a quote behind it a character like any other */
            s = kinds[c] == NUMBER ? number_cell(start, end, &how, value, &state) : text_cell(start, end, delimiter);
            if (!s || s - start > WIDEST) {
                problem = s || kinds[c] != NUMBER ? UNLIKE : c;
            } else if ((s < end && *s == delimiter) != (c < columns - 1)) {
                problem = UNLIKE;
            } else {
                if (kinds[c] == NUMBER) gaps += *value != *value, value++;
                if (kinds[c] == TEXT) *span++ = start - text, *span++ = s - text;
                s += c < columns - 1;
            }
        }
        rows += problem == DONE;
    }
    PyEval_RestoreThread(state);
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&spans);
    PyBuffer_Release(&view);
    if (!fits) return PyErr_Format(PyExc_ValueError, "no columns, no three signs, or no powers of five");
    return Py_BuildValue("nnn", rows, gaps, problem);
}
