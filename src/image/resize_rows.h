/*
 * Rows filtered across: ROWS at a time, then what is left one by one. For the
 * files of kernels, which define ROWS and across_rows before they include this.
 */
static void across(size_t rows, uint8_t *out, size_t out_stride,
                   const uint8_t *in, size_t in_stride,
                   const struct akin__taps *taps)
{
    for (; rows >= ROWS; rows -= ROWS) {
        across_rows(ROWS, out, out_stride, in, in_stride, taps);
        out += ROWS * out_stride;
        in += ROWS * in_stride;
    }
    for (; rows; rows--) {
        across_rows(1, out, out_stride, in, in_stride, taps);
        out += out_stride;
        in += in_stride;
    }
}
