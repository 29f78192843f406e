// SPDX-License-Identifier: Apache-2.0
#define FILE_ID 2

#include "dma.h"

#include "check.h"
#include "ring.h"

void dma_prepare(uint64_t host, const volatile void *local, uint32_t length)
{
    ENGINE->host_lo = (uint32_t)host;
    ENGINE->host_hi = (uint32_t)(host >> 32);
    ENGINE->local = (uint32_t)local;
    ENGINE->length = length;
}

void dma_failed(uint32_t status, uint64_t host)
{
    CHECK(!(status & DMA_DONE));
    if (status & DMA_GATED) {
        return;
    }
    HOST->dma_error_lo = (uint32_t)host;
    HOST->dma_error_hi = (uint32_t)(host >> 32);
    HOST->ctrl = CTRL_TX_ENABLE | CTRL_RX_ENABLE;
    ring_stop(&tx_ring);
    ring_stop(&rx_ring);
    HOST->cause = CAUSE_DMA_ERROR;
}
