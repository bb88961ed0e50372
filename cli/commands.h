/* The commands, one cmd_NAME.c each. */
#ifndef AKIN_CLI_COMMANDS_H
#define AKIN_CLI_COMMANDS_H

#include "opt.h"

extern const struct cli_command cli_compare, cli_index, cli_search, cli_embed,
    cli_dups, cli_export, cli_import, cli_info, cli_model, cli_bench,
    cli_verify, cli_repair, cli_eval, cli_label;

/* Of akin eval: cmd_eval_NAME.c. */
extern const struct cli_command cli_eval_calibrate, cli_eval_copies,
    cli_eval_run, cli_eval_score;

#endif
