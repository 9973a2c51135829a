//! What is observed of MQTT.

fields! {
    CLIENT_PACKETS = "mqtt.client_packets", "MQTT 5.0 section 2.1.2",
        "Type of a control packet from the client, in lower case; `reserved` for type 0 (and 15 before MQTT \
        5).";
    SERVER_PACKETS = "mqtt.server_packets", "MQTT 5.0 section 2.1.2",
        "Type of a control packet from the server, in the same words.";
    CLIENT_PUBLISH_QOS = "mqtt.client_publish_qos", "MQTT 5.0 section 3.3.1.2",
        "QoS of a PUBLISH from the client.";
    SERVER_PUBLISH_QOS = "mqtt.server_publish_qos", "MQTT 5.0 section 3.3.1.2",
        "QoS of a PUBLISH from the server.";
    PROTOCOL_NAME = "mqtt.protocol_name", "MQTT 5.0 section 3.1.2.1",
        "Protocol name in CONNECT: `MQTT`, or `MQIsdp` before 3.1.1.";
    PROTOCOL_LEVEL = "mqtt.protocol_level", "MQTT 5.0 section 3.1.2.2",
        "Protocol level in CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0. Bit 7, with which bridges mark \
        themselves, is left out.";
    BRIDGE = "mqtt.bridge", "mosquitto.conf(5), try_private",
        "The CONNECT comes from a bridge between brokers: bit 7 of its protocol level is set.";
    CLIENT_ID = "mqtt.client_id", "MQTT 5.0 section 3.1.3.1",
        "Client identifier in CONNECT, at most 256 bytes; empty if the server is to assign one.";
    ASSIGNED_CLIENT_ID = "mqtt.assigned_client_id", "MQTT 5.0 section 3.2.2.3.7",
        "Client identifier that the server assigned in CONNACK.";
    KEEP_ALIVE = "mqtt.keep_alive", "MQTT 5.0 section 3.1.2.10",
        "Keep alive in CONNECT, in seconds; 0 is none.";
    SERVER_KEEP_ALIVE = "mqtt.server_keep_alive", "MQTT 5.0 section 3.2.2.3.14",
        "Keep alive that the server demands in CONNACK, in seconds; it takes the place of the client's.";
    CLEAN_START = "mqtt.clean_start", "MQTT 5.0 section 3.1.2.4",
        "CONNECT asks for a new session (Clean Session before MQTT 5).";
    USER_NAME = "mqtt.user_name", "MQTT 5.0 section 3.1.3.5", "CONNECT has a user name; it is not kept.";
    PASSWORD = "mqtt.password", "MQTT 5.0 section 3.1.3.6", "CONNECT has a password; it is not kept.";
    WILL_QOS = "mqtt.will_qos", "MQTT 5.0 section 3.1.2.6", "CONNECT has a will, with this QoS.";
    WILL_RETAIN = "mqtt.will_retain", "MQTT 5.0 section 3.1.2.7",
        "CONNECT has a will, and it is to be retained.";
    CONNACK_CODE = "mqtt.connack_code", "MQTT 5.0 section 3.2.2.2",
        "Code of CONNACK: 0 is accepted; 1 to 5 are refusals of MQTT 3 (section 3.2.2.3 of 3.1.1), 128 and \
        more of MQTT 5.";
    SESSION_PRESENT = "mqtt.session_present", "MQTT 5.0 section 3.2.2.1.1",
        "The server resumed an earlier session.";
    TOPIC = "mqtt.topic", "MQTT 5.0 section 3.3.2.1",
        "Topic of a PUBLISH from either side, at most 256 bytes; only the first 32 different ones of a \
        flow.";
    SUBSCRIPTION = "mqtt.subscription", "MQTT 5.0 section 3.8.3",
        "Topic filter of a SUBSCRIBE, at most 256 bytes; only the first 32 different ones of a flow.";
    SUBSCRIBE_REFUSED = "mqtt.subscribe_refused", "MQTT 5.0 section 3.9.3",
        "Code of a topic filter that a SUBACK refuses: 128 and more.";
    UNSUBSCRIBE_REFUSED = "mqtt.unsubscribe_refused", "MQTT 5.0 section 3.11.3",
        "Reason code of a topic filter that an UNSUBACK refuses (MQTT 5): 128 and more.";
    PUBLISH_REFUSED = "mqtt.publish_refused", "MQTT 5.0 section 3.4.2.1",
        "Reason code of a PUBACK, PUBREC, PUBREL or PUBCOMP that tells of a failure (MQTT 5): 128 and more.";
    CLIENT_DISCONNECT = "mqtt.client_disconnect", "MQTT 5.0 section 3.14.2.1",
        "Reason code of the client's DISCONNECT; 0 (normal) before MQTT 5.";
    SERVER_DISCONNECT = "mqtt.server_disconnect", "MQTT 5.0 section 3.14.2.1",
        "Reason code of the server's DISCONNECT (MQTT 5).";
    PING_PERIOD = "mqtt.ping_period", "MQTT 5.0 section 3.12",
        "Median interval between PINGREQs, told at the end.";
    PING_UNANSWERED = "mqtt.ping_unanswered", "MQTT 5.0 section 3.13",
        "The last PINGREQ was never answered; seen in its frame. Not told where bytes of the server were \
        missed, or nothing of it was captured.";
    LONGEST_CLIENT_GAP = "mqtt.longest_client_gap", "MQTT 5.0 section 3.1.2.10",
        "Longest time from the end of one control packet of the client to the start of its next, told at \
        the end; seen in the frame that ended it.";
    KEEP_ALIVE_MISSED = "mqtt.keep_alive_missed", "MQTT 5.0 section 3.1.2.10",
        "The client was silent for this long, more than one and a half times the keep alive, after which a \
        server closes; seen in the frame of the late packet, or in the last of the flow. Not told where bytes of the \
        client were missed.";
    INCOMPLETE = "mqtt.incomplete", "MQTT 5.0 section 2.1",
        "Side of which control packets were missed, since bytes of it were not captured or make no sense.";
    ANOMALY = "mqtt.anomaly", "MQTT 5.0 section 4.13",
        "What breaks the protocol: `packet-before-connect`, `packet-before-connack`, \
        `connack-without-connect`, `second-connect`, `wrong-direction`, `reserved-type`, `reserved-flags`, \
        `bad-qos`, `duplicate-qos-0`, `bad-remaining-length`, `malformed-packet`, `bad-protocol-name`, \
        `unknown-protocol-level`, `bad-topic`, `packet-identifier-zero`, `password-without-user-name`, \
        `no-topic-filter`, `packet-after-disconnect`.";
}
