// SPDX-License-Identifier: Apache-2.0
#define FILE_ID 6

#include "filter.h"

#define ADDRESS_BYTES 6u

// Bit of the multicast table for the destination in the window: the top six bits of its Ethernet CRC.
static uint32_t multicast_hash(void)
{
    CHECKSUM->address = (uint32_t)WINDOW;
    CHECKSUM->length = ADDRESS_BYTES;
    CHECKSUM->start = CHECKSUM_CRC32;
    return CHECKSUM->result >> 26;
}

bool filter_wants(void)
{
    uint32_t accept = HOST->filter, low = WINDOW[0], high = WINDOW[1] & 0xffff, bit;

    if (accept & FILTER_PROMISCUOUS) {
        return true;
    }
    if (low == 0xffffffff && high == 0xffff) {
        return accept & FILTER_BROADCAST;
    }
    if (low & 1) {
        if (accept & FILTER_ALL_MULTICAST || !(accept & FILTER_MULTICAST)) {
            return accept & FILTER_ALL_MULTICAST;
        }
        bit = multicast_hash();
        return (bit & 32 ? HOST->hash_hi : HOST->hash_lo) >> (bit & 31) & 1;
    }
    return accept & FILTER_DIRECTED && low == HOST->mac_lo && high == HOST->mac_hi;
}
