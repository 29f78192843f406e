// SPDX-License-Identifier: Apache-2.0
#ifndef FILTER_H
#define FILTER_H

#include "card.h"

// True if the host wants the frame in the window.
bool filter_wants(void);

#endif
