// SPDX-License-Identifier: Apache-2.0
//
// The program of the card: it says who it is, then serves mailbox, wire and link for ever, and sleeps in between.
#define FILE_ID 1

#include "card.h"
#include "check.h"
#include "ring.h"
#include "rx.h"
#include "tx.h"

#define VERSION_MAJOR 1u
#define VERSION_MINOR 0u

enum capability { MULTICAST_HASH = 1u << 0, STATISTICS = 1u << 1, COALESCING = 1u << 2, PADDING = 1u << 3, ORDERLY_STOP = 1u << 4 };
#define CAPABILITIES (MULTICAST_HASH | STATISTICS | COALESCING | PADDING | ORDERLY_STOP | MAXIMUM_PIECES << 8)

static void handshake(void)
{
    uint32_t asked = HOST->host_version >> 16;

    HOST->version = VERSION_MAJOR << 16 | VERSION_MINOR;
    HOST->capabilities = CAPABILITIES;
    SYSTEM->report = asked && asked != VERSION_MAJOR ? REPORT_REFUSED : REPORT_READY;
}

// The host wrote CTRL. What it wrote since comes as a word of its own.
static void control(uint32_t wanted)
{
    if (!(wanted & CTRL_TX_ENABLE)) {
        tx_stop();
    } else if (!tx_ring.count) {
        tx_start();
    }
    if (!(wanted & CTRL_RX_ENABLE)) {
        rx_stop();
    } else if (!rx_ring.count && HOST->ctrl & CTRL_RX_ENABLE) { // not if the transmitter failed to start
        rx_start();
    }
}

// Take one word of the host.
static void host_word(void)
{
    uint32_t word = SYSTEM->mailbox, value = SYSTEM->mailbox_value;

    switch (word) {
    case MAILBOX_CTRL:
        control(value);
        break;
    case MAILBOX_TX_TAIL:
        tx_doorbell(value);
        break;
    case MAILBOX_RX_TAIL:
        rx_doorbell(value);
        break;
    case MAILBOX_BOOT_CTRL:
        control(0);
        SYSTEM->report = REPORT_STOPPED;
        break;
    default:
        CHECK(false);
    }
}

void main(void)
{
    handshake();
    for (;;) {
        SYSTEM->sleep = EVENT_HOST | EVENT_RX | EVENT_LINK | (tx_waiting() ? EVENT_TX_FREE : 0);
        SYSTEM->heartbeat = 1;
        uint32_t events = SYSTEM->events;
        if (events & EVENT_HOST) {
            host_word();
        }
        if (events & EVENT_LINK) {
            SYSTEM->acknowledge = EVENT_LINK;
            HOST->cause = CAUSE_LINK_CHANGE;
        }
        if (events & EVENT_RX) {
            rx_frame();
        }
        if (events & EVENT_TX_FREE && tx_waiting()) {
            tx_frame();
        }
    }
}
