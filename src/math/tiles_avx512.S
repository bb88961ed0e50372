/*
 * GEMM tiles for AVX-512: up to 14 rows of A by 32 columns of B.
 *
 * One macro makes them for the three element types, which differ in the
 * instruction alone: each step multiplies 4 bytes of a row (1 float, 2 bf16 or
 * 4 unsigned 8-bit integers), broadcast, with 32 times 4 bytes of the panel.
 * 28 sums, 2 registers of B and 1 broadcast are 31 of the 32 registers. In
 * assembly because gcc 12 spills the sums of the same loop in intrinsics.
 *
 *   void tile(const void *a, size_t lda, const void *b, size_t steps,
 *             void *sums, const void *next);        see math/kernels.h
 *
 *   rdi  row 0 of A       rsi  lda       r10  3 lda      r11  5 lda
 *   rax  row 7 of A       rdx  panel     rcx  steps      r8   sums
 *   r9   what will be read next          zmm0, zmm1  B   zmm2 broadcast of A
 *   zmm(4 + 2 r), zmm(5 + 2 r)  the sums of row r
 *
 * Nothing is read beyond the rows and the panel but by prefetches, which never
 * fault.
 */
    .altmacro

/* The panel is asked for this far ahead: 12 steps of 14 cycles cover the way
 * from the second-level cache and most of the one from the third. */
    .set AHEAD, 1536

/* zmm2 = 4 bytes of row \r at offset \at, in all lanes. */
    .macro LOAD_A r, at
    .if \r == 0
    vpbroadcastd \at(%rdi), %zmm2
    .elseif \r == 1
    vpbroadcastd \at(%rdi,%rsi), %zmm2
    .elseif \r == 2
    vpbroadcastd \at(%rdi,%rsi,2), %zmm2
    .elseif \r == 3
    vpbroadcastd \at(%rdi,%r10), %zmm2
    .elseif \r == 4
    vpbroadcastd \at(%rdi,%rsi,4), %zmm2
    .elseif \r == 5
    vpbroadcastd \at(%rdi,%r11), %zmm2
    .elseif \r == 6
    vpbroadcastd \at(%rdi,%r10,2), %zmm2
    .elseif \r == 7
    vpbroadcastd \at(%rax), %zmm2
    .elseif \r == 8
    vpbroadcastd \at(%rax,%rsi), %zmm2
    .elseif \r == 9
    vpbroadcastd \at(%rax,%rsi,2), %zmm2
    .elseif \r == 10
    vpbroadcastd \at(%rax,%r10), %zmm2
    .elseif \r == 11
    vpbroadcastd \at(%rax,%rsi,4), %zmm2
    .elseif \r == 12
    vpbroadcastd \at(%rax,%r11), %zmm2
    .else
    vpbroadcastd \at(%rax,%r10,2), %zmm2
    .endif
    .endm

    .macro CLEAR low, high
    vpxord %zmm\low, %zmm\low, %zmm\low
    vpxord %zmm\high, %zmm\high, %zmm\high
    .endm

    .macro ADD_ROW op, low, high
    \op %zmm0, %zmm2, %zmm\low
    \op %zmm1, %zmm2, %zmm\high
    .endm

    .macro STORE_ROW at, low, high
    vmovaps %zmm\low, \at(%r8)
    vmovaps %zmm\high, \at + 64(%r8)
    .endm

/* Step \s of the four in a turn of the loop. */
    .macro STEP op, rows, s
    vmovaps 128 * \s(%rdx), %zmm0
    vmovaps 128 * \s + 64(%rdx), %zmm1
    prefetcht0 128 * \s + AHEAD(%rdx)
    prefetcht0 128 * \s + 64 + AHEAD(%rdx)
    .set row, 0
    .rept \rows
    LOAD_A %row, %(4 * \s)
    ADD_ROW \op, %(4 + 2 * row), %(5 + 2 * row)
    .set row, row + 1
    .endr
    .endm

    .macro TILE name, op, rows
    .globl akin__tile_\name\()_\rows
    .hidden akin__tile_\name\()_\rows
    .type akin__tile_\name\()_\rows, @function
    .p2align 6
akin__tile_\name\()_\rows:
    lea (%rsi,%rsi,2), %r10
    lea (%rsi,%rsi,4), %r11
    lea (%rdi,%r10,2), %rax
    add %rsi, %rax
    .set row, 0
    .rept \rows
    CLEAR %(4 + 2 * row), %(5 + 2 * row)
    .set row, row + 1
    .endr
    .p2align 5
1:  prefetcht1 (%r9)
    prefetcht1 64(%r9)
    STEP \op, \rows, 0
    STEP \op, \rows, 1
    STEP \op, \rows, 2
    STEP \op, \rows, 3
    add $16, %rdi
    add $16, %rax
    add $512, %rdx
    add $128, %r9
    sub $4, %rcx
    jnz 1b
    .set row, 0
    .rept \rows
    STORE_ROW %(128 * row), %(4 + 2 * row), %(5 + 2 * row)
    .set row, row + 1
    .endr
    vzeroupper
    ret
    .size akin__tile_\name\()_\rows, . - akin__tile_\name\()_\rows
    .endm

    .text
    .irp rows, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    TILE avx512_f32, vfmadd231ps, \rows
    TILE avx512_bf16, vdpbf16ps, \rows
    TILE avx512_int8, vpdpbusd, \rows
    .endr

/* What math/tiles.h names: a table for each type, by the number of rows. */
    .macro TABLE name
    .globl akin__tiles_\name
    .hidden akin__tiles_\name
    .type akin__tiles_\name, @object
    .p2align 3
akin__tiles_\name:
    .quad 0
    .irp rows, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    .quad akin__tile_\name\()_\rows
    .endr
    .size akin__tiles_\name, . - akin__tiles_\name
    .endm

    .section .data.rel.ro, "aw"
    TABLE avx512_f32
    TABLE avx512_bf16
    TABLE avx512_int8

    .section .note.GNU-stack,"",@progbits
