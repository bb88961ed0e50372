/* Words: how the forms of a report (report.h) say numbers. */
#ifndef AKIN_VIEW_REPORT_WORDS_H
#define AKIN_VIEW_REPORT_WORDS_H

#include "view/report.h"

enum { AKIN__WORDS = 64 };
typedef char akin__words[AKIN__WORDS]; /* room for one of the answers below */

/* `bytes` as one printable line of UTF-8 at the end of `text`. */
void akin__add_printable(struct akin__text *text, const char *bytes);

/* A long dash: not known. */
#define AKIN__UNKNOWN "\xe2\x80\x93"

/* 0.64 as "64.0 %" */
const char *akin__percent(akin__words text, double share);
/* "62.7 to 65.3 %"; "" when it is not known */
const char *akin__interval(akin__words text, const struct akin__figure *figure);
/* A difference of shares: "+35.6 points" */
const char *akin__points(akin__words text, double difference);
/* "-1.2 to +3.4 points"; "" when it is not known */
const char *akin__points_interval(akin__words text,
                                  const struct akin__figure *figure);
/* "0.031", "< 0.0001" */
const char *akin__p_value(akin__words text, double p);
/* Three digits: "8.31", "70.7", "1,204" */
const char *akin__rate_words(akin__words text, double rate);
/* "0.04 s", "12.3 s", "26 min 5 s" */
const char *akin__stage_words(akin__words text, double seconds);
/* A score with three decimals. */
const char *akin__score_words(akin__words text, double score);
/* "512", "64 bits" */
const char *akin__dim_words(akin__words text,
                            const struct akin__report_model *model);

/* How sure it is that the models differ: "very sure (p = 0.0031)". */
const char *akin__sureness(akin__words text, double p);

/* "crop", "crop, 3" at the end of `text`. */
void akin__edit_words(struct akin__text *text, const struct akin__edit *edit);

/* One plain sentence on a pair of models at the end of `text`. */
void akin__comparison_words(const struct akin__report *report,
                            const struct akin__comparison *comparison,
                            struct akin__text *text);

/* Who answers better, and how sure that is, at the end of `text`. */
void akin__report_verdict(const struct akin__report *report,
                          struct akin__text *text);

/* "clip alone right": of the report's two models of examples. */
void akin__kind_words(const struct akin__report *report,
                      enum akin__example_kind kind, struct akin__text *text);
/* Kinds of example that the report can have: two with one model. */
size_t akin__report_kinds(const struct akin__report *report);

/* The seconds of stage `at`, and its name; AKIN__STAGES of them. */
enum { AKIN__STAGES = 6 };
double akin__stage_seconds(const struct akin__stages *stages, size_t at,
                           const char **name);
/* Whether anything of it is known. */
bool akin__stages_known(const struct akin__stages *stages);

/* Share of the edit's queries that the model has right; NAN: not known. */
double akin__edit_share(const struct akin__report *report, size_t model,
                        size_t edit);

/* Indexes of the edits, those that the model does worst first; at most `most`,
 * none without a miss. Gives their number. */
size_t akin__worst_edits(const struct akin__report *report, size_t model,
                         size_t most, size_t *worst);

#endif
