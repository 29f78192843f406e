/* SPDX-License-Identifier: Apache-2.0 */
static inline unsigned twice(unsigned n)
{
    return 2 * n;
}
