/* Certain: the bound by which an index says how certain an answer is. */
#ifndef AKIN_EVAL_CERTAIN_H
#define AKIN_EVAL_CERTAIN_H

/*
 * Clopper and Pearson's lower 95 % bound of the share of right ones, of which
 * so many right and wrong answers were seen; they need not be whole numbers.
 */
double akin__share_at_least(double right, double wrong);

#endif
