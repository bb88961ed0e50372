/*
 * Queries (query.h). A word is a term, and a sign that stands alone ties two
 * terms to one query; terms without a sign between them are separate queries.
 *
 *   queries = query {query}       query = [sign] term {sign term}
 *   sign    = "+" | "-"           term  = [weight ":"] (picture | words)
 */
#include "query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/suffix.h"
#include "base/text.h"
#include "cli.h"

/* Beyond these the lighter terms would change nothing that can be seen. */
static const double least_weight = 0.001, most_weight = 1000;

struct parser {
    const struct cli_values *values;
    struct cli_queries *queries;
    size_t terms, words;
    const char *sign; /* that waits for its term, or NULL */
};

static struct cli_query *current(const struct parser *p)
{
    return &p->queries->query[p->queries->count - 1];
}

static void begin(struct parser *p)
{
    p->queries->count++;
    *current(p) = (struct cli_query){.term = p->queries->term + p->terms,
                                     .word = p->queries->word + p->words};
}

static void keep_word(struct parser *p, const char *word)
{
    p->queries->word[p->words++] = word;
    current(p)->words++;
}

static bool is_sign(const char *word)
{
    return (*word == '+' || *word == '-') && !word[1];
}

static int read_sign(struct parser *p, const char *sign)
{
    if (p->sign)
        return cli_wrong(p->values, "%s %s: a term is missing between the two",
                         p->sign, sign);
    if (!p->queries->count)
        begin(p);
    keep_word(p, sign);
    p->sign = sign;
    return 0;
}

/* ----------------------------------------------------------------- terms -- */

static bool is_blank(const char *text)
{
    return !text[strspn(text, " \t\r\n")];
}

/* Take a weight off the front of *word. */
static int read_weight(const struct parser *p, const char **word,
                       double *weight)
{
    char *end;
    const double number = strtod(*word, &end);
    if (end == *word || *end != ':')
        return 0;
    if (!(number >= least_weight && number <= most_weight))
        return cli_wrong(p->values,
                         "%s: a weight is a number from %g to %g, and a sign "
                         "stands before it by itself (--text takes it as "
                         "words)",
                         *word, least_weight, most_weight);
    if (is_blank(end + 1))
        return cli_wrong(p->values, "%s: nothing has this weight", *word);
    *weight = number;
    *word = end + 1;
    return 0;
}

/* A name that is there is a picture, and so is what looks like one: a name
 * that was mistyped never becomes words. */
static bool is_picture(const char *word)
{
    return akin__exists(word) || strchr(word, '/') || akin__image_suffix(word);
}

static int read_word(struct parser *p, const char *word,
                     struct akin__term *term)
{
    if (is_blank(word))
        return cli_wrong(p->values, "a word of the query is empty");
    if (!akin__exists(word)) {
        const int code = read_weight(p, &word, &term->weight);
        if (code)
            return code;
    }
    if ((*word == '+' || *word == '-') && !akin__exists(word))
        return cli_wrong(p->values,
                         "%s: a sign stands by itself, as in %c %s (--text "
                         "takes it as words)",
                         word, *word, word + 1);
    term->say = word;
    term->picture = is_picture(word);
    return 0;
}

static int read_term(struct parser *p, const char *word, bool said)
{
    struct akin__term *term = &p->queries->term[p->terms];
    const bool minus = p->sign && *p->sign == '-';
    int code = 0;
    if (!p->sign)
        begin(p);
    if (said)
        keep_word(p, "--text");
    keep_word(p, word);
    *term = (struct akin__term){.weight = 1, .say = word};
    if (!said)
        code = read_word(p, word, term);
    else if (is_blank(word))
        code = cli_wrong(p->values, "--text is empty");
    if (minus)
        term->weight = -term->weight;
    if (term->picture) {
        current(p)->pictures++;
        p->queries->pictures++;
        if (!akin__exists(term->say) || akin__is_folder(term->say))
            current(p)->missing = term->say;
    } else {
        p->queries->texts++;
    }
    current(p)->terms++;
    p->terms++;
    p->sign = NULL;
    return code;
}

/* --------------------------------------------------------------- queries -- */

static int check(const struct parser *p)
{
    if (p->sign)
        return cli_wrong(p->values, "a term is missing behind the last %s",
                         p->sign);
    for (size_t i = 0; i < p->queries->count; i++) {
        const struct cli_query *query = &p->queries->query[i];
        bool any = false;
        for (size_t t = 0; t < query->terms; t++)
            any = any || query->term[t].weight > 0;
        if (!any)
            return cli_wrong(p->values,
                             "- %s: a query that only takes away has nothing "
                             "to look for; add a term",
                             query->term[0].say);
    }
    return 0;
}

int cli_queries_parse(struct cli_queries *queries,
                      const struct cli_values *values)
{
    struct parser p = {.values = values, .queries = queries};
    const size_t words = values->words + 2 * values->texts;
    size_t text = 0;
    int code = 0;
    memset(queries, 0, sizeof *queries);
    if (!words)
        return cli_wrong(values, "needs a picture or words to look for");
    queries->query = akin__calloc(words, sizeof *queries->query);
    queries->term = akin__calloc(words, sizeof *queries->term);
    queries->word = akin__calloc(words, sizeof *queries->word);
    if (!queries->query || !queries->term || !queries->word)
        return cli_no_memory();
    for (size_t i = 0; i <= values->words && !code; i++) {
        for (; text < values->texts && values->text_after[text] == i && !code;
             text++)
            code = read_term(&p, values->text[text], true);
        if (i == values->words || code)
            break;
        const char *word = values->word[i];
        code = is_sign(word) ? read_sign(&p, word) : read_term(&p, word, false);
    }
    return code ? code : check(&p);
}

void cli_queries_free(struct cli_queries *queries)
{
    akin__free(queries->query);
    akin__free(queries->term);
    akin__free(queries->word);
}

bool cli_query_shows(const struct cli_query *query)
{
    for (size_t t = 0; t < query->terms; t++) {
        if (query->term[t].picture && query->term[t].weight > 0)
            return true;
    }
    return false;
}

char *cli_query_line(const struct cli_query *query)
{
    struct akin__text text = {0};
    for (size_t t = 0; t < query->terms; t++) {
        const struct akin__term *term = &query->term[t];
        const double weight = fabs(term->weight);
        const char *quote = term->picture ? "" : "\"";
        if (t || term->weight < 0)
            akin__text_addf(&text, "%s%s ", t ? " " : "",
                            term->weight < 0 ? "-" : "+");
        if (weight < 1 || weight > 1)
            akin__text_addf(&text, "%g:", weight);
        akin__text_addf(&text, "%s%s%s", quote, term->say, quote);
    }
    if (text.failed)
        akin__text_free(&text);
    return text.bytes;
}
