/*
 * akin_index_update: what is walked, what is embedded, what is reported, what
 * is kept and what goes.
 */
#include "scene.h"

#include "base/fault.h"

static akin_model two = {
    "two",
    "2222222222222222222222222222222222222222222222222222222222222222",
    AKIN_EXIF_ON,
    1,
    AKIN_PRECISION_F32,
    AKIN_DECODE_EXACT};

/* --------------------------------------------------------- incremental -- */

static void new_files_are_embedded_once(void)
{
    begin_with_three();
    EXPECT_STR(where(&one, 3), "photos/sub/c.bmp");
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.files, 3);
    EXPECT_INT(report.unchanged, 3);
    EXPECT_INT(report.added, 0);
    EXPECT_INT(embedded, 0);
    EXPECT_INT(report.model[0].images, 0);
}

static void a_changed_file_is_embedded_again(void)
{
    begin_with_three();
    picture("photos/a.bmp", 11);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.updated, 1);
    EXPECT_INT(report.unchanged, 2);
    EXPECT_INT(embedded, 1);
    EXPECT_STR(where(&one, 11), "photos/a.bmp");
    EXPECT_STR(where(&one, 1), "");
}

static void a_touched_file_is_not_embedded_again(void)
{
    begin_with_three();
    EXPECT_INT(run("touch -d 2001-01-01 photos/a.bmp", "", ""), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.unchanged, 3);
    EXPECT_INT(embedded, 0);
    EXPECT_STR(where(&one, 1), "photos/a.bmp");
}

static void a_renamed_file_is_not_embedded_again(void)
{
    begin_with_three();
    EXPECT_INT(rename("photos/a.bmp", "photos/sub/z.bmp"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.renamed, 1);
    EXPECT_INT(report.removed, 0);
    EXPECT_INT(report.added, 0);
    EXPECT_INT(embedded, 0);
    EXPECT_STR(where(&one, 1), "photos/sub/z.bmp");
    EXPECT_INT(files_in_index(), 3);
}

static void a_renamed_folder_is_not_embedded_again(void)
{
    begin_with_three();
    picture("photos/sub/b.bmp", 4); /* known later, first in order */
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(rename("photos/sub", "photos/summer"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.renamed, 2);
    EXPECT_INT(report.removed, 0);
    EXPECT_INT(embedded, 1);
    EXPECT_STR(where(&one, 3), "photos/summer/c.bmp");
    EXPECT_STR(where(&one, 4), "photos/summer/b.bmp");
}

static void photos_that_move_on_by_one_name_are_not_embedded_again(void)
{
    begin();
    draw_many(20);
    EXPECT_INT(update("photos"), AKIN_OK);
    atomic_store(&embedded, 0);
    for (int i = 19; i >= 0; i--) {
        char from[64], to[64];
        snprintf(from, sizeof from, "photos/%05d.bmp", i);
        snprintf(to, sizeof to, "photos/%05d.bmp", i + 1);
        EXPECT_INT(rename(from, to), 0);
    }
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(embedded, 0);
    EXPECT_INT(files_in_index(), 20);
    EXPECT_STR(where(&one, 1), "photos/00001.bmp");
    EXPECT_STR(where(&one, 20), "photos/00020.bmp");
}

static void a_copy_is_added_without_the_network(void)
{
    begin_with_three();
    picture("photos/copy.bmp", 1);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
    EXPECT_INT(report.renamed, 0);
    EXPECT_INT(embedded, 0);
    EXPECT_INT(files_in_index(), 4);
}

static void copies_side_by_side_are_embedded_once(void)
{
    begin();
    threads = 4;
    embed_usec = 20000; /* long enough for the others to come by */
    for (int i = 0; i < 16; i++) {
        char path[64];
        snprintf(path, sizeof path, "photos/%d.bmp", i);
        picture(path, 1);
    }
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 16);
    EXPECT_INT(embedded, 1);
}

static void a_removed_file_leaves_the_index(void)
{
    begin_with_three();
    EXPECT_INT(unlink("photos/b.bmp"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 1);
    EXPECT_STR(where(&one, 2), "");
    EXPECT_INT(files_in_index(), 2);
}

static void a_file_overwritten_by_a_known_picture_is_not_embedded(void)
{
    begin_with_three();
    EXPECT_INT(rename("photos/a.bmp", "photos/b.bmp"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.updated, 1);
    EXPECT_INT(report.removed, 1);
    EXPECT_INT(embedded, 0);
    EXPECT_STR(where(&one, 1), "photos/b.bmp");
    EXPECT_STR(where(&one, 2), "");
}

static void a_second_model_embeds_only_what_it_lacks(void)
{
    const char *root = "photos";
    begin_with_three();
    picture("photos/d.bmp", 4);
    EXPECT_INT(update_roots(&root, 1, (akin_model *[]){&two, &one}, 2),
               AKIN_OK);
    EXPECT_INT(embedded, 5); /* four by two, one by one */
    EXPECT_INT(report.model[0].images, 4);
    EXPECT_INT(report.model[1].images, 1);
    EXPECT_INT(report.added, 1);
    EXPECT_INT(report.updated, 3);
    EXPECT_STR(where(&two, 1), "photos/a.bmp");
    EXPECT_STR(where(&one, 4), "photos/d.bmp");
}

static void a_touched_file_keeps_the_rows_of_a_model_not_asked_for(void)
{
    const char *root = "photos";
    begin_with_three();
    EXPECT_INT(update_roots(&root, 1, (akin_model *[]){&two}, 1), AKIN_OK);
    EXPECT_INT(run("touch -d 2001-01-01 photos/a.bmp", "", ""), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(where(&two, 1), "photos/a.bmp");
}

/* ------------------------------------------------------ what is walked -- */

static void hidden_files_and_thumbnails_are_passed_over(void)
{
    static const char *const folders[] = {".hidden",     "@eaDir",
                                          ".thumbnails", "other.akin",
                                          "x.lrdata",    "lost+found"};
    begin_with_three();
    picture("photos/._a.bmp", 20);
    picture("photos/.a.bmp", 21);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[64];
        snprintf(path, sizeof path, "photos/%s", folders[i]);
        EXPECT_INT(mkdir(path, 0777), 0);
        snprintf(path, sizeof path, "photos/%s/p.bmp", folders[i]);
        picture(path, 30 + (unsigned)i);
    }
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.files, 3);
    EXPECT_INT(report.skipped, 0);
}

static void a_hidden_folder_that_is_named_is_entered(void)
{
    begin();
    EXPECT_INT(mkdir(".hidden", 0777), 0);
    picture(".hidden/a.bmp", 1);
    EXPECT_INT(update(".hidden"), AKIN_OK);
    EXPECT_INT(report.added, 1);
}

static void a_single_file_can_be_indexed(void)
{
    begin();
    picture("photos/a.bmp", 1);
    picture("photos/b.bmp", 2);
    EXPECT_INT(update("photos/a.bmp"), AKIN_OK);
    EXPECT_INT(report.added, 1);
    EXPECT_STR(where(&one, 1), "photos/a.bmp");
    EXPECT_INT(update("photos/a.bmp"), AKIN_OK);
    EXPECT_INT(report.unchanged, 1);
}

static void roots_that_overlap_give_each_file_once(void)
{
    const char *const roots[] = {"photos/sub", "photos", "photos/a.bmp"};
    begin_with_three();
    EXPECT_INT(unlink("photos/sub/c.bmp"), 0);
    picture("photos/sub/d.bmp", 4);
    EXPECT_INT(update_roots(roots, 3, (akin_model *[]){&one}, 1), AKIN_OK);
    EXPECT_INT(report.files, 3);
    EXPECT_INT(report.added, 1);
    EXPECT_INT(report.unchanged, 2);
    EXPECT_INT(report.removed, 1);
}

static void links_are_followed_and_loops_end(void)
{
    begin();
    EXPECT_INT(mkdir("photos/sub", 0777), 0);
    EXPECT_INT(mkdir("elsewhere", 0777), 0);
    picture("elsewhere/e.bmp", 5);
    picture("photos/sub/c.bmp", 3);
    EXPECT_INT(symlink("..", "photos/sub/up"), 0);
    EXPECT_INT(symlink(".", "photos/self"), 0);
    EXPECT_INT(symlink("../elsewhere", "photos/link"), 0);
    EXPECT_INT(symlink("../elsewhere/e.bmp", "photos/file.bmp"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.files, 3);
    EXPECT_INT(report.failed, 0);
    EXPECT_INT(embedded, 2);
}

static void folders_that_all_link_to_each_other_end(void)
{
    begin();
    for (int i = 0; i < 12; i++) {
        char path[64], target[64];
        snprintf(path, sizeof path, "photos/%d", i);
        EXPECT_INT(mkdir(path, 0777), 0);
        for (int j = 0; j < 12; j++) {
            snprintf(path, sizeof path, "photos/%d/to%d", i, j);
            snprintf(target, sizeof target, "../%d", j);
            EXPECT_INT(symlink(target, path), 0);
        }
    }
    picture("photos/0/a.bmp", 1);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT(report.files >= 1 && report.files <= 24);
}

static void names_around_the_slash_keep_their_order(void)
{
    static const char *const folders[] = {"a", "a b", "a-", "a.d", "a0"};
    begin();
    for (unsigned i = 0; i < 5; i++) {
        char path[64];
        snprintf(path, sizeof path, "photos/%s", folders[i]);
        EXPECT_INT(mkdir(path, 0777), 0);
        snprintf(path, sizeof path, "photos/%s/x.bmp", folders[i]);
        picture(path, 2 * i + 1);
        snprintf(path, sizeof path, "photos/%s.bmp", folders[i]);
        picture(path, 2 * i + 2);
    }
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 10);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.unchanged, 10);
    EXPECT_INT(report.removed, 0);
}

static void pipes_and_texts_are_skipped(void)
{
    begin();
    picture("photos/a.bmp", 1);
    picture("photos/picture without a suffix", 2);
    EXPECT_INT(mkfifo("photos/pipe.jpg", 0666), 0);
    put_bytes("photos/a.txt", "text\n", 5);
    put_bytes("photos/empty", "", 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 2);
    EXPECT_INT(report.skipped, 3);
    EXPECT_INT(report.failed, 0);
    EXPECT_STR(notices.bytes, "");
}

static void any_name_is_good(void)
{
    begin();
    picture("photos/new\nline.bmp", 1);
    picture("photos/\xff\xfe.bmp", 2);
    put_bytes("photos/\xff\n.jpg", "", 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 2);
    EXPECT_INT(report.failed, 1);
    EXPECT_STR(where(&one, 1), "photos/new\nline.bmp");
    EXPECT_STR(where(&one, 2), "photos/\xff\xfe.bmp");
    EXPECT_STR(notices.bytes, "F photos/\xff\n.jpg: empty file\n");
}

static void a_picture_that_becomes_a_text_leaves_the_index(void)
{
    begin();
    picture("photos/a", 1);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
    put_bytes("photos/a", "text\n", 5);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.skipped, 1);
    EXPECT_INT(report.removed, 1);
    EXPECT_INT(files_in_index(), 0);
}

/* ------------------------------------------------- what is left out -- */

static void rules(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

static void what_an_akinignore_names_leaves_and_comes_back(void)
{
    begin_with_three();
    rules("photos/.akinignore", "# not these\nsub/\n/a.*\n");
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 2);
    EXPECT_INT(report.unchanged, 1);
    EXPECT_INT(report.skipped, 0);
    EXPECT_STR(where(&one, 3), "");
    EXPECT_INT(unlink("photos/.akinignore"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 2);
}

static void what_is_excluded_is_not_remembered(void)
{
    begin_with_three();
    exclude = "/a.bmp";
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 1);
    EXPECT_STR(where(&one, 1), "");
    exclude = NULL;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
}

static void all_may_be_left_out(void)
{
    begin_with_three();
    exclude = "*";
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 3);
    EXPECT_STR(notices.bytes, "");
}

static void a_rule_counts_from_whichever_root_one_comes(void)
{
    begin_with_three();
    rules("photos/.akinignore", "c.bmp\n");
    EXPECT_INT(update("photos/sub"), AKIN_OK);
    EXPECT_INT(report.removed, 1);
    EXPECT_INT(files_in_index(), 2);
}

static void a_root_that_is_named_is_not_left_out(void)
{
    const char *const roots[] = {"photos", "photos/sub"};
    begin_with_three();
    rules("photos/.akinignore", "sub/\n");
    EXPECT_INT(update_roots(roots, 2, (akin_model *[]){&one}, 1), AKIN_OK);
    EXPECT_INT(report.unchanged, 3);
    EXPECT_INT(report.removed, 0);
    EXPECT_INT(unlink("photos/sub/c.bmp"), 0);
    EXPECT_INT(update_roots(roots, 2, (akin_model *[]){&one}, 1), AKIN_OK);
    EXPECT_INT(report.removed, 0); /* an unplugged disc, for all one knows */
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 1);
}

static void a_rule_file_that_cannot_be_read_bars_its_folder(void)
{
    begin_with_three();
    rules("photos/sub/.akinignore", "c.bmp\n");
    EXPECT_INT(chmod("photos/sub/.akinignore", 0), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(notices.bytes, "F photos/sub: .akinignore: Permission denied\n");
    EXPECT_INT(report.unchanged, 2);
    EXPECT_STR(where(&one, 3), "photos/sub/c.bmp");
    EXPECT_INT(chmod("photos/sub/.akinignore", 0666), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 1);
}

/* ------------------------------------------- what is out of reach stays -- */

static void a_root_with_texts_alone_keeps_its_entries(void)
{
    begin_with_three();
    EXPECT_INT(rename("photos", "gone"), 0);
    EXPECT_INT(mkdir("photos", 0777), 0);
    rules("photos/NOT MOUNTED", "The disc is not here.\n");
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 0);
    EXPECT_INT(files_in_index(), 3);
}

static void a_hidden_root_is_kept_without_a_word(void)
{
    begin_with_three();
    EXPECT_INT(mkdir("photos/.hidden", 0777), 0);
    picture("photos/.hidden/d.bmp", 4);
    EXPECT_INT(update("photos/.hidden"), AKIN_OK);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 0);
    EXPECT_STR(notices.bytes, "");
    EXPECT_INT(files_in_index(), 4);
}

static void an_unreadable_folder_keeps_its_entries(void)
{
    begin_with_three();
    EXPECT_INT(chmod("photos/sub", 0), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 0);
    EXPECT_INT(report.failed, 1);
    EXPECT_STR(notices.bytes, "F photos/sub: Permission denied\n");
    EXPECT_STR(where(&one, 3), "photos/sub/c.bmp");
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(notices.bytes, ""); /* known by now */
    EXPECT_INT(chmod("photos/sub", 0777), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.unchanged, 3);
    EXPECT_INT(report.removed, 0);
}

static void a_link_that_leads_nowhere_keeps_what_was_behind_it(void)
{
    begin();
    EXPECT_INT(mkdir("disc", 0777), 0);
    picture("disc/a.bmp", 1);
    picture("photos/b.bmp", 2);
    EXPECT_INT(symlink("../disc", "photos/link"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 2);
    EXPECT_INT(rename("disc", "unplugged"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 0);
    EXPECT_STR(notices.bytes, "F photos/link: link leads nowhere\n");
    EXPECT_STR(where(&one, 1), "photos/link/a.bmp");
}

static void a_missing_root_keeps_its_entries(void)
{
    begin_with_three();
    EXPECT_INT(rename("photos", "gone"), 0);
    EXPECT_INT(update("photos"), AKIN_ENOTFOUND);
    EXPECT_STR(error.message, "photos: No such file or directory");
    EXPECT_INT(files_in_index(), 3);
}

static void an_empty_root_keeps_its_entries_and_says_so(void)
{
    begin_with_three();
    EXPECT_INT(rename("photos", "gone"), 0);
    EXPECT_INT(mkdir("photos", 0777), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 0);
    EXPECT_STR(notices.bytes, "W photos: no picture is there now; the index "
                              "keeps the 3 that were (akin index --forget lets "
                              "them go)\n");
    EXPECT_INT(files_in_index(), 3);
}

static void a_missing_root_of_an_earlier_run_keeps_its_entries(void)
{
    const char *const roots[] = {"photos", "photos/sub"};
    begin_with_three();
    EXPECT_INT(update_roots(roots, 2, (akin_model *[]){&one}, 1), AKIN_OK);
    EXPECT_INT(rename("photos/sub", "gone"), 0);
    EXPECT_INT(unlink("photos/b.bmp"), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.removed, 1);
    EXPECT_STR(where(&one, 3), "photos/sub/c.bmp");
}

static void one_missing_root_does_not_stop_the_others(void)
{
    const char *const roots[] = {"nowhere", "photos"};
    begin();
    picture("photos/a.bmp", 1);
    EXPECT_INT(update_roots(roots, 2, (akin_model *[]){&one}, 1), AKIN_OK);
    EXPECT_INT(report.added, 1);
    EXPECT_INT(report.failed, 1);
    EXPECT_STR(notices.bytes, "F nowhere: No such file or directory\n");
}

static void an_index_is_no_root(void)
{
    begin_with_three();
    EXPECT_INT(update("photos.akin"), AKIN_EUSAGE);
    EXPECT_STR(error.message,
               "photos.akin: is an index, not a folder of pictures");
}

/* ------------------------------------------------------------ failures -- */

static void a_failure_is_reported_once(void)
{
    begin_with_three();
    put_bytes("photos/bad.jpg", "garbage", 7);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.failed, 1);
    EXPECT_INT(report.unchanged, 3);
    EXPECT_STR(notices.bytes, "F photos/bad.jpg: no image of a known format\n");
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.failed, 0);
    EXPECT_INT(report.files, 4);
    EXPECT_STR(notices.bytes, "");
    EXPECT_INT(last_whole, 0); /* nor read again */
    EXPECT_INT(run("touch -d 2001-01-01 photos/bad.jpg", "", ""), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(notices.bytes, "");
}

static void a_failure_is_reported_again_when_the_file_changes(void)
{
    begin();
    put_bytes("photos/bad.jpg", "garbage", 7);
    EXPECT_INT(update("photos"), AKIN_OK);
    put_bytes("photos/bad.jpg", "more garbage", 12);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.failed, 1);
    picture("photos/bad.jpg", 1);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.failed, 0);
    EXPECT_INT(report.added, 1);
}

static void retry_tries_and_reports_what_failed_before(void)
{
    begin();
    put_bytes("photos/bad.jpg", "garbage", 7);
    EXPECT_INT(update("photos"), AKIN_OK);
    retry = 1;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.failed, 1);
}

static void a_failure_that_may_pass_is_tried_again(void)
{
    begin();
    picture("photos/a.bmp", 1);
    EXPECT_INT(chmod("photos/a.bmp", 0), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(notices.bytes, "F photos/a.bmp: Permission denied\n");
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(notices.bytes, "");
    EXPECT_INT(chmod("photos/a.bmp", 0666), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
}

static void an_unreadable_file_of_no_known_kind_is_skipped(void)
{
    begin();
    put_bytes("photos/notes", "text", 4);
    EXPECT_INT(chmod("photos/notes", 0), 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.skipped, 1);
    EXPECT_INT(report.failed, 0);
}

static void good_vectors_outlive_a_failure_that_may_pass(void)
{
    const char *root = "photos";
    begin_with_three();
    EXPECT_INT(chmod("photos/a.bmp", 0), 0);
    EXPECT_INT(update_roots(&root, 1, (akin_model *[]){&two}, 1), AKIN_OK);
    EXPECT_INT(report.failed, 1);
    EXPECT_STR(where(&one, 1), "photos/a.bmp");
}

static void a_picture_that_the_network_refuses_is_a_failure(void)
{
    uint8_t wide[PICTURE];
    begin();
    picture("photos/a.bmp", 1);
    draw(wide, 2);
    wide[18] = 2 * SIDE;
    wide[22] = SIDE / 2;
    put_bytes("photos/wide.bmp", wide, sizeof wide);
    fail_width = 2 * SIDE;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
    EXPECT_STR(notices.bytes,
               "F photos/wide.bmp: no network takes this width\n");
}

static void a_vector_that_is_not_finite_is_a_failure(void)
{
    begin();
    picture("photos/a.bmp", 1);
    give_nan = 1;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_STR(notices.bytes,
               "F photos/a.bmp: model one gives no finite vector\n");
}

static void begin_with_a_truncated_picture(void)
{
    uint8_t bytes[PICTURE];
    begin();
    draw(bytes, 1);
    put_bytes("photos/cut.bmp", bytes, PICTURE - 6);
}

static void a_truncated_picture_is_used_with_a_warning(void)
{
    const char *root = "photos";
    begin_with_a_truncated_picture();
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 1);
    EXPECT_INT(report.warnings, 1);
    EXPECT_INT(report.failed, 0);
    EXPECT(strncmp(notices.bytes, "W photos/cut.bmp: ", 18) == 0);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.warnings, 0);
    EXPECT_STR(notices.bytes, "");
    EXPECT_INT(update_roots(&root, 1, (akin_model *[]){&two}, 1), AKIN_OK);
    EXPECT_INT(report.updated, 1);
    EXPECT_STR(notices.bytes, "");
}

static void strict_refuses_a_truncated_picture(void)
{
    begin_with_a_truncated_picture();
    strict = 1;
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 0);
    EXPECT_INT(report.failed, 1);
}

/* ------------------------------------------------------------- batches -- */

static atomic_int largest; /* batch so far */

static void note_batch(size_t count)
{
    if ((int)count > atomic_load(&largest))
        atomic_store(&largest, (int)count);
}

/* One worker and 10 pictures for a model of that batch. */
static void begin_with_ten(size_t batch)
{
    begin();
    draw_many(10);
    threads = 1;
    one.batch = batch;
    atomic_store(&largest, 0);
    before_run = note_batch;
}

static void a_worker_runs_as_many_pictures_as_the_model_takes(void)
{
    for (size_t batch = 1; batch <= FAKE_MOST; batch++) {
        begin_with_ten(batch);
        EXPECT_INT(update("photos"), AKIN_OK);
        EXPECT_INT(report.added, 10);
        EXPECT_INT(embedded, 10);
        EXPECT_INT(largest, batch);
        for (unsigned i = 0; i < 10; i++) {
            char path[64];
            snprintf(path, sizeof path, "photos/%05u.bmp", i);
            EXPECT_STR(where(&one, i + 1), path);
        }
    }
}

static void models_of_different_batches_share_a_run(void)
{
    const char *root = "photos";
    for (size_t batch = 1; batch <= FAKE_MOST; batch++) {
        begin_with_ten(3);
        two.batch = batch;
        EXPECT_INT(update_roots(&root, 1, (akin_model *[]){&one, &two}, 2),
                   AKIN_OK);
        EXPECT_INT(embedded, 20);
        EXPECT_INT(report.model[0].images, 10);
        EXPECT_INT(report.model[1].images, 10);
        for (unsigned i = 0; i < 10; i++) {
            char path[64];
            snprintf(path, sizeof path, "photos/%05u.bmp", i);
            EXPECT_STR(where(&one, i + 1), path);
            EXPECT_STR(where(&two, i + 1), path);
        }
    }
    two.batch = 1;
}

static void two_copies_in_a_batch_are_embedded_once(void)
{
    begin_with_ten(4);
    picture("photos/00001.bmp", 1); /* as 00000.bmp */
    picture("photos/00006.bmp", 6); /* as 00005.bmp */
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 10);
    EXPECT_INT(embedded, 8);
    EXPECT_INT(last_done, 10);
    EXPECT_INT(files_in_index(), 10);
}

/* Each worker soon has in its batch what the other is about to take. */
static void copies_of_each_others_batches_do_not_deadlock(void)
{
    begin();
    threads = 4;
    embed_usec = 500;
    for (int i = 0; i < 400; i++) {
        char path[64];
        snprintf(path, sizeof path, "photos/%05d.bmp", i);
        picture(path, 1 + (unsigned)(i * 7 % 23));
    }
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 400);
    EXPECT_INT(embedded, 23);
    EXPECT_INT(last_done, 400);
}

static void a_copy_of_a_picture_that_fails_fails_as_well(void)
{
    begin_with_ten(4);
    put_bytes("photos/00001.bmp", "garbage", 7);
    put_bytes("photos/00002.bmp", "garbage", 7);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(report.added, 8);
    EXPECT_INT(report.failed, 2);
}

static void a_bad_file_in_a_batch_takes_no_other_with_it(void)
{
    const char *root = "photos";
    uint8_t wide[PICTURE];
    begin_with_ten(4);
    draw(wide, 20);
    wide[18] = 2 * SIDE;
    wide[22] = SIDE / 2;
    put_bytes("photos/00001.bmp", wide, sizeof wide);
    put_bytes("photos/00006.bmp", "garbage", 7);
    fail_width = 2 * SIDE;
    EXPECT_INT(update_roots(&root, 1, (akin_model *[]){&two, &one}, 2),
               AKIN_OK);
    EXPECT_STR(notices.bytes,
               "F photos/00001.bmp: no network takes this width\n"
               "F photos/00006.bmp: no image of a known format\n");
    EXPECT_INT(report.added, 8);
    EXPECT_STR(where(&one, 1), "photos/00000.bmp");
    EXPECT_STR(where(&one, 3), "photos/00002.bmp");
    EXPECT_STR(where(&two, 3), "photos/00002.bmp");
    EXPECT_STR(where(&one, 20), "");
}

/* ------------------------------------------------------- reading ahead -- */

static atomic_int opened; /* photos */
static int lead;          /* the most of them before their turn */

static int count_open(const char *call, const char *path)
{
    if (strcmp(call, "open") == 0 && strstr(path, "photos/"))
        atomic_fetch_add(&opened, 1);
    return 0;
}

static void note_lead(size_t count)
{
    const int now = atomic_load(&opened) - atomic_load(&embedded) - (int)count;
    if (now > lead)
        lead = now;
}

/* Let the first batch take until another photo is opened, or ten seconds. */
static void wait_for_the_reader(size_t count)
{
    for (int i = 0; i < 10000 && !lead; i++) {
        note_lead(count);
        usleep(1000);
    }
    before_run = note_lead;
}

static void update_and_count_opens(void (*first_run)(size_t count))
{
    lead = 0;
    atomic_store(&opened, 0);
    before_run = first_run;
    akin__fault = count_open;
    EXPECT_INT(update("photos"), AKIN_OK);
    akin__fault = NULL;
}

static void files_are_read_while_the_network_runs(void)
{
    begin_with_ten(1);
    update_and_count_opens(wait_for_the_reader);
    EXPECT(lead > 0);
    EXPECT_INT(opened, 10);
    EXPECT_INT(report.added, 10);
}

static void at_most_64_files_are_read_ahead(void)
{
    begin_with_ten(1);
    draw_many(200);
    embed_usec = 1000; /* which a reader without bounds would outrun */
    update_and_count_opens(note_lead);
    EXPECT(lead <= 64);
    EXPECT_INT(report.added, 200);
}

/* A BMP may have anything behind its pixels. */
static void at_most_32_mb_are_read_ahead(void)
{
    begin_with_ten(1);
    for (int i = 0; i < 10; i++) {
        char path[64];
        snprintf(path, sizeof path, "photos/%05d.bmp", i);
        EXPECT_INT(truncate(path, 10 << 20), 0);
    }
    embed_usec = 50000;
    update_and_count_opens(note_lead);
    EXPECT(lead <= 3);
    EXPECT_INT(report.added, 10);
}

static void a_file_too_large_to_be_read_ahead_is_read_in_its_turn(void)
{
    begin_with_ten(1);
    EXPECT_INT(truncate("photos/00003.bmp", 40 << 20), 0);
    update_and_count_opens(note_lead);
    EXPECT_INT(report.added, 10);
}

/* --------------------------------------------------- progress, options -- */

static void a_walk_can_be_cancelled(void)
{
    begin_with_three();
    stop_walk = 1;
    picture("photos/d.bmp", 4);
    EXPECT_INT(update("photos"), AKIN_ECANCELLED);
    EXPECT_INT(embedded, 0);
    EXPECT_INT(files_in_index(), 3);
}

static void progress_counts_the_pictures_to_be_done(void)
{
    begin_with_three();
    picture("photos/d.bmp", 4);
    picture("photos/e.bmp", 5);
    put_bytes("photos/e.xmp", "text", 4);
    EXPECT_INT(update("photos"), AKIN_OK);
    EXPECT_INT(last_done, 2);
    EXPECT_INT(last_whole, 2);
}

static void seconds_are_shared_among_the_models(void)
{
    const char *root = "photos";
    begin();
    draw_many(200);
    EXPECT_INT(update_roots(&root, 1, (akin_model *[]){&one, &two}, 2),
               AKIN_OK);
    const double all = report.model[0].seconds + report.model[1].seconds;
    EXPECT(report.model[0].seconds > 0 && report.model[1].seconds > 0);
    EXPECT(all <= report.seconds);
}

static void options_and_arguments_are_checked(void)
{
    const akin_index_options sizeless = {0};
    const char *root = "photos";
    akin_model *const models[] = {&one};
    akin_index *index;
    begin();
    EXPECT_INT(
        akin_index_open(&index, "photos.akin", AKIN_INDEX_CREATE, &error),
        AKIN_OK);
    EXPECT_INT(
        akin_index_update(index, &root, 1, models, 1, &sizeless, NULL, &error),
        AKIN_EUSAGE);
    EXPECT_INT(akin_index_update(index, NULL, 0, models, 1, NULL, NULL, NULL),
               AKIN_EUSAGE);
    EXPECT_INT(akin_index_update(index, &root, 1, NULL, 0, NULL, NULL, NULL),
               AKIN_EUSAGE);
    akin_index_close(&index);
}

int main(void)
{
    if (!scene_open())
        return 1;
    RUN(new_files_are_embedded_once);
    RUN(a_changed_file_is_embedded_again);
    RUN(a_touched_file_is_not_embedded_again);
    RUN(a_renamed_file_is_not_embedded_again);
    RUN(a_renamed_folder_is_not_embedded_again);
    RUN(photos_that_move_on_by_one_name_are_not_embedded_again);
    RUN(a_copy_is_added_without_the_network);
    RUN(copies_side_by_side_are_embedded_once);
    RUN(a_removed_file_leaves_the_index);
    RUN(a_file_overwritten_by_a_known_picture_is_not_embedded);
    RUN(a_second_model_embeds_only_what_it_lacks);
    RUN(a_touched_file_keeps_the_rows_of_a_model_not_asked_for);
    RUN(hidden_files_and_thumbnails_are_passed_over);
    RUN(a_hidden_folder_that_is_named_is_entered);
    RUN(a_single_file_can_be_indexed);
    RUN(roots_that_overlap_give_each_file_once);
    RUN(links_are_followed_and_loops_end);
    RUN(folders_that_all_link_to_each_other_end);
    RUN(names_around_the_slash_keep_their_order);
    RUN(pipes_and_texts_are_skipped);
    RUN(any_name_is_good);
    RUN(a_picture_that_becomes_a_text_leaves_the_index);
    RUN(what_an_akinignore_names_leaves_and_comes_back);
    RUN(what_is_excluded_is_not_remembered);
    RUN(all_may_be_left_out);
    RUN(a_rule_counts_from_whichever_root_one_comes);
    RUN(a_root_that_is_named_is_not_left_out);
    RUN(a_rule_file_that_cannot_be_read_bars_its_folder);
    RUN(a_root_with_texts_alone_keeps_its_entries);
    RUN(a_hidden_root_is_kept_without_a_word);
    RUN(an_unreadable_folder_keeps_its_entries);
    RUN(a_link_that_leads_nowhere_keeps_what_was_behind_it);
    RUN(a_missing_root_keeps_its_entries);
    RUN(an_empty_root_keeps_its_entries_and_says_so);
    RUN(a_missing_root_of_an_earlier_run_keeps_its_entries);
    RUN(one_missing_root_does_not_stop_the_others);
    RUN(an_index_is_no_root);
    RUN(a_failure_is_reported_once);
    RUN(a_failure_is_reported_again_when_the_file_changes);
    RUN(retry_tries_and_reports_what_failed_before);
    RUN(a_failure_that_may_pass_is_tried_again);
    RUN(an_unreadable_file_of_no_known_kind_is_skipped);
    RUN(good_vectors_outlive_a_failure_that_may_pass);
    RUN(a_picture_that_the_network_refuses_is_a_failure);
    RUN(a_vector_that_is_not_finite_is_a_failure);
    RUN(a_truncated_picture_is_used_with_a_warning);
    RUN(strict_refuses_a_truncated_picture);
    RUN(a_worker_runs_as_many_pictures_as_the_model_takes);
    RUN(models_of_different_batches_share_a_run);
    RUN(two_copies_in_a_batch_are_embedded_once);
    RUN(copies_of_each_others_batches_do_not_deadlock);
    RUN(a_copy_of_a_picture_that_fails_fails_as_well);
    RUN(a_bad_file_in_a_batch_takes_no_other_with_it);
    RUN(files_are_read_while_the_network_runs);
    RUN(at_most_64_files_are_read_ahead);
    RUN(at_most_32_mb_are_read_ahead);
    RUN(a_file_too_large_to_be_read_ahead_is_read_in_its_turn);
    RUN(a_walk_can_be_cancelled);
    RUN(progress_counts_the_pictures_to_be_done);
    RUN(seconds_are_shared_among_the_models);
    RUN(options_and_arguments_are_checked);
    return scene_close();
}
