/* The command akin: its table of commands, and what stands before them. */
#include <stdio.h>
#include <string.h>

#include "akin.h"
#include "cli.h"
#include "commands.h"
#include "opt.h"
#include "view/draw.h"

static const char first_steps[] =
    "akin finds pictures that look alike, with CLIP and DINOv2 side by side.\n"
    "\n"
    "  akin model pull clip dinov2            fetch the two models, once\n"
    "  akin compare a.jpg b.jpg               how alike are two pictures?\n"
    "  akin index Pictures                    make an index of a folder\n"
    "  akin search photo.jpg                  the most similar pictures in it\n"
    "  akin search photo.jpg --html page.html the same, as a page to look at\n"
    "\n"
    "akin --help lists every command, akin COMMAND --help says more of each.\n";

static int version(int argc, char **argv)
{
    printf("akin %s\n", akin_version());
    if (argc > 2 && !strcmp(argv[2], "--verbose"))
        printf("%s%s\n%s\n", akin_decoders(),
               *akin_pgvector_library() ? akin_pgvector_library()
                                        : "no libpq: no export to PostgreSQL",
               *akin__draw_library()
                   ? akin__draw_library()
                   : "no libchafa: no pictures in a terminal");
    return CLI_DONE;
}

int main(int argc, char **argv)
{
    static const struct cli_command *const commands[] = {
        &cli_compare, &cli_index,  &cli_search, &cli_dups, &cli_label,
        &cli_embed,   &cli_export, &cli_import, &cli_info, &cli_verify,
        &cli_repair,  &cli_model,  &cli_bench,  &cli_eval, NULL,
    };
    if (argc == 2 && !strcmp(argv[1], "decode-worker"))
        return akin_decoder_serve(); /* akin, called by akin: CLI_DECODER */
    if (argc < 2) {
        fputs(first_steps, stdout);
        return cli_finish(CLI_DONE);
    }
    if (!strcmp(argv[1], "--version"))
        return cli_finish(version(argc, argv));
    return cli_finish(cli_dispatch("", commands, argc - 1, argv + 1));
}
