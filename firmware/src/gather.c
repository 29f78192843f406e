// SPDX-License-Identifier: Apache-2.0
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
            uint64_t from = buffer_of(piece);
            uint32_t status = DMA_FROM_HOST(DMA_TRANSMIT, from, frame + *length, piece->length);
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
