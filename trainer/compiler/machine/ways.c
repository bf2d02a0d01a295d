/* Which way an iteration of a table is run: whole by one thread, or divided among all of them.
 *
 * What an instruction takes at its quickest, whole and in pieces, and a stretch one by one and together, is found by
 * trial: the first iterations are there for that, and some later ones, at ever greater distances, since a trial may have
 * met somebody else at work. What they take now is another matter. While iterations are divided, a moment's mean is held
 * against what one takes whole. Where that does not gain, it is borne for a while, since threads that slept may get
 * processors of their own only after a time of work. Then the next ones are run whole, which tells what that takes now, for
 * a pause: a short one at first, for it may have been a hiccup; then twice as long each time, and so long that what was
 * lost is a small part of it. */
#include "machine.h"
#include <math.h>

#define TRIALS 3         /* iterations of each kind */
#define SMALL 2e-5       /* seconds of an iteration in which there is nothing to divide */
#define MOMENT 0.01      /* seconds: in which two that share a processor have had it several times each */
#define PATIENCE 0.01    /* seconds beyond what is worth it, before there is a pause */
#define FIRST_PAUSE 0.05 /* seconds */
#define LONGEST_PAUSE 10.0
#define SHARE 30         /* how many times what was lost a pause takes at least */
#define RISE 1.2         /* times as long as it was known to take whole, it may take a pause later */
#define FIRST_REPEAT 40  /* iterations until the next trials */
#define LAST_REPEAT 8000

int gains(const double seconds[2]) { return seconds[1] > 0 && seconds[1] <= WORTH * seconds[0]; }

void note(double *least, double taken) {
    if (!*least || taken < *least) *least = taken;
}

enum way next_way(const judge *j) {
    if (j->turn < TRIES * TRIALS) return TRY_WHOLE + j->turn / TRIALS;
    return j->divided ? DIVIDED : WHOLE;
}

int is_judged(const judge *j) { return threads_now() > 1 && (j->turn < TRIALS || j->whole >= SMALL); }

void settle(judge *j, double taken) {
    const int turn = j->turn++;
    if (turn == 0) j->whole = 0;
    if (turn < TRIALS) note(&j->whole, taken);
    if (turn >= TRIALS && (turn < TRIES * TRIALS || j->divided)) j->lost += taken - j->whole;
    if (turn >= TRIES * TRIALS && j->divided) j->beyond += taken - WORTH * j->whole;
    if (turn < TRIES * TRIALS) {
        j->divided = 1, j->sum = j->count = 0;
        return;
    }
    j->sum += taken, j->count++;
    if (j->sum < (j->divided ? MOMENT : j->pause)) return;
    const double mean = j->sum / j->count;
    if (!j->divided) {
        j->whole = fmin(mean, RISE * j->whole), j->divided = 1, j->beyond = 0;
    } else if (mean <= WORTH * j->whole) {
        j->pause = j->lost = j->beyond = 0;
    } else if (j->beyond > PATIENCE) {
        j->pause = j->pause ? fmin(fmax(2 * j->pause, SHARE * j->lost), LONGEST_PAUSE) : FIRST_PAUSE;
        j->divided = 0;
    }
    j->sum = j->count = 0;
    const int repeat = j->repeat ? j->repeat : FIRST_REPEAT;
    if (j->divided && j->turn >= repeat) j->turn = 0, j->repeat = repeat < LAST_REPEAT ? 2 * repeat : repeat;
}
