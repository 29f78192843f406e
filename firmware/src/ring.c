// SPDX-License-Identifier: Apache-2.0
#define FILE_ID 3

#include "ring.h"

#include "check.h"
#include "dma.h"

static struct descriptor tx_descriptors[MAXIMUM_DESCRIPTORS], rx_descriptors[MAXIMUM_DESCRIPTORS];

struct ring tx_ring = {.channel = DMA_TRANSMIT, .active = STATUS_TX_ACTIVE, .descriptors = tx_descriptors};
struct ring rx_ring = {.channel = DMA_RECEIVE, .active = STATUS_RX_ACTIVE, .descriptors = rx_descriptors};

static uint32_t active;
static uint32_t control_word;

bool ring_start(struct ring *ring, uint64_t base, uint32_t count, uint32_t tail)
{
    ring->base = base & ~(uint64_t)15;
    ring->head = ring->fetched = 0;
    if (count < 2 || count > MAXIMUM_DESCRIPTORS) {
        dma_failed(DMA_ABORTED, ring->base);
        return false;
    }
    ring->count = count;
    ring->tail = tail % count;
    active |= ring->active;
    HOST->status = active;
    return true;
}

void ring_stop(struct ring *ring)
{
    ring->count = 0;
    ring->head = ring->tail = ring->fetched = 0;
    active &= ~ring->active;
    HOST->status = active;
}

bool ring_fetch(struct ring *ring)
{
    while (ring->fetched != ring->tail) {
        uint32_t first = ring->fetched;
        uint32_t end = ring->tail > first ? ring->tail : ring->count;
        uint64_t at = ring->base + first * sizeof(struct descriptor);
        CHECK(end <= ring->count);
        uint32_t status = DMA_FROM_HOST(ring->channel, at, &ring->descriptors[first], (end - first) * sizeof(struct descriptor));
        if (!(status & DMA_DONE)) {
            dma_failed(status, at);
            return false;
        }
        for (uint32_t index = first; index < end; index++) {
            if (!(ring->descriptors[index].control & DESCRIPTOR_OWN)) {
                ring->fetched = index;
                return true;
            }
        }
        ring->fetched = end == ring->count ? 0 : end;
    }
    return true;
}

bool ring_hand_back(struct ring *ring, uint32_t control)
{
    uint64_t at = ring->base + ring->head * sizeof(struct descriptor) + offsetof(struct descriptor, control);
    CHECK(ring->head < ring->count);
    control_word = control;
    uint32_t status = DMA_INTO_HOST(ring->channel, at, &control_word, sizeof control_word);
    if (!(status & DMA_DONE)) {
        dma_failed(status, at);
        return false;
    }
    ring->head = ring_next(ring, ring->head);
    *(ring == &tx_ring ? &HOST->tx_head : &HOST->rx_head) = ring->head;
    return true;
}
