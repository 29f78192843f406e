# SPDX-License-Identifier: Apache-2.0
"""Rules of NDIS that the library enforces. Texts and sources stand in the rule book."""

from __future__ import annotations

from verifier.rule import Severity, rule

MINIPORT_EXCEPTION = rule(
    "miniport-exception", "mend the handler: on Windows this is a bug check",
    text="A handler of a miniport raises no exception.")
STATE_UNDECLARED = rule(
    "miniport-state-undeclared", "declare the field in the adapter context: state in the miniport object is seen by no check",
    text="State that changes after construction lives in the declared adapter context.", explains=False)
IRQL_RESTORED = rule(
    "irql-restored", "leave the handler at the IRQL at which it was called", also=("init-passive", "halt-passive"),
    text="A handler returns at the IRQL at which it was called.")
TIME_LIMIT = rule("time-limit", "bound every wait by a count and give up with a status", also=("init-no-hang-timeout",))
ROUTINE_IRQL = rule(
    "routine-irql", "call the routine at an IRQL that its page allows, or leave the work to a handler that runs at one",
    text="A routine is called at an IRQL that its documentation allows; for routines that have no rule of their own.")
ROUTINE_CONTEXT = rule(
    "routine-context", "call the routine from a handler that its page names",
    text="A routine is called from a handler that its documentation allows; for routines that have no rule of their own.")

ATTRIBUTES_FIRST = rule("attr5-first", "call NdisMSetAttributesEx before anything that claims hardware")
ATTRIBUTES_ONCE = rule("attr5-once", "set the attributes once")
ATTRIBUTES_NO_IGNORE = rule("attr5-no-ignore", "leave IGNORE_PACKET_TIMEOUT, IGNORE_REQUEST_TIMEOUT and INTERMEDIATE_DRIVER alone")
ATTRIBUTES_SURPRISE = rule("attr5-surprise", "set SURPRISE_REMOVE_OK only from Windows XP on")
ATTRIBUTES_TYPE = rule(
    "attr5-adapter-type", "name the bus on which the NIC was found: NDIS_INTERFACE_PCI for a PCI card, NDIS_INTERFACE_ISA for an ISA card")
ATTRIBUTES_WHERE = rule("attr5-passive-init", "set the attributes in the initialize handler")

PORTS_EXACT = rule("ioport-deregister-exact", "repeat port, count and offset of the registration")
PORTS_INIT = rule("ioport-register-init", "register ports in the initialize handler, after the attributes")
PORTS_AFTER = rule("ioport-no-access-after", "access no port after it was deregistered")
MAP_INIT = rule("iomap-init-only", "map only device memory, in the initialize handler, after the attributes")
UNMAP_EXACT = rule("iomap-unmap-exact", "repeat address and length of the mapping")
RESOURCES_CURRENT = rule(
    "resources-current", "ask NdisMQueryAdapterResources in every initialize: after a rebalance the resources are others",
    text="Addresses, ports and interrupts are those that the system assigned for this initialize.")
MAP_AFTER = rule("iomap-no-access-after", "access no register after it was unmapped")

INIT_RELEASE = rule("init-fail-release-all", "release what was claimed, in reverse order, on every path that fails",
                    also=("shared-free-on-init-fail", "contig-init-fail-release"))
HALT_UNDO = rule("halt-undo-all", "release in halt all that initialize claimed",
                 also=("shared-free-all-at-halt", "mapreg-free-required", "contig-free-before-unload", "config-open-close",
                       "pool-leak-unload"))
HALT_RECEIVES = rule(
    "halt-wait-receives", "wait in halt, with NdisMSleep, until MiniportReturnPacket has brought every indicated packet back")
INIT_FAILED = rule(
    "initialize-failed-without-fault", "initialize has to succeed where no routine failed and the limits can be met", symptom=True)
INIT_STATUS = rule("init-status-set", "return SUCCESS or a failure that the documents name, never PENDING")

SHARED_PASSIVE = rule("shared-alloc-passive", "call NdisMAllocateSharedMemory at PASSIVE_LEVEL, in initialize")
SHARED_INIT_ONLY = rule("shared-alloc-init-only", "allocate in initialize; grow later with NdisMAllocateSharedMemoryAsync")
SHARED_AFTER_DMA = rule(
    "shared-alloc-after-dma-ndis5", "call NdisMAllocateMapRegisters or NdisMInitializeScatterGatherDma first",
    also=("mapreg-alloc-before-shared", "sg5-before-shared"))
SHARED_AFTER_ATTRIBUTES = rule("shared-alloc-after-attributes", "set the attributes first")
SHARED_FREE_EXACT = rule("shared-free-exact", "repeat length, cached flag, virtual and device address of the allocation exactly")
SHARED_FREE_SUBRANGE = rule("shared-free-no-subrange", "free a block as a whole", also=("shared-free-exact",))
SHARED_FREE_TWICE = rule("shared-free-twice", "free a block once; set the pointer to None when it is freed")
SHARED_UPDATE = rule("shared-update-range", "pass a range inside live shared memory of this adapter")
SHARED_FREE_FOREIGN = rule("shared-free-foreign", "free only what NdisMAllocateSharedMemory returned to this adapter")
SHARED_FREE_IRQL = rule(
    "shared-free-irql-xp", "free at DISPATCH_LEVEL, and in halt or a failing initialize at PASSIVE_LEVEL")
SHARED_FREE_IRQL_OTHER = rule("shared-free-irql-w2k", "free at DISPATCH_LEVEL or below")
SHARED_FREE_LENT = rule(
    "shared-free-receive-returned", "free the memory of receive buffers when return_packet has brought every packet back")
SHARED_FREE_SHUTDOWN = rule("shared-free-not-in-shutdown", "only stop the NIC in shutdown: free nothing")
SHARED_FREE_MAPREGS = rule(
    "shared-free-before-mapregs", "free all shared memory first, then the map registers", also=("mapreg-free-after-shared",))
FLUSH_BEFORE_FREE = rule(
    "mmio-flush-before-free", "read a register back after the write that stops the NIC, before memory is freed")
SHARED_NO_POOL_FREE = rule("shared-no-ndisfreememory", "free shared memory with NdisMFreeSharedMemory")
POOL_FREE_MATCH = rule(
    "mem-ndisfreememory-flags", "repeat length and flags of the allocation; 0 flags for NdisAllocateMemoryWithTag", explains=False)
POOL_FREE_IRQL = rule("mem-ndisfreememory-irql", "free pool memory at DISPATCH_LEVEL or below")

MAPREG_WHERE = rule("mapreg-alloc-init-only", "allocate map registers in the initialize handler",
                    also=("mapreg-alloc-passive",))
MAPREG_BUSMASTER = rule(
    "mapreg-alloc-busmaster", "set NDIS_ATTRIBUTE_BUS_MASTER before map registers are asked for; a NIC that is no bus master needs none",
    also=("mapreg-pio-none",))
MAPREG_WIDTH = rule("mapreg-width-enum", "pass NDIS_DMA_24BITS, NDIS_DMA_32BITS or NDIS_DMA_64BITS")
MAPREG_CHANNEL = rule("mapreg-dmachannel-zero", "pass DmaChannel 0 unless the NIC is an ISA bus master")
MAPREG_FREE_CONTEXT = rule("mapreg-free-context", "free map registers in halt or a failing initialize")
MAPREG_FREE_SUCCESS = rule("mapreg-free-after-success", "free map registers once, after they were allocated")
MAPREG_FREE_OPEN = rule(
    "mapreg-free-no-mapping", "complete every mapping before the map registers are freed", also=("mapreg-complete-once",))
MAPREG_INDEX = rule("mapreg-index-range", "number map registers from 0 to the count that was allocated, minus one")
MAPREG_BUSY = rule("mapreg-reuse-after-complete", "complete a map register before it is used again")
MAPREG_START = rule(
    "mapreg-start-after-alloc", "map only between NdisMAllocateMapRegisters and NdisMFreeMapRegisters",
    also=("mapreg-unusable-after-free",))
MAPREG_MATCH = rule("mapreg-complete-match", "complete with the buffer and the index of the start")
MAPREG_MAX = rule("mapreg-max-buffer", "map no buffer longer than MaximumBufferSize")
MAPREG_ONCE = rule("mapreg-complete-once", "complete a mapping once", also=("mapreg-complete-match",))
MAPREG_NOT_24 = rule(
    "mapreg-pci-not-24", "declare NDIS_DMA_32BITS for a PCI NIC that reaches 32 bits: memory below 16 MB is scarce",
    severity=Severity.WARNING)
MAPREG_QUERY_BEFORE = rule(
    "mapreg-query-before", "ask NdisQueryMapRegisterCount in initialize, before map registers are allocated")
MAPREG_QUERY_OBSOLETE = rule(
    "mapreg-query-obsolete", "ask NdisMAllocateMapRegisters for as many as are wanted, and for fewer while it refuses",
    severity=Severity.WARNING)
MAPREG_OR_SG = rule("mapreg-or-sg", "use either map registers or scatter/gather DMA", also=("sg5-no-mapregs",))
MAPREG_START_IRQL = rule("mapreg-start-irql", "start and complete a mapping at DISPATCH_LEVEL or below")
SG_INIT_ONLY = rule("sg5-init-only", "set scatter/gather DMA up in the initialize handler, at PASSIVE_LEVEL")
SG_NOT_24 = rule("sg5-not-24bit", "use map registers for a NIC below 32 address bits")
SG_AFTER_ATTRIBUTES = rule(
    "sg5-after-attributes", "set the attributes, NDIS_ATTRIBUTE_BUS_MASTER among them, before scatter/gather DMA is set up")
SG_VERSION = rule(
    "sg5-version", "use map registers where the miniport is registered as NDIS 4.0", severity=Severity.WARNING)
SG_MAX_MAPPING = rule(
    "sg5-max-mapping", "pass the length of the longest packet as MaximumPhysicalMapping: 1514 bytes with the header")

INT_REGISTER = rule("int-register-init", "register the interrupt in initialize, after the attributes")
INT_READY = rule(
    "init-ready-before-interrupt", "register the interrupt when everything is in place that the ISR touches",
    also=("int-isr-before-return", "miniport-exception"))
INT_ONE = rule("int-one-registration", "register the interrupt once", severity=Severity.WARNING)
INT_WAITS = rule("int-deregister-waits", "deregister the interrupt with no spin lock held: the call waits for the deferred call")
INT_REENABLE = rule(
    "int-dpc-reenable", "let the NIC interrupt again, in enable_interrupt or at the end of handle_interrupt", also=("lost-cause",))
INT_SHARED_ISR = rule("int-shared-needs-isr", "pass RequestIsr TRUE with SharedInterrupt TRUE")
INT_QUIET = rule("int-isr-quiet", "acknowledge or mask the cause in the ISR", also=("init-isr-during-init-ndis5",))
INT_NOT_OURS = rule("int-isr-false-if-not-ours", "say False when this NIC did not interrupt")
INT_DEREGISTER_WHERE = rule("int-deregister-where", "deregister once, in halt or a failing initialize")
INT_DISABLE_FIRST = rule("int-deregister-disable-first", "mask the NIC's interrupts before the interrupt is deregistered",
                         also=("halt-disable-interrupts-first",))
INT_SYNC_AFTER = rule("int-no-sync-after", "synchronize only while the interrupt is registered")
ISR_ONLY_ANY = rule("int-isr-any-irql-only", "call nothing in the ISR but register access and what any IRQL allows")

LOCK_BALANCED = rule("lock-balanced", "release on every path what was acquired")
LOCK_RECURSIVE = rule("lock-not-recursive", "acquire a lock once")
LOCK_IRQL = rule("lock-acquire-irql", "acquire spin locks at DISPATCH_LEVEL or below")
LOCK_RELEASE_IRQL = rule("lock-release-irql", "release at DISPATCH_LEVEL")
LOCK_DPR = rule("lock-dpr-irql", "use the Dpr forms at DISPATCH_LEVEL only")
LOCK_PAIR = rule("lock-pair-kind", "pair Acquire with Release and DprAcquire with DprRelease")
LOCK_LIFO = rule("lock-lifo", "release in reverse order")
LOCK_UPCALL = rule("lock-not-across-upcall", "release the lock before indications and completions")
LOCK_INIT = rule("lock-init-first", "call NdisAllocateSpinLock before the lock is used")
LOCK_FREE = rule("lock-free-at-halt", "free a lock only when nobody holds it")

SLEEP_IRQL = rule("sleep-below-dispatch", "sleep below DISPATCH_LEVEL, at most 30 s")
STALL_LONG = rule("stall-50us", "stall at most 50 microseconds at a time; sleep where the IRQL allows it",
                  also=("reset-stall-limit",))
CONTIG_IRQL = rule("contig-alloc-irql", "allocate contiguous memory at an IRQL that the Windows version allows")
CONTIG_FREE_2008 = rule("contig-free-irql-2008", "free contiguous memory at DISPATCH_LEVEL or below")
CONTIG_FREE_OLD = rule("contig-free-irql-pre2008", "free contiguous memory at APC_LEVEL or below before Server 2008")
CONTIG_FREE_NT4 = rule("contig-free-irql-nt4", "free contiguous memory at PASSIVE_LEVEL on NT 4 and Windows 2000")

SEND_ONCE = rule("send-complete-once", "complete each packet that was left pending, once")
SEND_STATUS = rule("send-status", "return SUCCESS, PENDING or a failure; RESOURCES only from a serialized miniport")
RESOURCES_ANNOUNCED = rule(
    "send-resources-announced", "call NdisMSendResourcesAvailable when packets can be taken again after one was refused")
STATUS_COMPLETE = rule("status-complete-follows", "call NdisMIndicateStatusComplete after the last NdisMIndicateStatus")
FRAME_LOST = rule(
    "frame-lost-without-fault", "follow the frame through ring and interrupts: it has to arrive when nothing fails", symptom=True)
LOST_CAUSE = rule(
    "lost-cause", "serve every cause that was acknowledged, and look at the ring again after the acknowledge", symptom=True)
NO_TRAFFIC = rule("init-no-protocol-traffic", "indicate nothing before initialize has returned")
RECEIVE_OWN = rule("receive-own-until-return", "leave an indicated packet alone until it is returned")
OID_ONCE = rule("oid-complete-once", "complete a request that was left pending once, before halt returns, and no other")
OID_CURRENT = rule("oid-complete-current", "complete a query with NdisMQueryInformationComplete, a set with NdisMSetInformationComplete")
OID_STATUS = rule("oid-status-set", "complete a request with its final status, never NDIS_STATUS_PENDING")
RESET_STATUS = rule("reset-status", "return SUCCESS, PENDING, RESET_IN_PROGRESS, SOFT_ERRORS, HARD_ERRORS or NOT_RESETTABLE")
RESET_PENDING_WORK = rule(
    "reset-complete-pending-work", "complete every packet before the reset is complete; only of a serialized miniport NDIS takes them back",
    also=("send-complete-once",))
RESET_ONCE = rule("reset-complete-once", "call NdisMResetComplete once after a reset that returned NDIS_STATUS_PENDING, and never else")
RESET_COMPLETE_IRQL = rule("reset-complete-irql", "call NdisMResetComplete at DISPATCH_LEVEL")
RESET_LOCK = rule("reset-complete-no-lock", "release spin locks before NdisMResetComplete", also=("lock-not-across-upcall",))
TRANSFER_ONCE = rule(
    "transfer-complete-once", "call NdisMTransferDataComplete once for each transfer that was left pending")
LOOKAHEAD = rule(
    "receive-lookahead", "show the header, and at least as many bytes behind it as the packet has or the protocol wants to see")
RECEIVE_COMPLETE = rule(
    "receive-indications-complete", "call NdisMEthIndicateReceiveComplete after the last NdisMEthIndicateReceive of a handler")
OID_BUFFER = rule("oid-buffer-bound", "write no more than the request's buffer holds; tell the bytes needed")
QUIESCE = rule("shutdown-interrupts-off", "mask the NIC's interrupts in shutdown",
               also=("shutdown-quiesce",), text="After the shutdown handler the NIC pulls no interrupt line.")
SURPRISE_POLL = rule("surprise-all-ones", "leave a loop that reads all ones: the card is gone",
                     also=("time-limit", "halt-surprise-removed", "surprise-remove-ok-flag"))
SURPRISE_NOTE = rule(
    "surprise-note", "remember in pnp_event_notify that the card is gone, and fail what comes down afterwards", severity=Severity.WARNING)
SHUTDOWN_ANY_IRQL = rule("shutdown-any-irql", "call in shutdown only what is allowed at any IRQL: it runs at HIGH_LEVEL in a bug check")
WITHOUT_RESOURCES = rule(
    "init-success-without-resources", "let initialize fail, or do without, when a step failed", also=("miniport-exception",))
REGISTER_HANDLERS = rule(
    "miniport-characteristics", "supply the handlers that NDIS 5 makes mandatory")
RECEIVE_STATUS = rule("receive-status", "set NDIS_STATUS_SUCCESS or NDIS_STATUS_RESOURCES in each packet before it is indicated")
TRAFFIC_AFTER_FAULT = rule(
    "traffic-after-fault", "undo what the failed step had begun, so that the next frame finds ring, packets and locks in order; a card "
    "that stands still needs check_for_hang and reset",
    symptom=True, text="Frames that are sent and received after a fault that is over arrive.")
FRAME_CHANGED = rule("frame-changed-without-fault", "find the store or the transfer that changed the bytes", symptom=True,
                     text="A frame arrives with the bytes with which it was sent, but for zero padding to 60 bytes.")
HANDLER_RESULT = rule("handler-result", "return what the handler's documentation says (docs/write-a-miniport.md)")
