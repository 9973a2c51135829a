//! What is observed of WebSocket. The opening handshake is HTTP, so its analyzer observes those
//! fields.

fields! {
    REQUESTED = "websocket.requested", "RFC 6455 section 4.1",
        "A client asked to change from HTTP to WebSocket.";
    ACCEPTED = "websocket.accepted", "RFC 6455 section 4.2.2", "The server agreed, with status 101.";
    REFUSED = "websocket.refused", "RFC 6455 section 4.2.2",
        "Status code of a response that did not agree; 401 and 3xx are an answer too.";
    ACCEPT_MISMATCH = "websocket.accept_mismatch", "RFC 6455 section 4.1",
        "Sec-WebSocket-Accept does not follow from the key of the request, or is missing: a client must \
        fail the connection.";
    VERSION = "websocket.version", "RFC 6455 section 4.1",
        "Sec-WebSocket-Version of the request as sent; 13 is the RFC's.";
    SUBPROTOCOL_OFFERED = "websocket.subprotocol_offered", "RFC 6455 section 1.9",
        "One of the subprotocols that the client offered. A bearer token in it is shown as `*`.";
    SUBPROTOCOL = "websocket.subprotocol", "RFC 6455 section 1.9", "The subprotocol that the server chose.";
    SUBPROTOCOL_CREDENTIAL = "websocket.subprotocol_credential", "RFC 6455 section 10.5",
        "A subprotocol that the client offered carries a bearer token.";
    EXTENSION_OFFERED = "websocket.extension_offered", "RFC 6455 section 9.1",
        "One of the extensions that the client offered, with its parameters.";
    EXTENSION = "websocket.extension", "RFC 6455 section 9.1",
        "An extension that the server chose, with its parameters.";
    OPENED = "websocket.opened", "RFC 6455 section 4.2.2",
        "Time of the server's agreement: the WebSocket's life begins.";
    CLIENT_FRAMES = "websocket.client_frames", "RFC 6455 section 11.8",
        "Opcode of a frame from the client: `text`, `binary`, `continuation`, `close`, `ping`, `pong`, \
        `reserved`.";
    SERVER_FRAMES = "websocket.server_frames", "RFC 6455 section 11.8",
        "Opcode of a frame from the server, in the same words.";
    COMPRESSED = "websocket.compressed", "RFC 7692 section 6",
        "Side that sent a message with bit RSV1: compressed, if that was agreed on (`websocket.extension`), \
        else an error. Its payload is not read.";
    CLIENT_CLOSE_CODE = "websocket.client_close_code", "RFC 6455 section 7.4",
        "Status code in the client's first close frame; not observed if the frame has none.";
    SERVER_CLOSE_CODE = "websocket.server_close_code", "RFC 6455 section 7.4",
        "Status code in the server's first close frame; not observed if the frame has none.";
    CLIENT_CLOSE_REASON = "websocket.client_close_reason", "RFC 6455 section 7.1.6",
        "Reason in the client's first close frame.";
    SERVER_CLOSE_REASON = "websocket.server_close_reason", "RFC 6455 section 7.1.6",
        "Reason in the server's first close frame.";
    CLOSED = "websocket.closed", "RFC 6455 section 7.1.3",
        "Time of the first close frame of either side: the WebSocket's life ends. Not told where an earlier one may be \
        among bytes of the other side that were missed.";
    CLOSED_BY = "websocket.closed_by", "RFC 6455 section 7.1.3",
        "Side that sent the first close frame, as captured: `client` or `server`. Not told where an earlier one may be \
        among bytes of the other side that were missed.";
    CLIENT_PING_PERIOD = "websocket.client_ping_period", "RFC 6455 section 5.5.2",
        "Median interval between pings of the client, told at the end.";
    SERVER_PING_PERIOD = "websocket.server_ping_period", "RFC 6455 section 5.5.2",
        "Median interval between pings of the server, told at the end.";
    PING_UNANSWERED = "websocket.ping_unanswered", "RFC 6455 section 5.5.3",
        "Side whose last ping was followed by neither pong nor close frame of the other; seen in the frame \
        of that ping. Not told where bytes of the other side were missed.";
    INCOMPLETE = "websocket.incomplete", "RFC 6455 section 5.2",
        "Side whose frames cannot be told any more from here on: bytes were missed, or no frame can be so \
        long.";
    ANOMALY = "websocket.anomaly", "RFC 6455 section 5",
        "What breaks the protocol: `request-not-get`, `bad-key`, `subprotocol-not-offered`, \
        `extension-not-offered`; `unmasked-client-frame`, `masked-server-frame`, `reserved-bits` (RSV2, \
        RSV3), `misplaced-rsv1` (on a control or continuation frame), `reserved-opcode`, \
        `fragmented-control-frame`, `long-control-frame` (over 125 bytes), `long-form-length` (not the \
        shortest), `impossible-length` (2^63 and more), `unexpected-continuation`, `interrupted-message`, \
        `bad-close-payload` (one byte), `bad-close-code`, `bad-close-reason` (no UTF-8), \
        `frame-after-close`.";
}
