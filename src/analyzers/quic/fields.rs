//! What the QUIC analyzer observes itself; the rest are fields of `tls`.

fields! {
    OFFERED_VERSION = "quic.offered_version", "RFC 9000 section 15, RFC 9369",
        "Version of the client's Initial packets, one value each: `1`, `2`, `draft-29`, Google's own as `Q046`, else \
        its number in hex.";
    VERSION = "quic.version", "RFC 9000 section 15, RFC 9368 section 2",
        "Version of the server's Initial packets, which is that of the connection; compatible negotiation makes it \
        another than the client's first.";
    SERVER_VERSION = "quic.server_version", "RFC 9000 section 17.2.1",
        "Version that the server lists in a Version Negotiation packet, one value each, without reserved ones: it did \
        not know the client's.";
    RETRY = "quic.retry", "RFC 9000 section 17.2.5",
        "The server made the client prove its address by a Retry packet, whose integrity tag is right.";
    TOKEN = "quic.token", "RFC 9000 section 8.1.3",
        "The client's first Initial packet had a token that the server gave it on an earlier connection.";
    EARLY_DATA = "quic.early_data", "RFC 9000 section 17.2.3",
        "The client sent 0-RTT packets; whether the server took them is hidden.";
    CLIENT_CLOSE = "quic.client_close", "RFC 9000 sections 19.19 and 20.1",
        "The client closed the connection in an Initial packet: name or number of the error; `crypto_error` is an \
        alert of TLS. Later closes are encrypted.";
    SERVER_CLOSE = "quic.server_close", "RFC 9000 sections 19.19 and 20.1",
        "The server closed the connection in an Initial packet.";
    ANOMALY = "quic.anomaly", "-",
        "Bytes that break the protocol: `packet-header`, `packet-length`, `initial-protection` (an Initial packet that \
        does not open), `retry-integrity`, `frame`, `crypto-limit` (handshake bytes too far ahead), `connections` \
        (more attempts than are followed).";
}
