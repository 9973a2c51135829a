//! What is observed of HTTP.

fields! {
    METHOD = "http.method", "RFC 9110 section 9", "Method of a request.";
    TARGET = "http.target", "RFC 9112 section 3.2",
        "Request target as sent, at most 256 bytes; values of query parameters that carry credentials, and \
        user information, are shown as `*`. Not observed for CONNECT.";
    HOST = "http.host", "RFC 9110 section 7.2",
        "Host header as sent, with its port if there is one; the authority of the target instead, where the \
        target is in absolute form (RFC 9112 section 3.2.2).";
    PROXIED_TO = "http.proxied_to", "RFC 9112 section 3.2.2",
        "Authority of a target in absolute form: what the client wants from a proxy, so not a name of the \
        peer.";
    VERSION = "http.version", "RFC 9112 section 2.3", "Version of a request: `1.0` or `1.1`.";
    USER_AGENT = "http.user_agent", "RFC 9110 section 10.1.5", "User-Agent of a request, at most 256 bytes.";
    AUTHORIZATION = "http.authorization", "RFC 9110 section 11.6.2",
        "Scheme of the credentials in a request, as registered with IANA; `other` for anything unknown, `public` where \
        nothing that it sends is a secret. The credentials themselves are never kept.";
    PROXY_AUTHORIZATION = "http.proxy_authorization", "RFC 9110 section 11.7.2",
        "Scheme of the credentials for a proxy in a request.";
    PROXY_AUTHENTICATE = "http.proxy_authenticate", "RFC 9110 section 11.7.1",
        "Scheme of a challenge with which a proxy asks for credentials, as a rule with status 407.";
    TARGET_CREDENTIAL = "http.target_credential", "RFC 9110 section 17.9",
        "Name of a query parameter of a target that carries a credential, or `userinfo`.";
    COOKIE = "http.cookie", "RFC 6265 section 4.2", "A request carried cookies.";
    SET_COOKIE = "http.set_cookie", "RFC 6265 section 4.1", "A response set cookies.";
    UPGRADE = "http.upgrade", "RFC 9110 section 7.8", "Protocol that a request offers to change to.";
    UPGRADED = "http.upgraded", "RFC 9110 section 15.2.2", "Protocol changed to, with status 101.";
    STATUS = "http.status", "RFC 9110 section 15", "Status code of a response, interim ones (1xx) included.";
    SERVER = "http.server", "RFC 9110 section 10.2.4", "Server header of a response, at most 256 bytes.";
    CONNECT_TARGET = "http.connect.target", "RFC 9110 section 9.3.6",
        "Target of a CONNECT as sent: host and port of the tunnel's far end.";
    CONNECT_STATUS = "http.connect.status", "RFC 9110 section 9.3.6",
        "Final status code of the response to a CONNECT; 2xx opens the tunnel.";
    CONNECT_REFUSED = "http.connect.refused", "RFC 9110 section 9.3.6",
        "Final status code of a CONNECT that opened no tunnel.";
    REQUESTS = "http.requests", "RFC 9112 section 3", "Number of requests, told once, at the end.";
    RESPONSES = "http.responses", "RFC 9112 section 4",
        "Number of final responses (not 1xx, but 101), told once, at the end.";
    UNANSWERED = "http.unanswered", "RFC 9110 section 3.4",
        "Number of requests without a final response when the flow ended; not told where bytes were missed or the \
        server's side was not captured.";
    ANOMALY = "http.anomaly", "RFC 9112 section 11",
        "What breaks the protocol: `bad-head`, `bad-request-line` (spaces in the target), `bad-header`, \
        `head-too-long`, `too-many-headers`, `no-host`, `several-hosts`, `bad-content-length`, \
        `length-and-coding` (Content-Length beside Transfer-Encoding), `bad-transfer-coding`, `bad-chunk`, \
        `too-many-requests` (pipelined, of which none is answered), `unrequested-response`, \
        `unrequested-switch`, `early-switch` (before the end of the request), `unanswered-switch` (the \
        client uses a tunnel or upgrade that was not granted). What depends on the other side is not told where bytes of \
        that are missing.";
}
