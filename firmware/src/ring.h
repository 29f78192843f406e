// SPDX-License-Identifier: Apache-2.0
//
// A descriptor ring of the host (docs/nics/reference.md, section 5) and what the card has fetched of it.

#ifndef RING_H
#define RING_H

#include "card.h"

#define MAXIMUM_DESCRIPTORS 256u

#define DESCRIPTOR_OWN (1u << 31)
#define DESCRIPTOR_END (1u << 30)
#define DESCRIPTOR_ERROR (1u << 29)

struct descriptor {
    uint32_t address_lo, address_hi, length, control;
};

struct ring {
    uint32_t channel;   // of the DMA engine
    uint32_t active;    // bit of STATUS
    uint64_t base;      // device address of descriptor 0
    uint32_t count;     // 0: the ring is stopped
    uint32_t head;      // the descriptor in work
    uint32_t tail;      // one beyond the last that a doorbell announced
    uint32_t fetched;   // one beyond the last that was fetched
    struct descriptor *descriptors; // room for MAXIMUM_DESCRIPTORS
};

extern struct ring tx_ring, rx_ring;

// The host started the engine: take base, count and tail as they are. False if the count is out of range, which is an error of DMA.
bool ring_start(struct ring *ring, uint64_t base, uint32_t count, uint32_t tail);

// The engine stops: nothing moves for this ring any more.
void ring_stop(struct ring *ring);

// Fetch all descriptors that a doorbell announced. False if a transfer failed.
bool ring_fetch(struct ring *ring);

// Hand the descriptor at the head back with control, and go on to the next. False if the transfer failed.
bool ring_hand_back(struct ring *ring, uint32_t control);

// Device address of the buffer of a descriptor.
static inline uint64_t buffer_of(const struct descriptor *descriptor)
{
    return (uint64_t)descriptor->address_hi << 32 | descriptor->address_lo;
}

// The index behind index.
static inline uint32_t ring_next(const struct ring *ring, uint32_t index)
{
    return index + 1 == ring->count ? 0 : index + 1;
}

#endif
