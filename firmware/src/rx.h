// SPDX-License-Identifier: Apache-2.0
#ifndef RX_H
#define RX_H

#include "card.h"

// The host switched the receiver on, or off.
void rx_start(void);
void rx_stop(void);

// The doorbell: descriptors up to tail are announced.
void rx_doorbell(uint32_t tail);

// Deal with the frame in the window, if it is still there.
void rx_frame(void);

#endif
