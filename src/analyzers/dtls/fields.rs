//! What the DTLS analyzer observes itself; the rest are fields of `tls`.

fields! {
    HELLO_VERIFY = "dtls.hello_verify", "RFC 6347 section 4.2.1",
        "The server made the client prove its address by a cookie (HelloVerifyRequest); DTLS 1.3 does it by \
        `tls.hello_retry`.";
    ANOMALY = "dtls.anomaly", "-",
        "Bytes that break the protocol: `record-header`, `record-length`, `fragment` (a piece of a handshake message \
        that does not fit its message), `message-limit` (more of them ahead than are held).";
}
