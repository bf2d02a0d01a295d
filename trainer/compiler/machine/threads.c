/* The machine's threads. One instruction at a time, or a stretch of them, is spread over them, piece by piece, as each is
 * free; a thread that somebody else's work holds up does fewer. They wait a moment in a loop for the next instruction, and
 * asleep after that.
 *
 * A ticket says which instruction is at work, in how many pieces, and which piece is next: whoever raises it by one has
 * that piece. It is one number, so that nobody who comes late takes a piece of another instruction for one of this. */
#include "machine.h"

#if defined(_WIN32) || defined(__STDC_NO_ATOMICS__)
double seconds_now(void) { return 0; }
int set_threads(int wanted) { return 1; }
int threads_now(void) { return 1; }
enum ending spread(const instruction *in, npy_intp count, piece_function piece, size_t room, int *noted) {
    return piece(in, 0, 1, NULL);
}
#else
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define MOST 64            /* threads */
#define TURNS 4000         /* of a waiting loop: some twenty microseconds */

typedef unsigned long long ticket; /* 32 bits of which instruction, 16 of how many pieces, 16 of the next one */

static struct {
    atomic_int wanted;   /* threads, with the one that asks */
    atomic_flag busy;    /* somebody's instruction is being spread */
    _Atomic ticket ticket;
    atomic_int left;     /* pieces that are not done yet */
    atomic_int able;     /* threads that have room for a piece; another number may be wanted meanwhile */
    atomic_int ending, noted;
    atomic_int asleep;   /* threads that wait for an instruction */
    atomic_int waiting;  /* whether the one that asked waits for pieces */
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    /* The rest belongs to whoever is busy. */
    int running;         /* threads that were started */
    unsigned number;     /* of the instruction */
    const instruction *in;
    piece_function piece;
    void *room[MOST];    /* for each thread what it packs */
    size_t bytes[MOST];
} pool = {.wanted = 1, .busy = ATOMIC_FLAG_INIT,
          .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void breathe(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_ia32_pause();
#endif
}

static void tell(pthread_cond_t *who) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(who);
    pthread_mutex_unlock(&pool.lock);
}

/* The pieces of the instruction `number` that are left, one after the other. */
static void take_pieces(unsigned number, int who) {
    ticket now = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    while ((unsigned)(now >> 32) == number && (now & 0xffff) < (now >> 16 & 0xffff)) {
        if (!atomic_compare_exchange_weak_explicit(&pool.ticket, &now, now + 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        feclearexcept(FE_ALL_EXCEPT);
        enum ending how = pool.piece(pool.in, (npy_intp)(now & 0xffff), (npy_intp)(now >> 16 & 0xffff), pool.room[who]);
        if (how != DONE) atomic_store_explicit(&pool.ending, how, memory_order_relaxed);
        int noted = fetestexcept(FE_ALL_EXCEPT);
        if (noted) atomic_fetch_or_explicit(&pool.noted, noted, memory_order_relaxed);
        if (atomic_fetch_sub(&pool.left, 1) == 1 && atomic_load(&pool.waiting)) tell(&pool.done);
        now = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    }
}

static unsigned number_now(void) { return (unsigned)(atomic_load(&pool.ticket) >> 32); }

static void *work(void *argument) {
    const int who = (int)(size_t)argument;
    for (unsigned done = 0;;) {
        const int asked = who < atomic_load_explicit(&pool.wanted, memory_order_relaxed);
        for (int turn = 0; asked && turn < TURNS && number_now() == done; turn++) breathe();
        if (number_now() == done) {
            pthread_mutex_lock(&pool.lock);
            atomic_fetch_add(&pool.asleep, 1);
            while (number_now() == done) pthread_cond_wait(&pool.wake, &pool.lock);
            atomic_fetch_sub(&pool.asleep, 1);
            pthread_mutex_unlock(&pool.lock);
        }
        done = number_now();
        if (who < atomic_load_explicit(&pool.able, memory_order_relaxed)) take_pieces(done, who);
    }
    return NULL;
}

/* A process that was forked has the one thread that forked it. What another one was at is nobody's here: neither the
 * pieces that were left, nor the room, which may have been changing hands. */
static void forget(void) {
    pool.running = 0;
    atomic_store(&pool.asleep, 0);
    atomic_store(&pool.waiting, 0);
    atomic_store(&pool.ticket, (ticket)pool.number << 32);
    const int at_work = atomic_flag_test_and_set(&pool.busy);
    for (int who = 0; at_work && who < MOST; who++) pool.room[who] = NULL, pool.bytes[who] = 0;
    atomic_flag_clear(&pool.busy);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.done, NULL);
}

/* As many as are wanted, none of which signals reach; with room for so many bytes each. Returns whether they are there. */
static int ready(int wanted, size_t room) {
    static int told = 0;
    if (!told) told = !pthread_atfork(NULL, NULL, forget);
    for (int who = 0; who < wanted; who++) {
        if (pool.bytes[who] >= room) continue;
        free(pool.room[who]);
        pool.room[who] = malloc(room);
        pool.bytes[who] = pool.room[who] ? room : 0;
        if (!pool.room[who]) return 0;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pthread_t thread; told && pool.running < wanted - 1; pool.running++) {
        if (pthread_create(&thread, NULL, work, (void *)(size_t)(pool.running + 1))) break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return told && pool.running >= wanted - 1;
}

/* Wait for the pieces that others are at: a moment, and then asleep. Who yields again and again instead is let run last,
 * where others are at work on its processor. */
static void join(void) {
    for (int turn = 0; turn < TURNS && atomic_load_explicit(&pool.left, memory_order_acquire); turn++) breathe();
    if (!atomic_load_explicit(&pool.left, memory_order_acquire)) return;
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.waiting, 1);
    while (atomic_load(&pool.left)) pthread_cond_wait(&pool.done, &pool.lock);
    atomic_store(&pool.waiting, 0);
    pthread_mutex_unlock(&pool.lock);
}

int set_threads(int wanted) {
    wanted = wanted < 1 ? 1 : wanted > MOST ? MOST : wanted;
    return atomic_exchange(&pool.wanted, wanted);
}

int threads_now(void) { return atomic_load_explicit(&pool.wanted, memory_order_relaxed); }

enum ending spread(const instruction *in, npy_intp count, piece_function piece, size_t room, int *noted) {
    const int wanted = threads_now();
    if (wanted < 2 || atomic_flag_test_and_set(&pool.busy)) return piece(in, 0, 1, NULL);
    if (!ready(wanted, room)) {
        atomic_flag_clear(&pool.busy);
        return piece(in, 0, 1, NULL);
    }
    pool.in = in, pool.piece = piece;
    *noted |= fetestexcept(FE_ALL_EXCEPT);
    atomic_store_explicit(&pool.ending, DONE, memory_order_relaxed);
    atomic_store_explicit(&pool.noted, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.left, (int)count, memory_order_relaxed);
    atomic_store_explicit(&pool.able, wanted, memory_order_relaxed);
    pool.number++;
    atomic_store(&pool.ticket, (ticket)pool.number << 32 | (ticket)count << 16);
    if (atomic_load(&pool.asleep)) tell(&pool.wake);
    take_pieces(pool.number, 0);
    join();
    *noted |= atomic_load_explicit(&pool.noted, memory_order_relaxed);
    feclearexcept(FE_ALL_EXCEPT);
    enum ending how = (enum ending)atomic_load_explicit(&pool.ending, memory_order_relaxed);
    atomic_flag_clear(&pool.busy);
    return how;
}
#endif
