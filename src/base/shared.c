/*
 * Shared memory (shared.h): System V's. A memfd would be a file of that size,
 * which `ulimit -f` forbids, and one that can be cut unless it is sealed.
 */
#include "base/shared.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "base/error.h"

static akin_status fail(akin_error *err, size_t count)
{
    return akin__fail_errno(err, errno, "no shared memory of %zu bytes", count);
}

static akin_status attach(struct akin__shared *shared, int id, size_t count,
                          akin_error *err)
{
    void *bytes = shmat(id, NULL, 0);
    if (bytes == (void *)-1)
        return fail(err, count);
    madvise(bytes, count, MADV_HUGEPAGE); /* where the system gives them */
    *shared = (struct akin__shared){bytes, count, id};
    return AKIN_OK;
}

akin_status akin__shared_make(struct akin__shared *shared, size_t count,
                              akin_error *err)
{
    *shared = (struct akin__shared){NULL, 0, -1};
    const int id = shmget(IPC_PRIVATE, count, IPC_CREAT | SHM_NORESERVE | 0600);
    if (id < 0)
        return fail(err, count);
    const akin_status status = attach(shared, id, count, err);
    /* It goes with the last who has it; till then Linux still lets it be
     * mapped by its number. */
    shmctl(id, IPC_RMID, NULL);
    return status;
}

akin_status akin__shared_map(struct akin__shared *shared, int id, size_t count,
                             akin_error *err)
{
    struct shmid_ds about;
    *shared = (struct akin__shared){NULL, 0, -1};
    if (shmctl(id, IPC_STAT, &about) != 0)
        return fail(err, count);
    if (about.shm_segsz != count)
        return akin__fail(err, AKIN_EUSAGE,
                          "shared memory of %zu bytes, not %zu",
                          (size_t)about.shm_segsz, count);
    return attach(shared, id, count, err);
}

void akin__shared_forget(const struct akin__shared *shared, size_t from)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    from = (from + page - 1) / page * page;
    if (from < shared->count)
        madvise(shared->bytes + from, shared->count - from, MADV_REMOVE);
}

void akin__shared_close(struct akin__shared *shared)
{
    if (shared->bytes)
        shmdt(shared->bytes);
    *shared = (struct akin__shared){NULL, 0, -1};
}
