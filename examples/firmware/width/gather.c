// SPDX-License-Identifier: Apache-2.0
//
// In place of firmware/src/gather.c: the upper half of the descriptor's address is forgotten.
#define FILE_ID 7

#include "gather.h"

#include "check.h"
#include "dma.h"
#include "ring.h"

bool gather(uint32_t pieces, uint8_t *frame, uint32_t *length)
{
    uint32_t index = tx_ring.head;

    *length = 0;
    while (pieces--) {
        const struct descriptor *piece = &tx_ring.descriptors[index];
        if (piece->length) {
            uint32_t from = buffer_of(piece); // the mistake: there are 32 more bits
            uint32_t status = DMA_FROM_HOST(DMA_TRANSMIT, from, frame + *length, piece->length); // FLAW
            if (!(status & DMA_DONE)) {
                dma_failed(status, from);
                return false;
            }
            *length += piece->length;
            CHECK(*length <= LARGEST_GATHERING);
        }
        index = ring_next(&tx_ring, index);
    }
    return true;
}
