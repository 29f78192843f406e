// SPDX-License-Identifier: Apache-2.0
//
// The DMA engine. The store that starts it stands at the line that asks for the transfer, so that the bed names that line.

#ifndef DMA_H
#define DMA_H

#include "card.h"

enum dma_control {
    DMA_KICK = 1u << 0,
    DMA_TO_HOST = 1u << 1,
    DMA_TRANSMIT = 0,
    DMA_RECEIVE = 1u << 2
};
enum dma_status { DMA_DONE = 1u << 0, DMA_ABORTED = 1u << 1, DMA_GATED = 1u << 2 };

// Tells the engine where to; nothing moves yet.
void dma_prepare(uint64_t host, const volatile void *local, uint32_t length);

// Moves length bytes from the host to local, for the channel DMA_TRANSMIT or DMA_RECEIVE; gives the status.
#define DMA_FROM_HOST(channel, host, local, length) \
    (dma_prepare((host), (local), (length)), ENGINE->control = DMA_KICK | (channel), ENGINE->status)

// Moves length bytes from local to the host.
#define DMA_INTO_HOST(channel, host, local, length) \
    (dma_prepare((host), (local), (length)), ENGINE->control = DMA_KICK | DMA_TO_HOST | (channel), ENGINE->status)

// A transfer to or from host did not succeed. After a failed cycle both engines stop, and the host is told of the address; where
// a gate was closed the host knows.
void dma_failed(uint32_t status, uint64_t host);

#endif
