/* SPDX-License-Identifier: Apache-2.0 */
/* Linked into count.elf, from which the tests of firmware/ make an image:
   riscv64-unknown-elf-gcc -march=rv32im -mabi=ilp32 -g -O1 -ffreestanding -nostdlib -ffile-prefix-map=$PWD=. -T count.ld count.c
   -Wl,--build-id=none -o count.elf */
#include "twice.h"

static volatile unsigned counter;
static const unsigned table[3] = {1, 2, 3};
unsigned values[5] = {9, 8, 7};

void work(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        counter += twice(table[i % 3]);
    values[1]++;
}

void _start(void)
{
    work(5);
    for (;;)
        counter++;
}
