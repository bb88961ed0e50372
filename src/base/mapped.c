/*
 * Mapped files (mapped.h), and the one signal that the library handles.
 *
 * SIGBUS comes to the thread that read, at the address it read. The handler
 * looks whether that thread is between a begin and an end and the address is
 * that file's: then it puts zeros over the whole mapping, notes that it is
 * lost, and the thread reads on. Every other SIGBUS is passed to whoever
 * handled it before. (libwayland-server guards the memory that clients share
 * with it in the same way, wl_shm_buffer_begin_access.)
 */
#include "base/mapped.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/memory.h"

struct akin__mapping {
    uint8_t *bytes; /* [room], what lies behind the file's end included */
    size_t count;   /* of them that may be read */
    size_t room;
    atomic_bool lost; /* zeros are there instead */
};

/* What the thread reads now. */
static _Thread_local struct akin__mapping *volatile reading;

static struct sigaction before;

/* Whether zeros could take the place of what the thread reads. */
static bool replace(struct akin__mapping *m, const uint8_t *at)
{
    if (!m || at < m->bytes || at >= m->bytes + m->room)
        return false;
    atomic_store(&m->lost, true); /* before the first zero can be seen */
    return mmap(m->bytes, m->room, PROT_READ,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static void on_bus(int number, siginfo_t *info, void *context)
{
    const int kept = errno;
    const bool ours = replace(reading, info->si_addr);
    errno = kept;
    if (ours)
        return;
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    else
        sigaction(SIGBUS, &before, NULL); /* and the access comes again */
}

static void handle_bus(void)
{
    struct sigaction action = {.sa_sigaction = on_bus,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
}

/* With room for what will be appended, so that a file which grows by and by is
 * seldom mapped anew: each time all its pages have to be found again. */
static struct akin__mapping *map(const struct akin__file *file, size_t count)
{
    struct akin__mapping *m = akin__calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->count = count;
    m->room = count + count / 4;
    m->bytes = akin__fails("mmap", file->path)
                   ? MAP_FAILED
                   : mmap(NULL, m->room, PROT_READ, MAP_SHARED, file->fd, 0);
    if (m->bytes != MAP_FAILED)
        return m;
    akin__free(m);
    return NULL;
}

void akin__mapped_open(struct akin__file *file, uint64_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct akin__mapping *m = file->mapping;
    if (m && m->room >= bytes && !atomic_load(&m->lost)) {
        m->count = (size_t)bytes;
        return;
    }
    akin__mapped_close(file);
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return;
    pthread_once(&once, handle_bus);
    file->mapping = map(file, (size_t)bytes);
}

void akin__mapped_close(struct akin__file *file)
{
    if (file->mapping)
        munmap(file->mapping->bytes, file->mapping->room);
    akin__free(file->mapping);
    file->mapping = NULL;
}

const uint8_t *akin__mapped_at(const struct akin__file *file, size_t count,
                               uint64_t offset)
{
    const struct akin__mapping *m = file->mapping;
    if (!m || offset > m->count || count > m->count - offset)
        return NULL;
    return m->bytes + offset;
}

void akin__mapped_begin(const struct akin__file *file)
{
    reading = file->mapping;
    atomic_signal_fence(memory_order_seq_cst);
}

akin_status akin__mapped_end(const struct akin__file *file, akin_error *err)
{
    atomic_signal_fence(memory_order_seq_cst);
    reading = NULL;
    if (!file->mapping || !atomic_load(&file->mapping->lost))
        return AKIN_OK;
    return akin__fail(err, AKIN_EIO,
                      "%s: could not be read to its end: the disc is gone or "
                      "the file was cut",
                      file->path);
}
