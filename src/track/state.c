#include "track/state.h"

struct cell {
    uint8_t next;
    const char *why; /* NULL: the event changes nothing here, see no_effect */
};

#define S(name) LA_ST_##name

/* clang-format off */
/* What an event without a cell of its own leaves as it is, and why. */
static const char *const no_effect[LA_EV_COUNT] = {
    [LA_EV_SEND_SYN] = "a SYN sent again, or one whose connection is already known to be open",
    [LA_EV_SEND_SYN_ACK] = "a SYN-ACK sent again: the request is still the same",
    [LA_EV_SEND_FIN] = "a FIN is sent once; what repeats it is no new close",
    [LA_EV_SEND_RST] = "no socket here that a RST would end",
    [LA_EV_RECV_SYN] = "the same SYN again, or a host that has not answered it (a listener makes a request only when it answers)",
    [LA_EV_RECV_SYN_ACK] = "a SYN-ACK again, or one that fits nothing here: answered with an ACK or a RST",
    [LA_EV_RECV_ACK_OF_SYN] = "our SYN is acknowledged already",
    [LA_EV_RECV_FIN] = "a FIN that this state cannot take (RFC 9293, 3.10.7.4, eighth step)",
    [LA_EV_RECV_ACK_OF_FIN] = "our FIN is acknowledged already, or was never seen",
    [LA_EV_RECV_FIN_WITH_ACK_OF_FIN] = "a FIN that this state cannot take",
    [LA_EV_RECV_RST] = "no socket here that a RST would end",
    [LA_EV_RECV_RST_IGNORED] = "not exactly what is expected next, or ignored by rule (RFC 5961, 3.2; RFC 1337)",
    [LA_EV_RECV_FIN_AGAIN] = "a FIN already taken is only acknowledged again (RFC 9293, 3.10.7.4)",
    [LA_EV_RECV_SYN_HELD] = "a SYN over a held 4-tuple draws a challenge ACK and changes nothing (RFC 5961, 4.2)",
    [LA_EV_RECV_SYN_OLDER] = "a SYN older than what is remembered draws an ACK (RFC 7323, 5.3)",
    [LA_EV_RECV_SYN_REUSE] = "only TIME-WAIT hands a 4-tuple over",
    [LA_EV_RECV_SYN_REFUSED] = "only a request and an orphan FIN-WAIT-2 refuse a SYN with RST|ACK",
    [LA_EV_RECV_UNREACHABLE] = "a soft error: a connection that exists goes on (RFC 1122, 4.2.3.9; RFC 5461)",
    [LA_EV_TIMER] = "no timer ends this state",
    [LA_EV_TAKEN_OVER] = "nothing left to take over",
};

static const struct cell cells[LA_ST_COUNT][LA_EV_COUNT] = {
    [S(CLOSED)] = {
        [LA_EV_SEND_SYN]     = {S(SYN_SENT), "active open (RFC 9293, 3.10.1)"},
        [LA_EV_SEND_SYN_ACK] = {S(SYN_RECV), "a listener answered a SYN: the request exists from here (RFC 9293, 3.10.7.2)"},
    },
    [S(LISTEN)] = {
        [LA_EV_SEND_SYN]     = {S(SYN_SENT), "active open from LISTEN (RFC 9293, 3.10.1)"},
        [LA_EV_SEND_SYN_ACK] = {S(SYN_RECV), "a SYN was answered (RFC 9293, 3.10.7.2)"},
        [LA_EV_TAKEN_OVER]   = {S(CLOSED), "the host used the 4-tuple itself"},
    },
    [S(SYN_SENT)] = {
        [LA_EV_SEND_SYN_ACK]    = {S(SYN_RECV), "SYNs crossed: simultaneous open (RFC 9293, 3.5)"},
        [LA_EV_SEND_RST]        = {S(SYN_SENT), "it answers a bad ACK, and the attempt goes on (RFC 9293, 3.10.7.3)"},
        [LA_EV_RECV_SYN]        = {S(SYN_RECV), "SYNs crossed: simultaneous open (RFC 9293, 3.5)"},
        [LA_EV_RECV_SYN_ACK]    = {S(ESTAB), "our SYN is acknowledged (RFC 9293, 3.10.7.3)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "refused (RFC 9293, 3.10.7.3)"},
        [LA_EV_RECV_UNREACHABLE] = {S(CLOSED), "given up at an ICMP error, as Linux does (RFC 5461, 2.2)"},
        [LA_EV_TIMER]           = {S(CLOSED), "SYN retries exhausted (RFC 9293, 3.8.3)"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "the attempt was given up: its 4-tuple opens anew"},
    },
    [S(SYN_RECV)] = {
        [LA_EV_SEND_FIN]        = {S(FIN_WAIT_1), "closed before the handshake was through (RFC 9293, 3.10.4)"},
        [LA_EV_SEND_RST]        = {S(CLOSED), "the request was dropped"},
        [LA_EV_RECV_SYN_ACK]    = {S(ESTAB), "simultaneous open: our SYN is acknowledged (RFC 9293, 3.5)"},
        [LA_EV_RECV_ACK_OF_SYN] = {S(ESTAB), "the handshake is complete (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_FIN]        = {S(CLOSE_WAIT), "FIN with the handshake's ACK (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "the opener withdrew (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_SYN_REFUSED] = {S(CLOSED), "another SYN in the window: RST|ACK, request dropped"},
        [LA_EV_TIMER]           = {S(CLOSED), "SYN-ACK retries exhausted"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "the 4-tuple opens anew"},
    },
    [S(ESTAB)] = {
        [LA_EV_SEND_FIN]        = {S(FIN_WAIT_1), "active close (RFC 9293, 3.6)"},
        [LA_EV_SEND_RST]        = {S(CLOSED), "aborted, or its state was lost (RFC 9293, 3.10.5)"},
        [LA_EV_RECV_FIN]        = {S(CLOSE_WAIT), "the peer closed (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "reset by the peer (RFC 9293, 3.10.7.4)"},
        [LA_EV_TIMER]           = {S(CLOSED), "retransmissions or keepalive probes exhausted (RFC 9293, 3.8.3)"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "its host lost it and opens the 4-tuple anew"},
    },
    [S(FIN_WAIT_1)] = {
        [LA_EV_SEND_RST]        = {S(CLOSED), "data after close, an abort, or state already gone"},
        [LA_EV_RECV_FIN]        = {S(CLOSING), "FINs crossed: simultaneous close (RFC 9293, 3.6)"},
        [LA_EV_RECV_ACK_OF_FIN] = {S(FIN_WAIT_2), "our FIN is acknowledged (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_FIN_WITH_ACK_OF_FIN] = {S(TIME_WAIT), "one segment acknowledges our FIN and brings theirs (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "reset by the peer"},
        [LA_EV_TIMER]           = {S(CLOSED), "FIN retries of an orphan exhausted"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "its host lost it and opens the 4-tuple anew"},
    },
    [S(FIN_WAIT_2)] = {
        [LA_EV_SEND_RST]        = {S(CLOSED), "a late segment met a socket that was gone, or data after close"},
        [LA_EV_RECV_FIN]        = {S(TIME_WAIT), "the peer closed too (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_FIN_WITH_ACK_OF_FIN] = {S(TIME_WAIT), "the peer closed too (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "reset by the peer"},
        [LA_EV_RECV_SYN_REFUSED] = {S(CLOSED), "an orphan: a SYN in the window draws RST|ACK and ends it"},
        [LA_EV_TIMER]           = {S(CLOSED), "an orphan waits for the peer's FIN only so long"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "its host lost it and opens the 4-tuple anew"},
    },
    [S(CLOSE_WAIT)] = {
        [LA_EV_SEND_FIN]        = {S(LAST_ACK), "passive close (RFC 9293, 3.10.4)"},
        [LA_EV_SEND_RST]        = {S(CLOSED), "aborted (RFC 9293, 3.10.5)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "reset by the peer"},
        [LA_EV_TIMER]           = {S(CLOSED), "retransmissions exhausted"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "its host lost it and opens the 4-tuple anew"},
    },
    [S(LAST_ACK)] = {
        [LA_EV_SEND_RST]        = {S(CLOSED), "a bare RST: the socket was gone already"},
        [LA_EV_RECV_ACK_OF_FIN] = {S(CLOSED), "our FIN is acknowledged (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_FIN_WITH_ACK_OF_FIN] = {S(CLOSED), "our FIN is acknowledged (by a repeated FIN)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "reset by the peer"},
        [LA_EV_TIMER]           = {S(CLOSED), "FIN retries exhausted, silently"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "its host lost it and opens the 4-tuple anew"},
    },
    [S(CLOSING)] = {
        [LA_EV_SEND_RST]        = {S(CLOSED), "state already gone"},
        [LA_EV_RECV_ACK_OF_FIN] = {S(TIME_WAIT), "our FIN is acknowledged (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_FIN_WITH_ACK_OF_FIN] = {S(TIME_WAIT), "our FIN is acknowledged (by a repeated FIN)"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "reset by the peer"},
        [LA_EV_TIMER]           = {S(CLOSED), "FIN retries exhausted"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "its host lost it and opens the 4-tuple anew"},
    },
    [S(TIME_WAIT)] = {
        [LA_EV_SEND_RST]        = {S(CLOSED), "a bare RST: TIME-WAIT was over already"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "an exact RST ends TIME-WAIT (RFC 1337; tcp_rfc1337=0)"},
        [LA_EV_RECV_FIN_AGAIN]  = {S(TIME_WAIT), "acknowledged again; the 2MSL start anew (RFC 9293, 3.10.7.4)"},
        [LA_EV_RECV_SYN_OLDER]  = {S(TIME_WAIT), "refused with an ACK; the 2MSL start anew (RFC 7323, 5.3)"},
        [LA_EV_RECV_SYN_REUSE]  = {S(CLOSED), "an acceptable SYN takes the 4-tuple over (RFC 9293, 3.10.7.4; RFC 6191)"},
        [LA_EV_TIMER]           = {S(CLOSED), "2MSL are over (RFC 9293, 3.10.8)"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "its host reuses the 4-tuple for a new connection (RFC 6191)"},
    },
    [S(UNKNOWN)] = {
        [LA_EV_SEND_SYN]        = {S(SYN_SENT), "active open (RFC 9293, 3.10.1)"},
        [LA_EV_SEND_SYN_ACK]    = {S(SYN_RECV), "a SYN was answered (RFC 9293, 3.10.7.2)"},
        [LA_EV_SEND_FIN]        = {S(UNKNOWN), "FIN-WAIT-1, CLOSING or LAST-ACK: nothing tells which"},
        [LA_EV_SEND_RST]        = {S(CLOSED), "aborted, or its state was lost"},
        [LA_EV_RECV_FIN]        = {S(UNKNOWN), "CLOSE-WAIT, CLOSING or TIME-WAIT: nothing tells which"},
        [LA_EV_RECV_ACK_OF_FIN] = {S(UNKNOWN), "FIN-WAIT-2, TIME-WAIT or CLOSED: nothing tells which"},
        [LA_EV_RECV_FIN_WITH_ACK_OF_FIN] = {S(UNKNOWN), "TIME-WAIT or CLOSED: nothing tells which"},
        [LA_EV_RECV_RST]        = {S(CLOSED), "reset by the peer"},
        [LA_EV_TIMER]           = {S(CLOSED), "whatever it was, its timers have run out"},
        [LA_EV_TAKEN_OVER]      = {S(CLOSED), "the 4-tuple opens anew"},
    },
};
/* clang-format on */

enum la_state la_state_next(enum la_state state, enum la_event event) {
    const struct cell *cell = &cells[state][event];
    return cell->why ? (enum la_state)cell->next : state;
}

const char *la_state_why(enum la_state state, enum la_event event) {
    const struct cell *cell = &cells[state][event];
    return cell->why ? cell->why : no_effect[event];
}

const char *la_state_name(enum la_state state) {
    static const char *const names[LA_ST_COUNT] = {
        "CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECV", "ESTAB",     "FIN-WAIT-1",
        "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING",  "TIME-WAIT", "UNKNOWN"};
    return names[state];
}

const char *la_event_name(enum la_event event) {
    static const char *const names[LA_EV_COUNT] = {"send-syn",
                                                   "send-syn-ack",
                                                   "send-fin",
                                                   "send-rst",
                                                   "recv-syn",
                                                   "recv-syn-ack",
                                                   "recv-ack-of-syn",
                                                   "recv-fin",
                                                   "recv-ack-of-fin",
                                                   "recv-fin-with-ack-of-fin",
                                                   "recv-rst",
                                                   "recv-rst-ignored",
                                                   "recv-fin-again",
                                                   "recv-syn-held",
                                                   "recv-syn-older",
                                                   "recv-syn-reuse",
                                                   "recv-syn-refused",
                                                   "recv-unreachable",
                                                   "timer",
                                                   "taken-over"};
    return names[event];
}
