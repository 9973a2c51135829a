//! What is observed of AMQP.

fields! {
    OFFERED_VERSION = "amqp.offered_version", "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
        "Version in a protocol header of the client: `0-9-1`, `1.0`, `1.0 sasl`, `1.0 tls`; other headers in hex.";
    SERVER_VERSION = "amqp.server_version", "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
        "Version in a protocol header of the server; before 1.0 it sends one only to refuse.";
    REFUSED = "amqp.refused", "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
        "The server answered with a protocol header of another version than the client's.";
    ACCEPTED = "amqp.accepted", "AMQP 0-9-1 section 4.2.2, AMQP 1.0 part 2 section 2.2",
        "The server went on with the version offered: Connection.Start before 1.0, the same header in 1.0.";
    SERVER_PRODUCT = "amqp.server_product", "AMQP 0-9-1 section 1.4.2.1",
        "Product and version that the server names in Connection.Start: `RabbitMQ 3.10.8`.";
    CLIENT_PRODUCT = "amqp.client_product", "AMQP 0-9-1 section 1.4.2.2",
        "Product and version that the client names in Connection.Start-Ok.";
    MECHANISM_OFFERED = "amqp.mechanism_offered", "AMQP 0-9-1 section 1.4.2.1, AMQP 1.0 part 5 section 3.3.1",
        "SASL mechanism that the server offers.";
    MECHANISM = "amqp.mechanism", "AMQP 0-9-1 section 1.4.2.2, AMQP 1.0 part 5 section 3.3.2",
        "SASL mechanism that the client chose.";
    CREDENTIALS = "amqp.credentials", "RFC 4616; AMQP 0-9-1 section 1.4.2.2, AMQP 1.0 part 5 section 3.3.2",
        "User name and password were sent as they are (PLAIN, AMQPLAIN, LOGIN); they are not kept.";
    SASL_OUTCOME = "amqp.sasl_outcome", "AMQP 1.0 part 5 section 3.3.6",
        "Outcome of SASL in 1.0: 0 success, 1 authentication failed, 2 to 4 system errors.";
    VIRTUAL_HOST = "amqp.virtual_host", "AMQP 0-9-1 section 1.4.2.7, AMQP 1.0 part 2 section 2.7.1",
        "Virtual host that the client opens; the host name in Open of 1.0, where it sends one.";
    CONTAINER = "amqp.container", "AMQP 1.0 part 2 section 2.7.1", "Container identifier in an Open, of either side.";
    OPENED = "amqp.opened", "AMQP 0-9-1 section 1.4.2.8, AMQP 1.0 part 2 section 2.7.1",
        "The server opened the connection (Connection.Open-Ok, its Open in 1.0).";
    HEARTBEAT_OFFERED = "amqp.heartbeat_offered", "AMQP 0-9-1 section 1.4.2.5",
        "Heartbeat period that the server suggests, in seconds; 0 wants none.";
    HEARTBEAT = "amqp.heartbeat", "AMQP 0-9-1 section 1.4.2.6",
        "Heartbeat period that the client settles on, in seconds; 0 is none.";
    CLIENT_IDLE_TIMEOUT = "amqp.client_idle_timeout", "AMQP 1.0 part 2 section 2.4.5",
        "Idle time-out in the client's Open, in milliseconds: the server has to send more often.";
    SERVER_IDLE_TIMEOUT = "amqp.server_idle_timeout", "AMQP 1.0 part 2 section 2.4.5",
        "Idle time-out in the server's Open, in milliseconds: the client has to send more often.";
    CLIENT_HEARTBEATS = "amqp.client_heartbeats", "AMQP 0-9-1 section 4.2.7, AMQP 1.0 part 2 section 2.4.5",
        "Number of heartbeats (1.0: empty frames) from the client, told once, at the end.";
    SERVER_HEARTBEATS = "amqp.server_heartbeats", "AMQP 0-9-1 section 4.2.7, AMQP 1.0 part 2 section 2.4.5",
        "Number of heartbeats (1.0: empty frames) from the server, told once, at the end.";
    CLIENT_HEARTBEAT_PERIOD = "amqp.client_heartbeat_period", "-",
        "Median time between the client's heartbeats, in seconds.";
    SERVER_HEARTBEAT_PERIOD = "amqp.server_heartbeat_period", "-",
        "Median time between the server's heartbeats, in seconds.";
    CLOSED_BY = "amqp.closed_by", "AMQP 0-9-1 section 1.4.2.9, AMQP 1.0 part 2 section 2.7.9",
        "Who closed the connection first: `client`, `server`. Not told where bytes of the other side are missing.";
    CLOSE_CODE = "amqp.close_code", "AMQP 0-9-1 section 1.4.2.9",
        "Reply code with which the connection was closed: 200 success, 320 forced, 403 access refused, 530 not \
         allowed, …";
    CLOSE_ERROR = "amqp.close_error", "AMQP 1.0 part 2 section 2.8.14",
        "Error condition with which the connection was closed in 1.0: `amqp:unauthorized-access`; none where it was \
         closed without error.";
    CLOSE_TEXT = "amqp.close_text", "AMQP 0-9-1 section 1.4.2.9, AMQP 1.0 part 2 section 2.8.14",
        "Text sent with the code or condition, at most 256 bytes.";
    CHANNEL_CLOSE_CODE = "amqp.channel_close_code", "AMQP 0-9-1 section 1.5.2.5",
        "Reply code with which a channel was closed: 404 not found, 406 precondition failed, …";
    ANOMALY = "amqp.anomaly", "AMQP 0-9-1 section 4.2.3, AMQP 1.0 part 2 section 2.3",
        "Bytes that break the protocol: `header`, `frame`, `frame-end`.";
}
