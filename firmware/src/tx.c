// SPDX-License-Identifier: Apache-2.0
#define FILE_ID 4

#include "tx.h"

#include "check.h"
#include "gather.h"
#include "ring.h"

static uint8_t frame[LARGEST_GATHERING] __attribute__((aligned(4)));

static bool waiting;
static bool stalled;
// Frames sent since the last transmit cause: one cause tells of up to half a ring.
static uint32_t unreported;

void tx_start(void)
{
    if (ring_start(&tx_ring, (uint64_t)HOST->tx_base_hi << 32 | HOST->tx_base_lo, HOST->tx_count, HOST->tx_tail)) {
        waiting = !stalled;
    }
}

void tx_stop(void)
{
    ring_stop(&tx_ring);
    waiting = false;
}

void tx_doorbell(uint32_t tail)
{
    if (tx_ring.count) {
        tx_ring.tail = tail % tx_ring.count;
        waiting = !stalled;
    }
}

bool tx_waiting(void)
{
    return waiting && tx_ring.count;
}

// Number of pieces of the frame at the head; 0 if its last one was not fetched yet.
static uint32_t pieces_of_frame(void)
{
    uint32_t pieces = 0;
    for (uint32_t index = tx_ring.head; index != tx_ring.fetched; index = ring_next(&tx_ring, index)) {
        pieces++;
        if (tx_ring.descriptors[index].control & DESCRIPTOR_END) {
            return pieces;
        }
    }
    return 0;
}

// Put the frame on the wire; gives the status of the transmitter.
static uint32_t put_on_wire(uint32_t length)
{
    if (length < MINIMUM_FRAME && HOST->ctrl & CTRL_PAD) {
        while (length < MINIMUM_FRAME) {
            frame[length++] = 0;
        }
    }
    WIRE->tx_address = (uint32_t)frame;
    WIRE->tx_length = length;
    WIRE->tx_start = 1;
    return WIRE->tx_status;
}

// Hand the pieces of the frame back, then tell the host if it is time to.
static void finish(uint32_t pieces, bool good)
{
    uint32_t error = good ? 0 : DESCRIPTOR_ERROR;
    while (pieces--) {
        if (!ring_hand_back(&tx_ring, error | (pieces ? 0 : DESCRIPTOR_END))) {
            return;
        }
    }
    *(good ? &HOST->stat_tx : &HOST->stat_tx_errors) = 1;
    waiting = tx_ring.head != tx_ring.tail;
    unreported++;
    if (!good || !waiting || 2 * unreported >= tx_ring.count) {
        unreported = 0;
        HOST->cause = good ? CAUSE_TX_DONE : CAUSE_TX_DONE | CAUSE_TX_ERROR;
    }
}

void tx_frame(void)
{
    uint32_t pieces, length = 0, status = TX_REFUSED;

    CHECK(tx_ring.count);
    waiting = false;
    if (!ring_fetch(&tx_ring)) {
        return;
    }
    pieces = pieces_of_frame();
    if (!pieces) {
        // What was announced ends in the middle of a frame: no later frame will tell of those before it.
        if (unreported) {
            unreported = 0;
            HOST->cause = CAUSE_TX_DONE;
        }
        return;
    }
    if (pieces <= MAXIMUM_PIECES) {
        if (!gather(pieces, frame, &length)) {
            return;
        }
        status = put_on_wire(length);
    }
    if (status & TX_NEVER) {
        stalled = true;
        return;
    }
    finish(pieces, status & TX_SENT);
}
