/*
 * GEMM tiles for 256-bit registers: float32 (AVX2 + FMA), and bytes with
 * (AVX-VNNI) and without (AVX2) a dot-product instruction.
 *
 *   void NAME_ROWS(const void *a, size_t lda, const void *b, size_t steps,
 *                  void *sums, const void *next)            see tiles.h
 *
 * A tile is ROWS (1 to 6) rows of A by 16 columns of B, and a step is 4 bytes
 * of every row: broadcast, they meet 64 bytes of the panel, the same 4 bytes
 * of k for 16 columns. Six rows by two registers are what the 16 registers
 * hold beside the operands, and six FMA pairs outlast the latency of one, so
 * both multipliers stay busy. It is assembly because compilers spill here: a
 * quarter to two thirds of the speed.
 *
 *   rdi   a, rows 0 to 2      ymm0 to ymm11   row r: ymm 2r has columns 0 to 7,
 *   r10   a, rows 3 to 5                      ymm 2r+1 columns 8 to 15
 *   rsi   lda                 ymm12, ymm13    the panel's 64 bytes
 *   rdx   b                   ymm14           a row's 4 bytes, broadcast
 *   rcx   steps left          ymm15           a product, where one is needed
 *   r8    sums
 *   r9    next
 *
 * Every loop runs over 4 steps. The panel is as large as the first-level cache
 * and read again for every tile of rows, so it is prefetched AHEAD bytes before
 * its turn. Beside that each turn asks for one line from `next`: with the next
 * panel there, weights come from memory as fast as from the second-level cache
 * (50 rows, float32: 134 Gflop/s instead of 121).
 *
 * Without VNNI, bytes are multiplied by vpmaddubsw, which adds two neighbouring
 * products into an int16 and saturates there, while vpaddw wraps. Nothing is
 * lost because the weights obey the rules of quantize.h: a pair of weights of
 * one sign has a sum of at most 128, so no pair of products leaves int16
 * (255 * 128 = 32640), and the 8 weights whose products meet in one int16 lane
 * over 4 steps have absolute values of at most 258 in sum. The lane starts at
 * -128 * (sum of its weights); what is in it at the end is then
 * sum((u8 - 128) * weight), at most 127 * 258 = 32766 in absolute value, so it
 * is right whatever wrapped on the way. Only then vpmaddwd by ones widens two
 * lanes into an int32, every 4 steps instead of in each one.
 */
#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

#define AHEAD 1536

        .section .rodata
        .p2align 5
ones:
        .fill   16, 2, 1

        .text

/* OP address, low, high for each row: the address of the row's 4 bytes at
 * `offset`, and the numbers of its two registers. */
.macro each_row rows, offset, op
        \op     "\offset(%rdi)", 0, 1
.if \rows > 1
        \op     "\offset(%rdi,%rsi)", 2, 3
.endif
.if \rows > 2
        \op     "\offset(%rdi,%rsi,2)", 4, 5
.endif
.if \rows > 3
        \op     "\offset(%r10)", 6, 7
.endif
.if \rows > 4
        \op     "\offset(%r10,%rsi)", 8, 9
.endif
.if \rows > 5
        \op     "\offset(%r10,%rsi,2)", 10, 11
.endif
.endm

/* OP offset, register for each register of the sums. */
.macro each_sum rows, op
        \op     0, 0
        \op     32, 1
.if \rows > 1
        \op     64, 2
        \op     96, 3
.endif
.if \rows > 2
        \op     128, 4
        \op     160, 5
.endif
.if \rows > 3
        \op     192, 6
        \op     224, 7
.endif
.if \rows > 4
        \op     256, 8
        \op     288, 9
.endif
.if \rows > 5
        \op     320, 10
        \op     352, 11
.endif
.endm

.macro clear offset, sum
        vpxor   %xmm\sum, %xmm\sum, %xmm\sum
.endm

.macro store offset, sum
        vmovaps %ymm\sum, \offset(%r8)
.endm

.macro begin name, rows
        .globl  akin__\name\()_\rows
        .hidden akin__\name\()_\rows
        .type   akin__\name\()_\rows, @function
        .p2align 6
akin__\name\()_\rows:
        .cfi_startproc
        _CET_ENDBR
        lea     (%rdi,%rsi,2), %r10
        add     %rsi, %r10
.endm

/* To the next 4 steps, `bytes` of the panel further, or out of the loop. */
.macro advance bytes
        prefetcht0 (%r9)
        add     $64, %r9
        add     $16, %rdi
        add     $16, %r10
        add     $\bytes, %rdx
        sub     $4, %rcx
.endm

.macro end name, rows
        vzeroupper
        ret
        .cfi_endproc
        .size   akin__\name\()_\rows, . - akin__\name\()_\rows
.endm

/* ------------------------------------------- one instruction per product -- */

.macro f32_row address, low, high
        vbroadcastss \address, %ymm14
        vfmadd231ps %ymm12, %ymm14, %ymm\low
        vfmadd231ps %ymm13, %ymm14, %ymm\high
.endm

.macro vnni_row address, low, high
        vpbroadcastd \address, %ymm14
        {vex} vpdpbusd %ymm12, %ymm14, %ymm\low
        {vex} vpdpbusd %ymm13, %ymm14, %ymm\high
.endm

.macro dot_step rows, row, offset, at
        vmovaps \at(%rdx), %ymm12
        vmovaps \at+32(%rdx), %ymm13
        prefetcht0 \at+AHEAD(%rdx)
        each_row \rows, \offset, \row
.endm

.macro dot_tile name, row, rows
        begin   \name, \rows
        each_sum \rows, clear
        .p2align 5
1:
        dot_step \rows, \row, 0, 0
        dot_step \rows, \row, 4, 64
        dot_step \rows, \row, 8, 128
        dot_step \rows, \row, 12, 192
        advance 256
        jnz     1b
        each_sum \rows, store
        end     \name, \rows
.endm

/* --------------------------------------------- bytes through int16 lanes -- */

.macro pair_products address
        vpbroadcastd \address, %ymm14
        vpmaddubsw %ymm12, %ymm14, %ymm15
        vpmaddubsw %ymm13, %ymm14, %ymm14
.endm

/* The first of a group's steps adds the lanes' start values. */
.macro first_row address, low, high
        pair_products "\address"
        vpaddw  (%rdx), %ymm15, %ymm\low
        vpaddw  32(%rdx), %ymm14, %ymm\high
.endm

.macro later_row address, low, high
        pair_products "\address"
        vpaddw  %ymm15, %ymm\low, %ymm\low
        vpaddw  %ymm14, %ymm\high, %ymm\high
.endm

.macro pair_step rows, row, offset, at
        vmovdqa \at(%rdx), %ymm12
        vmovdqa \at+32(%rdx), %ymm13
        prefetcht0 \at+AHEAD(%rdx)
        each_row \rows, \offset, \row
.endm

.macro widen offset, sum
        vpmaddwd %ymm12, %ymm\sum, %ymm\sum
        vpaddd  \offset(%r8), %ymm\sum, %ymm\sum
        vmovdqa %ymm\sum, \offset(%r8)
.endm

/* The int16 sums fill the registers, so the int32 sums lie in the first-level
 * cache; they are touched once in 4 steps. */
.macro pair_tile name, rows
        begin   \name, \rows
        vpxor   %xmm0, %xmm0, %xmm0
        each_sum \rows, store_zero
        .p2align 5
1:
        prefetcht0 AHEAD(%rdx)
        pair_step \rows, first_row, 0, 64
        pair_step \rows, later_row, 4, 128
        pair_step \rows, later_row, 8, 192
        pair_step \rows, later_row, 12, 256
        vmovdqa ones(%rip), %ymm12
        each_sum \rows, widen
        advance 320
        jnz     1b
        end     \name, \rows
.endm

.macro store_zero offset, sum
        vmovdqa %ymm0, \offset(%r8)
.endm

.irp rows, 1, 2, 3, 4, 5, 6
        dot_tile avx2_f32, f32_row, \rows
        dot_tile avxvnni_int8, vnni_row, \rows
        pair_tile avx2_int8, \rows
.endr

        .section .note.GNU-stack, "", @progbits
