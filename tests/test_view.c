/* View: figures and answers as text. */
#include "tap.h"

#include "base/memory.h"
#include "view/json.h"
#include "view/meter.h"
#include "view/table.h"

static void thousands_are_parted(void)
{
    char text[32];
    EXPECT_STR(akin__thousands(text, 0), "0");
    EXPECT_STR(akin__thousands(text, 999), "999");
    EXPECT_STR(akin__thousands(text, 1000), "1,000");
    EXPECT_STR(akin__thousands(text, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void durations_are_short(void)
{
    char text[32];
    EXPECT_STR(akin__duration(text, 0.04), "0.0 s");
    EXPECT_STR(akin__duration(text, 9.94), "9.9 s");
    EXPECT_STR(akin__duration(text, 59.4), "59 s");
    EXPECT_STR(akin__duration(text, 59.6), "1 min 0 s");
    EXPECT_STR(akin__duration(text, 3600 + 59 * 60 + 59), "1 h 59 min");
    EXPECT_STR(akin__duration(text, -1), "0.0 s");
}

static void sizes_have_four_digits_at_most(void)
{
    char text[32];
    EXPECT_STR(akin__size(text, 999), "999 bytes");
    EXPECT_STR(akin__size(text, 1000), "1.0 kB");
    EXPECT_STR(akin__size(text, 999949), "999.9 kB");
    EXPECT_STR(akin__size(text, 999951), "1.0 MB");
    EXPECT_STR(akin__size(text, 605157000), "605.2 MB");
}

static void the_rate_is_the_mean_at_first(void)
{
    struct akin__meter meter = {0};
    char line[128];
    akin__meter_note(&meter, 100, 0, 1000);
    akin__meter_line(&meter, "images", line, sizeof line);
    EXPECT_STR(line, "0 of 1,000 images (0 %)");
    akin__meter_note(&meter, 101, 50, 1000);
    akin__meter_note(&meter, 104, 200, 1000);
    akin__meter_line(&meter, "images", line, sizeof line);
    EXPECT_STR(line, "200 of 1,000 images (20 %), 50.0 images/s, 16 s left");
}

static void a_change_of_pace_shows_after_ten_seconds(void)
{
    struct akin__meter meter = {0};
    for (uint64_t i = 0; i <= 100; i++) /* 100 a second */
        akin__meter_note(&meter, 1 + (double)i, 100 * i, 100000);
    EXPECT(meter.rate > 99.9 && meter.rate < 100.1);
    for (uint64_t i = 1; i <= 10; i++) /* then 10 a second */
        akin__meter_note(&meter, 101 + (double)i, 10000 + 10 * i, 100000);
    EXPECT(meter.rate > 40 && meter.rate < 45); /* 10 + 90 / e */
}

static void a_new_work_begins_anew(void)
{
    struct akin__meter meter = {0};
    akin__meter_note(&meter, 1, 0, 100);
    akin__meter_note(&meter, 2, 100, 100);
    akin__meter_note(&meter, 3, 7, 500);
    EXPECT(meter.rate == 0);
    akin__meter_note(&meter, 4, 17, 500);
    EXPECT(meter.rate > 9.9 && meter.rate < 10.1);
}

static void an_unknown_whole_is_only_counted(void)
{
    struct akin__meter meter = {0};
    char line[128];
    akin__meter_note(&meter, 1, 0, 0);
    akin__meter_note(&meter, 2, 1234, 0);
    akin__meter_line(&meter, "files", line, sizeof line);
    EXPECT_STR(line, "1,234 files");
}

/* A table of one path and one number, `width` wide, as text. */
static void render(const char *path, size_t width, bool colour, char *out,
                   size_t capacity)
{
    const struct akin__look look = {width, colour};
    struct akin__table table = {0};
    struct akin__text text = {0};
    akin__table_column(&table, "", AKIN__PATH);
    akin__table_column(&table, "clip", AKIN__RIGHT);
    akin__table_cell(&table, path);
    akin__table_cellf(&table, "%.1f %%", 96.4);
    akin__table_render(&table, &look, &text);
    EXPECT(!text.failed);
    snprintf(out, capacity, "%s", text.bytes);
    akin__text_free(&text);
    akin__table_free(&table);
}

static void columns_are_aligned(void)
{
    char text[256];
    render("a.jpg", 0, false, text, sizeof text);
    EXPECT_STR(text, "         clip\n"
                     "a.jpg  96.4 %\n");
}

static void letters_of_two_bytes_are_one_wide(void)
{
    char text[256];
    render("gr\xc3\xbc\xc3\x9f", 0, false, text, sizeof text);
    EXPECT_STR(text, "        clip\n"
                     "gr\xc3\xbc\xc3\x9f  96.4 %\n");
}

static void long_paths_keep_their_end(void)
{
    char text[256];
    render("/photos/anna/Pictures/2023/summer/boat.jpg", 32, false, text,
           sizeof text);
    EXPECT_STR(text, "                            clip\n"
                     "/photos\xe2\x80\xa6/summer/boat.jpg  96.4 %\n");
}

static void what_does_not_fit_at_all_stays_readable(void)
{
    char text[256];
    render("/photos/anna/Pictures/2023/summer/boat.jpg", 5, false, text,
           sizeof text);
    EXPECT_STR(text, "                    clip\n"
                     "/phot\xe2\x80\xa6r/boat.jpg  96.4 %\n");
}

static void headings_are_bold_in_colour(void)
{
    char text[256];
    render("a", 80, true, text, sizeof text);
    EXPECT_STR(text, "\x1b[1m     clip\x1b[0m\n"
                     "a  96.4 %\n");
}

static void a_cell_is_one_line_of_utf8(void)
{
    char text[256];
    render("a\n\xff", 0, false, text, sizeof text);
    EXPECT(strstr(text, "a\\x0a\\xff") != NULL);
}

static void a_float_comes_back_from_json_as_it_was(void)
{
    const float vector[] = {0.1f, -1e-30f, 16777217.0f, 1.0f / 3, 3.4e38f};
    json_t *object = akin__json_vector("p", "m", "cpu", 5, vector);
    char *line = akin__json_line(object);
    json_decref(object);
    object = json_loads(line, 0, NULL);
    for (size_t i = 0; i < 5; i++)
        EXPECT((float)json_real_value(json_array_get(
                   json_object_get(object, "vector"), i)) == vector[i]);
    json_decref(object);
    akin__free(line);
}

int main(void)
{
    RUN(thousands_are_parted);
    RUN(durations_are_short);
    RUN(sizes_have_four_digits_at_most);
    RUN(the_rate_is_the_mean_at_first);
    RUN(a_change_of_pace_shows_after_ten_seconds);
    RUN(a_new_work_begins_anew);
    RUN(an_unknown_whole_is_only_counted);
    RUN(columns_are_aligned);
    RUN(letters_of_two_bytes_are_one_wide);
    RUN(long_paths_keep_their_end);
    RUN(what_does_not_fit_at_all_stays_readable);
    RUN(headings_are_bold_in_colour);
    RUN(a_cell_is_one_line_of_utf8);
    RUN(a_float_comes_back_from_json_as_it_was);
    return tap_done();
}
