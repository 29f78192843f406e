// SPDX-License-Identifier: Apache-2.0
//
// Assertions: the card reports the number of the file (FILE_ID, docs/nics/smart.md, section 8) and the line, and stops.

#ifndef CHECK_H
#define CHECK_H

#include "card.h"

#define CHECK(good) \
    do { \
        if (!(good)) { \
            SYSTEM->assertion = (uint32_t)FILE_ID << 16 | __LINE__; \
            __builtin_unreachable(); \
        } \
    } while (0)

#endif
