// SPDX-License-Identifier: Apache-2.0
//
// In place of firmware/src/gather.c: pieces that adjoin are fetched in one transfer, whatever lies between them.
#define FILE_ID 7

#include "gather.h"

#include "check.h"
#include "dma.h"
#include "ring.h"

bool gather(uint32_t pieces, uint8_t *frame, uint32_t *length)
{
    uint32_t index = tx_ring.head;

    *length = 0;
    while (pieces) {
        uint64_t from = buffer_of(&tx_ring.descriptors[index]);
        uint32_t bytes = 0;
        // The mistake: the border between two pieces may be one that the DMA engine cannot cross.
        while (pieces && buffer_of(&tx_ring.descriptors[index]) == from + bytes) {
            bytes += tx_ring.descriptors[index].length;
            index = ring_next(&tx_ring, index);
            pieces--;
        }
        if (bytes) {
            uint32_t status = DMA_FROM_HOST(DMA_TRANSMIT, from, frame + *length, bytes); // FLAW
            if (!(status & DMA_DONE)) {
                dma_failed(status, from);
                return false;
            }
            *length += bytes;
            CHECK(*length <= LARGEST_GATHERING);
        }
    }
    return true;
}
