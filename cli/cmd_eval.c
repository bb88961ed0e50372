/* akin eval: how good a model's answers are. One cmd_eval_NAME.c each. */
#include "commands.h"

static const struct cli_command *const evals[] = {
    &cli_eval_score, &cli_eval_run, &cli_eval_copies, &cli_eval_calibrate,
    NULL};

const struct cli_command cli_eval = {
    .name = "eval",
    .summary = "how good are a model's answers?",
    .group = evals,
};
