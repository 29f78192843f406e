// SPDX-License-Identifier: Apache-2.0
//
// The card as its program sees it: registers of the local bus. Data sheet: docs/nics/smart.md, sections 6 and 7.

#ifndef CARD_H
#define CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef volatile uint32_t reg32;

// Host registers (7.1): a read gives what the host reads, a write is an action.
struct host_registers {
    reg32 id, ctrl, status, cause, mask, limits, mac_lo, mac_hi;            // 0x00
    reg32 filter, hash_lo, hash_hi, gap_2c[5];                              // 0x20
    reg32 tx_base_lo, tx_base_hi, tx_count, tx_head, tx_tail, gap_54[3];    // 0x40
    reg32 rx_base_lo, rx_base_hi, rx_count, rx_head, rx_tail, gap_74[3];    // 0x60
    reg32 dma_error_lo, dma_error_hi, gap_88[2];                            // 0x80
    reg32 stat_tx, stat_rx, stat_missed, stat_tx_errors;                    // 0x90
    reg32 boot_ctrl, boot_status, image_lo, image_hi, image_length;         // 0xa0
    reg32 host_version, version, capabilities;                              // 0xb4
};

// System (7.2)
struct system_registers {
    reg32 events, mailbox, mailbox_value, sleep, report, time, timer, heartbeat, assertion, acknowledge;
};

// DMA engine (7.3)
struct dma_registers {
    reg32 host_lo, host_hi, local, length, control, status;
};

// Checksums (7.4)
struct checksum_registers {
    reg32 address, length, start, result;
};

// Wire (7.5)
struct wire_registers {
    reg32 tx_address, tx_length, tx_start, tx_status, rx_status, rx_length, rx_done, link;
};

#define HOST ((struct host_registers *)0x40000000u)
#define SYSTEM ((struct system_registers *)0x40001000u)
#define ENGINE ((struct dma_registers *)0x40002000u)
#define CHECKSUM ((struct checksum_registers *)0x40003000u)
#define WIRE ((struct wire_registers *)0x40004000u)
#define WINDOW ((const volatile uint32_t *)0x40010000u)

enum ctrl { CTRL_TX_ENABLE = 1u << 1, CTRL_RX_ENABLE = 1u << 2, CTRL_PAD = 1u << 3 };
enum cause {
    CAUSE_TX_DONE = 1u << 0,
    CAUSE_RX_DONE = 1u << 1,
    CAUSE_RX_NO_DESCRIPTOR = 1u << 2,
    CAUSE_LINK_CHANGE = 1u << 3,
    CAUSE_DMA_ERROR = 1u << 4,
    CAUSE_TX_ERROR = 1u << 5
};
enum filter {
    FILTER_DIRECTED = 1u << 0,
    FILTER_BROADCAST = 1u << 1,
    FILTER_MULTICAST = 1u << 2,
    FILTER_ALL_MULTICAST = 1u << 3,
    FILTER_PROMISCUOUS = 1u << 4
};
enum status { STATUS_TX_ACTIVE = 1u << 2, STATUS_RX_ACTIVE = 1u << 3 };
enum event { EVENT_HOST = 1u << 0, EVENT_RX = 1u << 1, EVENT_TX_FREE = 1u << 2, EVENT_TIMER = 1u << 3, EVENT_LINK = 1u << 4 };
enum report { REPORT_READY = 3, REPORT_STOPPED = 4, REPORT_REFUSED = 5 };
enum checksum { CHECKSUM_INTERNET = 1, CHECKSUM_CRC32 = 2 };
enum tx_status { TX_FREE = 1u << 0, TX_SENT = 1u << 1, TX_REFUSED = 1u << 2, TX_NEVER = 1u << 3 };
enum rx_status { RX_FRAME = 1u << 0, RX_BAD = 1u << 1 };
enum rx_done { RX_STORED, RX_FILTERED, RX_NO_DESCRIPTOR, RX_TOO_LONG, RX_OFF, RX_BROKEN };

#define MAILBOX_EMPTY 0xffffffffu
#define MAILBOX_CTRL 0x04u
#define MAILBOX_TX_TAIL 0x50u
#define MAILBOX_RX_TAIL 0x70u
#define MAILBOX_BOOT_CTRL 0xa0u

#define MINIMUM_FRAME 60u
#define MAXIMUM_FRAME 1514u
#define MAXIMUM_PIECES 8u
#define LONGEST_TRANSFER 4096u

#endif
