// SPDX-License-Identifier: Apache-2.0
//
// The boot ROM has loaded the segments and cleared what follows their data. All registers are zero.

    .section .text.start, "ax"
    .global start
start:
    la sp, stack_top
    j main
    .size start, . - start
    .type start, @function
