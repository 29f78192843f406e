// SPDX-License-Identifier: Apache-2.0
#define FILE_ID 5

#include "rx.h"

#include "dma.h"
#include "filter.h"
#include "ring.h"

void rx_start(void)
{
    if (ring_start(&rx_ring, (uint64_t)HOST->rx_base_hi << 32 | HOST->rx_base_lo, HOST->rx_count, HOST->rx_tail)) {
        ring_fetch(&rx_ring);
    }
}

void rx_stop(void)
{
    ring_stop(&rx_ring);
}

void rx_doorbell(uint32_t tail)
{
    if (rx_ring.count) {
        rx_ring.tail = tail % rx_ring.count;
        ring_fetch(&rx_ring);
    }
}

// Store the frame in the window, and hand its descriptor back; what becomes of the frame.
static uint32_t store(uint32_t length, bool broken)
{
    uint32_t control = DESCRIPTOR_END | DESCRIPTOR_ERROR, done = broken ? RX_BROKEN : RX_TOO_LONG;

    if (!ring_fetch(&rx_ring)) {
        return RX_OFF;
    }
    if (rx_ring.head == rx_ring.fetched) {
        if (!broken) {
            HOST->stat_missed = 1;
            HOST->cause = CAUSE_RX_NO_DESCRIPTOR;
            done = RX_NO_DESCRIPTOR;
        }
        return done;
    }
    const struct descriptor *descriptor = &rx_ring.descriptors[rx_ring.head];
    if (!broken && length <= MAXIMUM_FRAME && length <= descriptor->length) {
        uint64_t to = buffer_of(descriptor);
        uint32_t status = DMA_INTO_HOST(DMA_RECEIVE, to, WINDOW, length);
        if (!(status & DMA_DONE)) {
            dma_failed(status, to);
            return RX_OFF;
        }
        control = DESCRIPTOR_END | length;
        done = RX_STORED;
    }
    if (ring_hand_back(&rx_ring, control)) {
        HOST->stat_rx = 1;
        HOST->cause = CAUSE_RX_DONE;
    }
    return done;
}

void rx_frame(void)
{
    uint32_t status = WIRE->rx_status;
    bool broken = status & RX_BAD;

    if (!(status & RX_FRAME)) {
        return; // the receiver was switched off meanwhile, and the frames that waited are gone
    }
    if (!rx_ring.count) {
        WIRE->rx_done = RX_OFF;
    } else if (!broken && !filter_wants()) {
        WIRE->rx_done = RX_FILTERED;
    } else {
        WIRE->rx_done = store(WIRE->rx_length, broken);
    }
}
