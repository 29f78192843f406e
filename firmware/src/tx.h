// SPDX-License-Identifier: Apache-2.0
#ifndef TX_H
#define TX_H

#include "card.h"

// The host switched the transmitter on, or off.
void tx_start(void);
void tx_stop(void);

// The doorbell: descriptors up to tail are announced.
void tx_doorbell(uint32_t tail);

// True if there is something to send, once the MAC is free.
bool tx_waiting(void);

// Send one frame. The MAC is free.
void tx_frame(void);

#endif
