/*
 * Who goes with whom to a card (queue.h), without one: threads that ask, and a
 * run that writes what it was given.
 */
#include <thread>
#include <vector>

#include "math/cuda/queue.h"
#include "../tap.h"

enum { MOST = 7, EACH = 500 };

/* A request and the thread that waits for it. */
struct guest {
    struct request request = {};
    int lane = -2;
    std::thread thread;
};

static size_t length_of(const struct request *first)
{
    size_t count = 0;
    for (; first; first = first->next)
        count++;
    return count;
}

static size_t waiting(struct queue *q)
{
    std::lock_guard<std::mutex> held(q->lock);
    return length_of(q->first);
}

/* Ask for `count` pictures; back when it is in line. */
static void ask(struct queue *q, struct guest *guest, size_t count)
{
    const size_t before = waiting(q);
    guest->request.count = count;
    guest->thread = std::thread(
        [q, guest] { guest->lane = queue_enter(q, &guest->request); });
    while (waiting(q) == before)
        std::this_thread::yield();
}

static void take_all_lanes(struct queue *q, struct request *by)
{
    for (int i = 0; i < LANES; i++) {
        by[i].count = MOST;
        EXPECT_INT(queue_enter(q, &by[i]), i);
    }
}

static void who_finds_a_lane_free_goes_alone_at_once(void)
{
    struct queue q = {MOST};
    struct request first = {2}, second = {3};
    EXPECT_INT(queue_enter(&q, &first), 0);
    EXPECT_INT(queue_enter(&q, &second), 1);
    EXPECT(!first.next && !second.next);
    queue_leave(&q, 0, &first, AKIN_OK, NULL);
    EXPECT(first.done && !second.done);
    queue_leave(&q, 1, &second, AKIN_OK, NULL);
}

static void those_in_line_go_together_as_far_as_they_fit(void)
{
    struct queue q = {MOST};
    struct request before[LANES] = {};
    struct guest guest[5];
    const size_t counts[] = {1, 4, 2, 3, 1};
    akin_error why = {AKIN_EIO, "it fell off the bus"};
    take_all_lanes(&q, before);
    for (int i = 0; i < 5; i++)
        ask(&q, &guest[i], counts[i]);
    queue_leave(&q, 1, &before[1], AKIN_OK, NULL);
    guest[0].thread.join(); /* leads 1 + 4 + 2, all that fits */
    EXPECT_INT(guest[0].lane, 1);
    EXPECT_INT(length_of(&guest[0].request), 3);
    EXPECT(guest[0].request.next == &guest[1].request);
    EXPECT(guest[1].request.next == &guest[2].request);
    EXPECT_INT(waiting(&q), 2);

    queue_leave(&q, 1, &guest[0].request, AKIN_EIO, &why);
    for (int i = 1; i < 4; i++)
        guest[i].thread.join();
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(guest[i].request.status, AKIN_EIO);
        EXPECT_STR(guest[i].request.err.message, why.message);
    }
    EXPECT_INT(guest[1].lane, -1);
    EXPECT_INT(guest[2].lane, -1);
    EXPECT_INT(guest[3].lane, 1); /* and leads 3 + 1 */
    EXPECT_INT(length_of(&guest[3].request), 2);

    queue_leave(&q, 1, &guest[3].request, AKIN_OK, NULL);
    guest[4].thread.join();
    EXPECT_INT(guest[4].lane, -1);
    EXPECT_INT(guest[4].request.status, AKIN_OK);
    queue_leave(&q, 0, &before[0], AKIN_OK, NULL);
}

static void whoever_does_not_fit_waits_and_nobody_passes_it(void)
{
    struct queue q = {MOST};
    struct request before[LANES] = {};
    struct guest guest[3];
    const size_t counts[] = {3, MOST, 1};
    take_all_lanes(&q, before);
    for (int i = 0; i < 3; i++)
        ask(&q, &guest[i], counts[i]);
    queue_leave(&q, 0, &before[0], AKIN_OK, NULL);
    guest[0].thread.join();
    EXPECT_INT(length_of(&guest[0].request), 1);
    queue_leave(&q, 1, &before[1], AKIN_OK, NULL);
    guest[1].thread.join();
    EXPECT_INT(guest[1].lane, 1);
    EXPECT_INT(length_of(&guest[1].request), 1);
    EXPECT_INT(waiting(&q), 1);
    queue_leave(&q, 1, &guest[1].request, AKIN_OK, NULL);
    guest[2].thread.join();
    EXPECT_INT(guest[2].lane, 1);
    queue_leave(&q, 0, &guest[0].request, AKIN_OK, NULL);
    queue_leave(&q, 1, &guest[2].request, AKIN_OK, NULL);
}

/* Of many threads each gets its own answers, and a lane is one's alone. */
static void many_threads_get_their_own_answers(void)
{
    struct queue q = {MOST};
    bool inside[LANES] = {};
    size_t wrong = 0, rode = 0;
    std::mutex lock;
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 8; t++)
        threads.emplace_back([&, t] {
            size_t bad = 0, guests = 0;
            for (size_t turn = 0; turn < EACH; turn++) {
                const uint8_t byte = (uint8_t)(31 * t + turn);
                float answer = -1;
                struct request mine = {1 + (t + turn) % 3, &byte, &answer};
                const int lane = queue_enter(&q, &mine);
                if (lane >= 0) {
                    size_t sum = 0;
                    bad += inside[lane];
                    inside[lane] = true;
                    for (struct request *r = &mine; r; r = r->next) {
                        sum += r->count;
                        *r->vectors = *r->bytes;
                    }
                    std::this_thread::yield();
                    bad += sum > MOST;
                    inside[lane] = false;
                    queue_leave(&q, lane, &mine, AKIN_OK, NULL);
                }
                guests += lane < 0;
                bad += answer != byte || !mine.done || mine.status;
            }
            std::lock_guard<std::mutex> held(lock);
            wrong += bad;
            rode += guests;
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_INT(wrong, 0);
    EXPECT(rode > 0); /* or none of this was tried */
    EXPECT_INT(waiting(&q), 0);
}

int main(void)
{
    RUN(who_finds_a_lane_free_goes_alone_at_once);
    RUN(those_in_line_go_together_as_far_as_they_fit);
    RUN(whoever_does_not_fit_waits_and_nobody_passes_it);
    RUN(many_threads_get_their_own_answers);
    return tap_done();
}
