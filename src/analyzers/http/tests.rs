//! Byte examples are those of RFC 9112, RFC 9110 and RFC 6455 where they have one.

use super::*;
use crate::analyzers::ProbeInput;
use crate::analyzers::testing::{
    Session, Step, client, every_cut, every_truncation, server, single_bytes, survives_noise,
};
use crate::model::Transport;

fn run(steps: &[Step]) -> Session {
    Session::run(&DEFINITION, steps)
}

fn probed(bytes: &[u8]) -> Probe {
    let (src_port, dst_port) = (50_000, 12_345);
    probe::probe(&ProbeInput { bytes, transport: Transport::Tcp, src_port, dst_port, at_start: true })
}

fn pairs(session: &Session, name: &str) -> Vec<(String, u64)> {
    session.values(name)
}

fn one(value: &str) -> Vec<(String, u64)> {
    vec![(value.to_owned(), 1)]
}

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

/// Pipelined requests with bodies of every kind, and their responses.
fn conversation() -> Vec<Step> {
    vec![
        client(
            "GET /a HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/7.64.1\r\n\r\nHEAD /b HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
        ),
        client(
            "POST /c?token=x HTTP/1.1\r\nHost: www.example.com\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\nT: v\r\n\r\n",
        ),
        client(
            "PUT /d HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 10\r\nCookie: a=b\r\nExpect: 100-continue\r\n\r\n",
        ),
        server(
            "HTTP/1.1 200 OK\r\nServer: Apache\r\nContent-Length: 51\r\n\r\nHello World! My content includes a trailing CRLF.\r\n",
        ),
        server(
            "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        server("HTTP/1.1 100 Continue\r\n\r\n"),
        client("0123456789"),
        server("HTTP/1.1 204 No Content\r\nSet-Cookie: a=c\r\nContent-Length: 5\r\n\r\n"),
        client("OPTIONS * HTTP/1.0\r\n\r\n"),
        server("HTTP/1.0 404 Not Found\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end"),
    ]
}

#[test]
fn bodies_are_told_from_messages() {
    let session = run(&conversation());
    assert_eq!(
        session.list(),
        [
            "http.cookie=yes x1",
            "http.host=www.example.com x4",
            "http.method=GET x1",
            "http.method=HEAD x1",
            "http.method=OPTIONS x1",
            "http.method=POST x1",
            "http.method=PUT x1",
            "http.requests=5 x1",
            "http.responses=5 x1",
            "http.server=Apache x1",
            "http.set_cookie=yes x1",
            "http.status=100 x1",
            "http.status=200 x3",
            "http.status=204 x1",
            "http.status=404 x1",
            "http.target=* x1",
            "http.target=/a x1",
            "http.target=/b x1",
            "http.target=/c?token=* x1",
            "http.target=/d x1",
            "http.target_credential=token x1",
            "http.user_agent=curl/7.64.1 x1",
            "http.version=1.0 x1",
            "http.version=1.1 x4",
        ]
    );
}

#[test]
fn facts_do_not_depend_on_how_the_streams_are_cut() {
    let mut upgrade =
        vec![client(HANDSHAKE), client([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58])];
    upgrade.push(server([AGREED.as_bytes(), &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]].concat()));
    for steps in [conversation(), upgrade] {
        let expected = run(&steps).list();
        assert!(!expected.is_empty());
        assert_eq!(run(&single_bytes(&steps)).list(), expected);
        for cut in every_cut(&steps) {
            assert_eq!(run(&cut).list(), expected);
        }
    }
}

#[test]
fn every_truncation_and_noise_are_survived() {
    every_truncation(&conversation()).for_each(|steps| drop(run(&steps)));
    survives_noise(&DEFINITION, &conversation());
    let refused = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    let connect = "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n";
    survives_noise(&DEFINITION, &[client(connect), server(refused), client(HANDSHAKE), server(AGREED)]);
}

#[test]
fn the_websocket_handshake_of_rfc_6455_hands_over_with_what_was_sent_early() {
    let early = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    let greeting = [AGREED.as_bytes(), &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]].concat();
    let session = run(&[client(HANDSHAKE), client(early), server(greeting).at(1500), server([0x8a, 0x00])]);
    assert_eq!(session.services, ["http", "websocket"]);
    assert_eq!(
        session.list(),
        [
            "http.host=server.example.com x1",
            "http.method=GET x1",
            "http.requests=1 x1",
            "http.responses=1 x1",
            "http.status=101 x1",
            "http.target=/chat x1",
            "http.upgrade=websocket x1",
            "http.upgraded=websocket x1",
            "http.version=1.1 x1",
            "websocket.accepted=yes x1",
            "websocket.client_frames=text x1",
            "websocket.opened=1970-01-01T00:00:01.500000Z x1",
            "websocket.requested=yes x1",
            "websocket.server_frames=pong x1",
            "websocket.server_frames=text x1",
            "websocket.subprotocol=chat x1",
            "websocket.subprotocol_offered=chat x1",
            "websocket.subprotocol_offered=superchat x1",
            "websocket.version=13 x1",
        ]
    );
}

#[test]
fn a_websocket_agreement_that_does_not_fit_the_request_is_reported() {
    let wrong = AGREED
        .replace("s3pP", "S3pP")
        .replace("Protocol: chat", "Protocol: mqtt\r\nSec-WebSocket-Extensions: x");
    let session = run(&[client(HANDSHAKE), server(wrong)]);
    assert_eq!(pairs(&session, "websocket.accept_mismatch"), one("yes"));
    assert_eq!(
        pairs(&session, "websocket.anomaly"),
        [("subprotocol-not-offered".to_owned(), 1), ("extension-not-offered".to_owned(), 1)]
    );
    let keyless = HANDSHAKE.replace("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: short").replace("GET", "POST");
    let session = run(&[client(keyless)]);
    assert_eq!(
        pairs(&session, "websocket.anomaly"),
        [("request-not-get".to_owned(), 1), ("bad-key".to_owned(), 1)]
    );
    assert_eq!(pairs(&session, "http.unanswered"), one("1"));
}

#[test]
fn a_refused_websocket_leaves_http_going() {
    let next = "GET /login HTTP/1.1\r\nHost: a\r\n\r\n";
    let steps = [
        client(HANDSHAKE),
        client(next),
        server(
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
    ];
    let session = run(&steps);
    assert_eq!(session.services, ["http"]);
    assert_eq!(pairs(&session, "websocket.refused"), one("403"));
    assert_eq!(pairs(&session, "http.target"), [("/chat".to_owned(), 1), ("/login".to_owned(), 1)]);
    assert_eq!(pairs(&session, "http.anomaly"), []);
    assert_eq!(pairs(&session, "http.unanswered"), []);
}

#[test]
fn a_tunnel_is_opened_after_a_refusal_and_its_content_recognised() {
    let connect = "CONNECT broker.example:1883 HTTP/1.1\r\nHost: broker.example:1883\r\n\r\n";
    let authorised = connect.replace("\r\n\r\n", "\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
    let packet =
        [&[0x10, 0x0d, 0x00, 0x04][..], b"MQTT", &[0x04, 0x02, 0x00, 0x3c, 0x00, 0x01, b'a']].concat();
    let steps = [
        client(connect),
        server(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\n\
             Proxy-Authenticate: Negotiate\r\nContent-Length: 2\r\n\r\nno",
        ),
        client(authorised),
        client(packet),
        server(
            [&b"HTTP/1.0 200 Connection established\r\nContent-Length: 9\r\n\r\n"[..], &[0x20, 2, 0, 0]]
                .concat(),
        ),
    ];
    let session = run(&steps);
    assert_eq!(session.services, ["http", "mqtt"]);
    assert_eq!(pairs(&session, "http.connect.target"), [("broker.example:1883".to_owned(), 2)]);
    assert_eq!(pairs(&session, "http.connect.status"), [("407".to_owned(), 1), ("200".to_owned(), 1)]);
    assert_eq!(pairs(&session, "http.connect.refused"), one("407"));
    assert_eq!(pairs(&session, "http.proxy_authorization"), one("Basic"));
    let challenges = [("Basic".to_owned(), 1), ("Negotiate".to_owned(), 1)];
    assert_eq!(pairs(&session, "http.proxy_authenticate"), challenges);
    assert_eq!(pairs(&session, "mqtt.client_id"), one("a"));
    assert_eq!(pairs(&session, "mqtt.server_packets"), one("connack"));
    assert_eq!(pairs(&session, "http.target"), []);
    for cut in every_cut(&steps) {
        assert_eq!(run(&cut).list(), session.list());
    }
}

#[test]
fn a_tunnel_of_which_only_the_client_was_captured_is_looked_into_at_the_end() {
    let packet =
        [&[0x10, 0x0d, 0x00, 0x04][..], b"MQTT", &[0x04, 0x02, 0x00, 0x3c, 0x00, 0x01, b'a']].concat();
    let connect = "CONNECT broker.example:1883 HTTP/1.1\r\nHost: broker.example:1883\r\n\r\n";
    let session = run(&[client(connect), client(&packet)]);
    assert_eq!(session.services, ["http", "mqtt"]);
    assert_eq!(pairs(&session, "http.anomaly"), one("unanswered-switch"));
    let mut steps = vec![client(connect), client(&packet)];
    steps.extend((0..70).map(|_| client(vec![0x30; 1024])));
    assert_eq!(run(&steps).services, ["http", "mqtt"]);
}

#[test]
fn held_requests_without_an_answer_are_requests() {
    let many = HANDSHAKE.replace("/chat", "/c").repeat(1200);
    let session = run(&[client(&many)]);
    assert_eq!(pairs(&session, "http.requests"), one("1200"));
    let mut steps = vec![client(HANDSHAKE)];
    steps.extend(std::iter::repeat_n(client("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), 3000));
    assert_eq!(pairs(&run(&steps), "http.target")[1], ("/x".to_owned(), 3000));
}

#[test]
fn all_requests_that_nobody_answers_are_counted_behind_an_upgrade_too() {
    let get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    for (sent, unanswered) in [
        (get.repeat(3), "3"),
        (format!("{HANDSHAKE}{}", get.repeat(3)), "4"),
        (format!("{get}{HANDSHAKE}{get}{HANDSHAKE}{get}"), "5"),
        (format!("{get}{HANDSHAKE}\u{1}\u{2}"), "2"),
    ] {
        let session = run(&[client(&sent)]);
        assert_eq!(pairs(&session, "http.requests"), one(unanswered));
        assert_eq!(pairs(&session, "http.unanswered"), one(unanswered));
    }
}

#[test]
fn an_upgrade_to_http2_is_observed_and_followed() {
    let session = run(&[
        client(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n",
        ),
        server(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
        client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ]);
    assert_eq!(session.services, ["http", "http2"]);
    assert_eq!(pairs(&session, "http.upgraded"), one("h2c"));
}

#[test]
fn broken_framing_is_reported() {
    let post = |fields: &str| client(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
    for (step, word) in [
        (post("Content-Length: 1\r\nContent-Length: 2"), "bad-content-length"),
        (post("Content-Length: -1"), "bad-content-length"),
        (post("Content-Length: 3\r\nTransfer-Encoding: chunked"), "length-and-coding"),
        (post("Transfer-Encoding: gzip"), "bad-transfer-coding"),
        (client("GET / HTTP/1.1\r\n\r\n"), "no-host"),
        (client("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "several-hosts"),
        (client("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"), "bad-header"),
        (client("CONNECT mail.example:25 / HTTP/1.0\r\nMozilla 4.0 (MSIE)\r\n\r\n"), "bad-request-line"),
        (client("GET / HTTP/7.1\r\nHost: a\r\n\r\n"), "bad-head"),
        (client(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(200))), "too-many-headers"),
        (client("a".repeat(70_000)), "head-too-long"),
        (client("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nq\r\n"), "bad-chunk"),
        (server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "unrequested-response"),
    ] {
        assert_eq!(pairs(&run(std::slice::from_ref(&step)), "http.anomaly"), one(word), "{step:?}");
    }
    let late = server("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(pairs(&run(&[late]), "http.anomaly"), []);
}

#[test]
fn gaps_in_bodies_are_counted_past_and_others_end_at_the_next_message() {
    let get = |path: &str| client(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let session = run(&[
        get("/1"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        Step::Gap(Role::Server, 1000, 0),
        get("/2"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"),
        Step::Gap(Role::Server, 5000, 0),
        server("defHTTP/1.1 200 OK"),
        Step::Gap(Role::Client, 5000, 0),
        client("Content-Type: x\r\n\r\n"),
        get("/3"),
        server("HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(pairs(&session, "http.requests"), one("3"));
    assert_eq!(pairs(&session, "http.status"), [("200".to_owned(), 2), ("206".to_owned(), 1)]);
    assert_eq!(pairs(&session, "http.anomaly"), []);
}

#[test]
fn heads_cut_by_the_snap_length_are_read_as_far_as_they_go() {
    let key = "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgr";
    let session = run(&[
        client("CONNECT a:443 HTTP/1.1\r\nUser-Ag"),
        Step::Gap(Role::Client, 100, 0),
        server("HTTP/1.1 407 Proxy Authentication Required\r\nConte"),
        Step::Gap(Role::Server, 100, 0),
        client(key),
        Step::Gap(Role::Client, 100, 0),
        server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConn"),
        Step::Gap(Role::Server, 100, 0),
        client([0x89, 0x80, 0, 0, 0, 0]),
    ]);
    assert_eq!(session.services, ["http", "websocket"]);
    assert_eq!(pairs(&session, "http.connect.target"), one("a:443"));
    assert_eq!(pairs(&session, "http.connect.refused"), one("407"));
    assert_eq!(pairs(&session, "http.target"), one("/ws"));
    assert_eq!(pairs(&session, "websocket.accepted"), one("yes"));
    assert_eq!(pairs(&session, "websocket.client_frames"), one("ping"));
    for absent in ["http.anomaly", "websocket.anomaly", "websocket.accept_mismatch", "http.unanswered"] {
        assert_eq!(pairs(&session, absent), [], "{absent}");
    }
}

#[test]
fn a_flow_joined_in_the_middle_begins_with_its_first_message() {
    let mut session = Session::new(&DEFINITION, false);
    for step in [
        client("half of a body\r\n\r\n"),
        server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        client("GE"),
        client("T /next HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        session.step(&step);
    }
    session.end();
    assert_eq!(pairs(&session, "http.target"), one("/next"));
    assert_eq!(pairs(&session, "http.status"), one("200"));
    assert_eq!(pairs(&session, "http.anomaly"), []);
}

#[test]
fn a_proxied_request_names_the_far_end() {
    let session = run(&[client(
        "GET http://u:p@www.example.org:8080/pub?x=1 HTTP/1.1\r\nHost: proxy\r\nAuthorization: secret-without-scheme\r\n\r\n",
    )]);
    assert_eq!(pairs(&session, "http.proxied_to"), one("www.example.org:8080"));
    assert_eq!(pairs(&session, "http.host"), one("www.example.org:8080"));
    assert_eq!(pairs(&session, "http.target"), one("http://*@www.example.org:8080/pub?x=1"));
    assert_eq!(pairs(&session, "http.target_credential"), one("userinfo"));
    assert_eq!(pairs(&session, "http.authorization"), one("other"));
}

#[test]
fn first_lines_are_recognised_and_those_of_other_protocols_are_not() {
    for (bytes, role) in [
        (&b"GET / HTTP/1.1\r\n"[..], Role::Client),
        (b"\r\nM-SEARCH * HTTP/1.1\r\n", Role::Client),
        (b"FROB /x HTTP/1.0\n", Role::Client),
        (b"HTTP/1.1 200", Role::Server),
    ] {
        assert_eq!(probed(bytes), Probe::Certainly(role));
        // `GET /` is enough: the rest may be cut by the snap length.
        let enough = if bytes.starts_with(b"GET /") { 5 } else { bytes.len() };
        for cut in 0..enough {
            assert_eq!(probed(&bytes[..cut]), Probe::More, "{cut}");
        }
    }
    assert_eq!(probed(&[b"GET /".as_slice(), &[b'a'; 2000]].concat()), Probe::Certainly(Role::Client));
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2 Debian\r\n"[..],
        b"EHLO mail.example\r\n",
        b"220 mail.example ESMTP\r\n",
        b"OPTIONS rtsp://a/ RTSP/1.0\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"HTTP/2 200 ",
        b"\x16\x03\x01",
        b"\x10\x0d\0\x04MQTT",
        b"AMQP\0\0\x09\x01",
        b" / HTTP/1.1\r\n",
    ] {
        assert_eq!(probed(bytes), Probe::No, "{bytes:?}");
    }
}

#[test]
fn what_the_other_side_did_not_say_is_not_known_where_its_bytes_are_missing() {
    let asked = client("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    let told = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(pairs(&run(std::slice::from_ref(&asked)), "http.unanswered"), one("1"));
    assert_eq!(pairs(&run(&[asked, Step::Lacks(Role::Server)]), "http.unanswered"), []);
    assert_eq!(pairs(&run(std::slice::from_ref(&told)), "http.anomaly"), one("unrequested-response"));
    assert_eq!(pairs(&run(&[told.clone(), Step::Lacks(Role::Client)]), "http.anomaly"), []);
    // The request is missed only when later bytes of the client come.
    let session = run(&[told, Step::Gap(Role::Client, 9, 0), client("body")]);
    assert_eq!(pairs(&session, "http.anomaly"), []);
    // The server granted the upgrade in bytes that are missing, and goes on anywhere in its frames.
    let frame = client(b"\x82\x81\0\0\0\0x");
    for missing in
        [vec![Step::Lacks(Role::Server)], vec![Step::Gap(Role::Server, 99, 0), server(b"\x82\x01x")]]
    {
        let session = run(&[vec![client(HANDSHAKE), frame.clone()], missing].concat());
        assert_eq!(session.services, ["http", "websocket"]);
        assert_eq!(pairs(&session, "http.anomaly"), []);
        assert_eq!(pairs(&session, "http.unanswered"), []);
        assert_eq!(pairs(&session, "websocket.incomplete"), one("server"));
    }
}

#[test]
fn a_response_captured_before_its_request_is_its_answer() {
    let get = |at| Step::Data(Role::Client, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), at);
    let head = Step::Data(Role::Client, b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 0);
    let told = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let long = server("HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n");
    // Of those that follow, each answer belongs to its own request: that to HEAD has no body.
    for steps in [
        vec![told.clone(), get(0), head.clone(), long.clone(), get(0), told.clone()],
        vec![long.clone(), head, get(0), told.clone()],
        vec![told.clone(), get(60)],
    ] {
        let session = run(&steps);
        for absent in ["http.anomaly", "http.unanswered"] {
            assert_eq!(pairs(&session, absent), [], "{absent} {steps:?}");
        }
        assert_eq!(pairs(&session, "http.requests"), pairs(&session, "http.responses"));
    }
    let session = run(&[told.clone(), get(0), told]);
    assert_eq!(pairs(&session, "http.anomaly"), one("unrequested-response"));
}

#[test]
fn after_a_gap_an_answer_is_not_compared_with_another_request() {
    let other =
        HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==").replace("chat, ", "");
    let session = run(&[
        client(&other),
        // Its refusal is not in the capture, and the client asks once more.
        Step::Gap(Role::Server, 50, 0),
        client(HANDSHAKE),
        server(AGREED),
        client(b"\x82\x81\0\0\0\0x"),
    ]);
    assert_eq!(session.services, ["http", "websocket"]);
    assert_eq!(pairs(&session, "http.requests"), one("2"));
    for absent in ["http.anomaly", "websocket.anomaly", "websocket.accept_mismatch", "http.unanswered"] {
        assert_eq!(pairs(&session, absent), [], "{absent}");
    }
    assert_eq!(pairs(&session, "websocket.client_frames"), one("binary"));
}
