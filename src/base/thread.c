/*
 * Threads: items are handed out by an atomic counter, so slow ones do not hold
 * up the rest. A thread that cannot be started is done without: the calling
 * thread works too.
 */
#include "base/thread.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"

/* Whole processors that the cgroup's quota allows, 0 when it has none. */
static int cgroup_quota(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    long quota = 0, period = 0;
    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &quota, &period) != 2)
        quota = 0;
    fclose(file);
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int akin__processors(void)
{
    cpu_set_t set;
    int count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    const int quota = cgroup_quota();
    if (quota && quota < count)
        count = quota;
    return count > 0 ? count : 1;
}

struct crew {
    akin_status (*work)(void *, size_t, int, akin_error *);
    void *context;
    size_t items;
    atomic_size_t next;
    atomic_int failed; /* the first failure's code */
    pthread_mutex_t lock;
    akin_error error;
};

struct hand {
    struct crew *crew;
    int number;
    pthread_t thread;
};

static void *work_on(void *argument)
{
    const struct hand *hand = argument;
    struct crew *crew = hand->crew;
    while (!atomic_load(&crew->failed)) {
        const size_t item = atomic_fetch_add(&crew->next, 1);
        if (item >= crew->items)
            break;
        akin_error error = {AKIN_OK, ""};
        const akin_status status =
            crew->work(crew->context, item, hand->number, &error);
        if (!status)
            continue;
        pthread_mutex_lock(&crew->lock);
        if (!atomic_load(&crew->failed)) {
            crew->error = error;
            atomic_store(&crew->failed, status);
        }
        pthread_mutex_unlock(&crew->lock);
    }
    return NULL;
}

akin_status akin__parallel(int threads, size_t items,
                           akin_status (*work)(void *, size_t, int,
                                               akin_error *),
                           void *context, akin_error *err)
{
    enum { MOST = 256 };
    struct hand hands[MOST];
    struct crew crew = {.work = work, .context = context, .items = items};
    if (threads <= 0)
        threads = akin__processors();
    if ((size_t)threads > items)
        threads = items ? (int)items : 1;
    if (threads > MOST)
        threads = MOST;
    pthread_mutex_init(&crew.lock, NULL);
    int started = 1;
    for (int i = 0; i < threads; i++)
        hands[i] = (struct hand){&crew, i, 0};
    while (started < threads && pthread_create(&hands[started].thread, NULL,
                                               work_on, &hands[started]) == 0)
        started++;
    work_on(&hands[0]);
    for (int i = 1; i < started; i++)
        pthread_join(hands[i].thread, NULL);
    pthread_mutex_destroy(&crew.lock);
    const akin_status status = (akin_status)atomic_load(&crew.failed);
    if (status && err)
        *err = crew.error;
    return status;
}

void akin__lock_open(struct akin__lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->bell, NULL);
}

void akin__lock_close(struct akin__lock *lock)
{
    pthread_cond_destroy(&lock->bell);
    pthread_mutex_destroy(&lock->mutex);
}

void akin__lock_take(struct akin__lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void akin__lock_give(struct akin__lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

void akin__lock_wait(struct akin__lock *lock)
{
    pthread_cond_wait(&lock->bell, &lock->mutex);
}

void akin__lock_ring(struct akin__lock *lock)
{
    pthread_cond_broadcast(&lock->bell);
}
