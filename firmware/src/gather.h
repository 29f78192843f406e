// SPDX-License-Identifier: Apache-2.0
#ifndef GATHER_H
#define GATHER_H

#include "card.h"

#define LARGEST_GATHERING (MAXIMUM_PIECES * LONGEST_TRANSFER)

// Fetch the pieces of the frame at the head of the transmit ring into frame, one behind the other; true with their length. False if a
// transfer failed. There is room for LARGEST_GATHERING bytes.
bool gather(uint32_t pieces, uint8_t *frame, uint32_t *length);

#endif
