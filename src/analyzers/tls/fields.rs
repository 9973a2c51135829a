//! What the TLS analyzer observes.

use crate::model::Field;

/// Defines the statics and the list of them: name, identifier, source, meaning.
macro_rules! fields {
    ($($name:ident = $id:literal, $source:literal, $doc:literal;)+) => {
        $(
            #[doc = $doc]
            pub static $name: Field = Field { name: $id, doc: $doc, source: $source };
        )+

        /// Everything the TLS analyzer observes.
        pub static FIELDS: &[&Field] = &[$(&$name),+];
    };
}

fields! {
    // ---- ClientHello: what the client offers.
    SNI = "tls.sni", "RFC 6066 section 3",
        "Server name that the client asks for, as sent. With ECH it is the public name of the outer hello.";
    OFFERED_VERSION = "tls.offered_version", "RFC 8446 sections 4.1.2 and 4.2.1",
        "Version the client offers, as on the wire (0x0303 is TLS 1.2, 0xfefd DTLS 1.2), one value each: \
        those of supported_versions without GREASE, else legacy_version, the highest.";
    OFFERED_SUITE = "tls.offered_suite", "RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2",
        "Code point of a cipher suite that the client offers, one value each, in its order; without GREASE \
        and signalling values; at most 256.";
    OFFERED_SSL2_CIPHER = "tls.offered_ssl2_cipher", "draft-hickman-netscape-ssl-00 section 2.6",
        "Three-byte SSLv2 cipher kind in an SSLv2-format ClientHello, one value each; those that stand for \
        a TLS suite are in `tls.offered_suite` instead.";
    OFFERED_GROUP = "tls.offered_group", "RFC 8446 section 4.2.7, RFC 8422 section 5.1.1",
        "Code point of a group or curve that the client supports, one value each, in its order, without \
        GREASE.";
    OFFERED_KEY_SHARE = "tls.offered_key_share", "RFC 8446 section 4.2.8",
        "Code point of a group for which the client sends its half of the key exchange at once, one value each, in its \
        order, without GREASE.";
    OFFERED_SIGNATURE = "tls.offered_signature", "RFC 8446 section 4.2.3, RFC 5246 section 7.4.1.4.1",
        "Code points of the signature schemes that the client accepts, in its order, without GREASE, as one value: \
        `0x0403 0x0804`.";
    OFFERED_CERTIFICATE_SIGNATURE = "tls.offered_certificate_signature", "RFC 8446 section 4.2.3",
        "The same for signatures in certificates, where the client says so apart (signature_algorithms_cert).";
    OFFERED_ALPN = "tls.offered_alpn", "RFC 7301 section 3.1",
        "Application protocol that the client offers, one value each, without GREASE.";
    OFFERED_COMPRESSION = "tls.offered_compression", "RFC 5246 section 7.4.1.2, RFC 3749",
        "Compression method other than null that the client offers, one value each (1 is DEFLATE).";
    OFFERED_EXTENDED_MASTER_SECRET = "tls.offered_extended_master_secret", "RFC 7627 section 5.1",
        "The client offers extended_master_secret.";
    OFFERED_ENCRYPT_THEN_MAC = "tls.offered_encrypt_then_mac", "RFC 7366 section 2",
        "The client offers encrypt_then_mac.";
    OFFERED_OCSP = "tls.offered_ocsp", "RFC 6066 section 8, RFC 6961 section 2.2",
        "The client asks the server to staple proof that its certificate is not revoked (status_request or \
        status_request_v2).";
    OFFERED_RENEGOTIATION_INFO = "tls.offered_renegotiation_info", "RFC 5746 sections 3.3 and 3.4",
        "The client signals secure renegotiation: `extension` or `scsv`.";
    OFFERED_TICKET = "tls.offered_ticket", "RFC 5077 section 3.2",
        "session_ticket extension: `empty` (support only) or `presented` (a ticket of an earlier \
        connection).";
    OFFERED_PSK = "tls.offered_psk", "RFC 8446 section 4.2.11",
        "The client offers a pre-shared key, in TLS 1.3 mostly the resumption of an earlier connection.";
    OFFERED_PSK_MODE = "tls.offered_psk_mode", "RFC 8446 section 4.2.9",
        "How the client would use a pre-shared key, one value each: `psk_dhe_ke` (with a key exchange beside it), `psk_ke` \
        (without), else its number.";
    EARLY_DATA = "tls.early_data", "RFC 8446 section 4.2.10",
        "The client offers early data (0-RTT); whether it sent any and what became of it is in `tls.early_data_sent` and \
        `tls.early_data_answer`.";
    EARLY_DATA_SENT = "tls.early_data_sent", "RFC 8446 section 2.3",
        "A record of early data was sent before the server's hello.";
    EARLY_DATA_ANSWER = "tls.early_data_answer", "RFC 8446 sections 4.2.10 and 4.5",
        "What the server did with early data: `rejected` (it chose another version or no pre-shared key, or sent a \
        HelloRetryRequest), or, inferred: `probably-accepted` (the record before the client's Finished has the size of \
        EndOfEarlyData), `probably-rejected` (it has not).";
    ECH = "tls.ech", "draft-ietf-tls-esni section 5",
        "Encrypted client hello: `outer` (real or GREASE, they look the same: `tls.sni` may not be the true name), `inner` \
        (the true hello, in the clear behind the server that opened it), `esni` (the extension of drafts before 7, which \
        hides the name alone), `malformed`.";
    ECH_CONFIG = "tls.ech_config", "draft-ietf-tls-esni sections 4 and 5",
        "Number of the key that an outer hello is encrypted to; to be compared with the `ech` of the HTTPS record of DNS.";
    ECH_ANSWER = "tls.ech_answer", "draft-ietf-tls-esni sections 7.1 and 7.2",
        "What became of the encrypted hello: `rejected` (the server chose a version before TLS 1.3, or its \
        HelloRetryRequest has no confirmation), `confirmed-or-grease` (that has one, which only the client can check), \
        `unknown` (the confirmation is within the server's random, and looks like any other).";
    JA3 = "tls.ja3", "salesforce/ja3",
        "JA3 fingerprint of the ClientHello: MD5 of version, suites, extensions, groups and point formats in their order. One \
        value each where a second hello differs.";
    JA4 = "tls.ja4", "FoxIO technical_details/JA4.md",
        "JA4 fingerprint of the ClientHello: version, server name, counts and application protocol in the clear, then \
        hashes of the sorted suites and extensions. One value each where a second hello differs.";
    GREASE = "tls.grease", "RFC 8701 section 3",
        "The client sends reserved values to keep servers tolerant; they are left out of all lists here.";
    FALLBACK_SCSV = "tls.fallback_scsv", "RFC 7507 section 4",
        "The client says that it repeats the attempt with a lower version than it supports.";
    SSL2_HELLO = "tls.ssl2_hello", "RFC 5246 appendix E.2, RFC 6176",
        "The ClientHello has the SSLv2 format.";

    // ---- ServerHello and ServerKeyExchange: what was agreed on.
    VERSION = "tls.version", "RFC 8446 section 4.1.3",
        "Negotiated version as on the wire (0x0304 is TLS 1.3, 0xfefd DTLS 1.2, 0x0002 SSLv2): \
        supported_versions of the final ServerHello, else its legacy_version.";
    SUITE = "tls.suite", "RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3",
        "Code point of the negotiated cipher suite.";
    GROUP = "tls.group", "RFC 8446 section 4.2.8, RFC 8422 section 5.4",
        "Code point of the group of the key exchange: key_share of TLS 1.3, named curve of \
        ServerKeyExchange before; 0xff01 and 0xff02 are explicit curves.";
    DH_BITS = "tls.dh_bits", "RFC 5246 section 7.4.3",
        "Size of the prime of a finite-field Diffie-Hellman key exchange before TLS 1.3, in bits.";
    KEY_EXCHANGE_SIGNATURE = "tls.key_exchange_signature", "RFC 5246 section 7.4.3",
        "Signature scheme (hash, signature) with which the server signed its key exchange, or in TLS 1.3, where it \
        was decrypted, the handshake (CertificateVerify).";
    ALPN = "tls.alpn", "RFC 7301 section 3.1",
        "Application protocol that the server chose; in TLS 1.3 only where it was decrypted.";
    COMPRESSION = "tls.compression", "RFC 5246 section 7.4.1.3, RFC 3749",
        "Compression method that the server chose, if not null.";
    EXTENDED_MASTER_SECRET = "tls.extended_master_secret", "RFC 7627 section 5.1",
        "The server agreed to extended_master_secret; TLS 1.3 always has what it gives and does not say so.";
    ENCRYPT_THEN_MAC = "tls.encrypt_then_mac", "RFC 7366 section 2",
        "The server agreed to encrypt_then_mac; matters for CBC suites.";
    TRUNCATED_HMAC = "tls.truncated_hmac", "RFC 6066 section 7",
        "The server agreed to truncated_hmac.";
    HEARTBEAT = "tls.heartbeat", "RFC 6520 section 2",
        "The server agreed to heartbeats: mode 1 (it may be sent requests) or 2 (it must not).";
    SECURE_RENEGOTIATION = "tls.secure_renegotiation", "RFC 5746 section 3.6",
        "The server answered renegotiation_info.";
    HELLO_RETRY = "tls.hello_retry", "RFC 8446 section 4.1.4",
        "The server sent a HelloRetryRequest; the client's second hello counts once more in its facts.";
    HELLO_RETRY_GROUP = "tls.hello_retry_group", "RFC 8446 section 4.2.8",
        "Code point of the group that the HelloRetryRequest asks for.";
    JA3S = "tls.ja3s", "salesforce/ja3",
        "JA3S fingerprint of the final ServerHello: MD5 of legacy_version, suite and extensions in their order.";
    OCSP = "tls.ocsp", "RFC 6066 section 8",
        "Proof that the server's certificate is not revoked: `agreed` (the server will staple it), `stapled` (it did); \
        hidden in TLS 1.3.";
    PSK_HINT = "tls.psk_hint", "RFC 4279 section 2",
        "Hint with which the server helps the client to choose its pre-shared key, before TLS 1.3.";
    PSK_IDENTITY = "tls.psk_identity", "RFC 4279 section 2, RFC 8446 section 4.2.11",
        "Name under which the client's pre-shared key is known (not the key). Of TLS 1.3 where the server \
        took a key that is no ticket (its age is zero), if its name can be shown.";
    PSK_ONLY = "tls.psk_only", "RFC 8446 section 4.2.9",
        "A TLS 1.3 pre-shared key was accepted without a key exchange beside it: no forward secrecy.";

    // ---- Sessions.
    RESUMED = "tls.resumed", "RFC 5246 section 7.3, RFC 5077 section 3.1, RFC 8446 section 2.2",
        "The handshake resumed an earlier session, so there is no certificate: `session-id`, `ticket`, or \
        `psk` (TLS 1.3; an external key only looks the same if its client gives it an age). Before TLS 1.3 only where the client's hello was captured.";
    SESSION_ISSUED = "tls.session_issued", "RFC 5246 section 7.4.1.3, RFC 5077 section 3.3",
        "Key of a session that can be resumed later: `id:` and the session identifier, or `ticket:` and the \
        start of the ticket's SHA-256, in hex. Before TLS 1.3 only; a session identifier only where the client's hello, \
        which may have brought it, was captured.";
    SESSION_RESUMED = "tls.session_resumed", "RFC 5246 section 7.4.1.3, RFC 5077 section 3.4",
        "Key of the session that was resumed, to be found as `tls.session_issued` in an earlier connection; TLS 1.3 encrypts \
        tickets when it issues them, so the selected ticket shows only that two connections used the same.";
    TICKET_LIFETIME = "tls.ticket_lifetime", "RFC 5077 section 3.3",
        "How long the server says that its ticket can be used; zero is not said, and not observed.";
    RENEGOTIATION = "tls.renegotiation", "RFC 5246 section 7.4.1.1, RFC 5746",
        "A further handshake in the same connection, each counted once. It is encrypted, so this is inferred from whose \
        handshake records come when: `requested` (the server speaks while no handshake is going on), `started` (the \
        client does), `completed` (both have changed keys and finished). After a gap only that one more was started.";

    // ---- The server's certificate.
    CERTIFICATE = "tls.certificate", "RFC 5246 section 7.4.2",
        "Whether the server's certificate is visible: `visible`, `encrypted` (TLS 1.3), `resumed` (none is \
        sent), `none` (neither the suite nor an external pre-shared key needs one), `unreadable` (also one that is compressed, RFC 8879).";
    CERTIFICATE_SUBJECT = "tls.certificate_subject", "RFC 5280 section 4.1.2.6, RFC 4514",
        "Subject of the server's certificate, most specific part first: `CN=example.com,O=Example`.";
    CERTIFICATE_CN = "tls.certificate_cn", "RFC 5280 section 4.1.2.6",
        "Common name in the subject of the server's certificate, one value each.";
    CERTIFICATE_DNS = "tls.certificate_dns", "RFC 5280 section 4.2.1.6",
        "DNS name that the server's certificate is for (subjectAltName), as written, one value each; at \
        most 256.";
    CERTIFICATE_IP = "tls.certificate_ip", "RFC 5280 section 4.2.1.6",
        "Address that the server's certificate is for (subjectAltName), one value each.";
    CERTIFICATE_EMAIL = "tls.certificate_email", "RFC 5280 section 4.2.1.6",
        "Mail address that the server's certificate is for (subjectAltName), one value each.";
    CERTIFICATE_URI = "tls.certificate_uri", "RFC 5280 section 4.2.1.6",
        "URI that the server's certificate is for (subjectAltName), one value each.";
    CERTIFICATE_OTHER_NAME = "tls.certificate_other_name", "RFC 5280 section 4.2.1.6",
        "Any other name that the server's certificate is for, with its kind: `othername:` with object identifier and, if it \
        is text, value; `dirname:`, `registered-id:`, `x400`, `ediparty`, or `malformed:` and a tag.";
    CERTIFICATE_MUD_URL = "tls.certificate_mud_url", "RFC 8520 section 11",
        "Where the server's certificate says that the manufacturer's usage description is.";
    CERTIFICATE_MUST_STAPLE = "tls.certificate_must_staple", "RFC 7633 section 4",
        "The server's certificate says that it is not to be trusted without a stapled proof of its validity.";
    CERTIFICATE_ISSUER = "tls.certificate_issuer", "RFC 5280 section 4.1.2.4, RFC 4514",
        "Issuer of the server's certificate, most specific part first.";
    CERTIFICATE_ISSUER_O = "tls.certificate_issuer_o", "RFC 5280 section 4.1.2.4",
        "Organisation in the issuer of the server's certificate.";
    CERTIFICATE_ISSUER_CN = "tls.certificate_issuer_cn", "RFC 5280 section 4.1.2.4",
        "Common name in the issuer of the server's certificate.";
    CERTIFICATE_KEY_TYPE = "tls.certificate_key_type", "RFC 5280 section 4.1.2.7",
        "Type of the server's public key: `rsa`, `rsa-pss`, `dsa`, `dh`, `ec`, `ed25519`, `ed448`, \
        `ml-dsa`, else its object identifier.";
    CERTIFICATE_KEY_BITS = "tls.certificate_key_bits", "RFC 5280 section 4.1.2.7, RFC 3279 section 2.3",
        "Size of the server's public key in bits: RSA modulus, DSA and DH prime, field of the curve.";
    CERTIFICATE_CURVE = "tls.certificate_curve", "RFC 5480 section 2.1.1.1",
        "Curve of the server's key as OpenSSL names it (`prime256v1` is P-256), else its object identifier, or `explicit`.";
    CERTIFICATE_SIGNATURE = "tls.certificate_signature", "RFC 5280 section 4.1.1.2",
        "Algorithm that signed the server's certificate, as OpenSSL prints it: `sha256WithRSAEncryption`; \
        else its object identifier.";
    CERTIFICATE_HASH = "tls.certificate_hash", "RFC 5280 section 4.1.1.2, RFC 4055 section 3.1",
        "Hash of that signature: `md2`, `md5`, `sha1`, `sha224`, `sha256`, `sha384`, `sha512`, `sm3`; \
        absent for algorithms with a hash of their own.";
    CERTIFICATE_NOT_BEFORE = "tls.certificate_not_before", "RFC 5280 section 4.1.2.5",
        "Begin of the validity of the server's certificate.";
    CERTIFICATE_NOT_AFTER = "tls.certificate_not_after", "RFC 5280 section 4.1.2.5",
        "End of the validity of the server's certificate; later than year 2262 is shown as that.";
    CERTIFICATE_VALIDITY = "tls.certificate_validity", "RFC 5280 section 4.1.2.5",
        "The same at the time of the packet: `valid`, `expired`, `not-yet-valid`.";
    CERTIFICATE_SELF_SIGNED = "tls.certificate_self_signed", "RFC 5280 section 3.2",
        "Issuer and subject of the server's certificate are the same (the signature itself is not verified).";
    SPKI_SHA256 = "tls.spki_sha256", "RFC 7469 section 2.4",
        "SHA-256 of the server's SubjectPublicKeyInfo in lower-case hex: what pins name.";
    CHAIN_LENGTH = "tls.chain_length", "RFC 5246 section 7.4.2",
        "Certificates that the server sent, its own included.";
    CHAIN_ORDER = "tls.chain_order", "RFC 5246 section 7.4.2",
        "Whether each certificate of the server's chain is issued by the name of the next: `right`, `wrong`, `unknown` (one \
        of them is not readable). Not observed of a single one.";
    CHAIN_ISSUER = "tls.chain_issuer", "RFC 5280 section 4.1.2.4",
        "Issuer of a further certificate of the server's chain, one value each; the first eight \
        certificates are read.";
    CHAIN_SIGNATURE = "tls.chain_signature", "RFC 5280 section 4.1.1.2",
        "Algorithm that signed a further certificate of the chain, one value each; of self-signed ones it \
        does not matter and is left out.";
    CHAIN_KEY = "tls.chain_key", "RFC 5280 section 4.1.2.7",
        "Key of a further certificate of the chain: `rsa 2048`, one value each.";

    // ---- The client's certificate.
    CERTIFICATE_REQUESTED = "tls.certificate_requested", "RFC 5246 section 7.4.4",
        "The server asked for the client's certificate; in TLS 1.3 only where it was decrypted.";
    CLIENT_CERTIFICATE = "tls.client_certificate", "RFC 5246 section 7.4.6",
        "The client's answer: `sent`, `empty`, `unreadable`; in TLS 1.3 only where it was decrypted.";
    CLIENT_VERIFIED = "tls.client_verified", "RFC 5246 section 7.4.8",
        "The client proved possession of its key (CertificateVerify); in TLS 1.3 only where it was decrypted.";
    CLIENT_SUBJECT = "tls.client_subject", "RFC 5280 section 4.1.2.6, RFC 4514",
        "Subject of the client's certificate.";
    CLIENT_CN = "tls.client_cn", "RFC 5280 section 4.1.2.6",
        "Common name in the subject of the client's certificate, one value each.";
    CLIENT_NAME = "tls.client_name", "RFC 5280 section 4.2.1.6",
        "Any name that the client's certificate is for (subjectAltName), with its kind: `dns:`, `ip:`, `email:`, `uri:`, else \
        as in `tls.certificate_other_name`.";
    CLIENT_MUD_URL = "tls.client_mud_url", "RFC 8520 section 11",
        "Where the client's certificate says that the manufacturer's usage description is.";
    CLIENT_ISSUER = "tls.client_issuer", "RFC 5280 section 4.1.2.4, RFC 4514",
        "Issuer of the client's certificate.";
    CLIENT_KEY_TYPE = "tls.client_key_type", "RFC 5280 section 4.1.2.7",
        "Type of the client's public key, as for the server's.";
    CLIENT_KEY_BITS = "tls.client_key_bits", "RFC 5280 section 4.1.2.7",
        "Size of the client's public key in bits.";
    CLIENT_CURVE = "tls.client_curve", "RFC 5480 section 2.1.1.1",
        "Curve of the client's key, as for the server's.";
    CLIENT_SPKI_SHA256 = "tls.client_spki_sha256", "RFC 7469 section 2.4",
        "SHA-256 of the client's SubjectPublicKeyInfo in lower-case hex.";
    CLIENT_SIGNATURE = "tls.client_signature", "RFC 5280 section 4.1.1.2",
        "Algorithm that signed the client's certificate.";
    CLIENT_HASH = "tls.client_hash", "RFC 5280 section 4.1.1.2",
        "Hash of that signature.";
    CLIENT_NOT_BEFORE = "tls.client_not_before", "RFC 5280 section 4.1.2.5",
        "Begin of the validity of the client's certificate.";
    CLIENT_NOT_AFTER = "tls.client_not_after", "RFC 5280 section 4.1.2.5",
        "End of the validity of the client's certificate.";
    CLIENT_VALIDITY = "tls.client_validity", "RFC 5280 section 4.1.2.5",
        "The same at the time of the packet: `valid`, `expired`, `not-yet-valid`.";
    CLIENT_SELF_SIGNED = "tls.client_self_signed", "RFC 5280 section 3.2",
        "Issuer and subject of the client's certificate are the same.";

    // ---- Course and end.
    HANDSHAKE_COMPLETED = "tls.handshake_completed", "RFC 5246 section 7.3, RFC 8446 section 2",
        "Both sides finished, at the time of this observation. Before TLS 1.3: an encrypted handshake \
        record from both after ChangeCipherSpec. TLS 1.3, where it was decrypted: the client's Finished; else \
        inferred: a record of the client long enough for a Finished, after encrypted records of the server. \
        DTLS before 1.3: a record with new keys from both. DTLS 1.3 and QUIC, inferred: the client uses the keys \
        for data, after encrypted handshake records or packets of the server.";
    HANDSHAKE_FAILED = "tls.handshake_failed", "RFC 8446 section 6.2",
        "What ended the handshake, if all of it was captured, or if it was an alert in the clear, which nobody sends who \
        has finished: `client-alert`, `server-alert` (which one is in the alert facts), \
        `client-encrypted-alert`, `server-encrypted-alert` (which one is hidden); where TLS 1.3 was decrypted also \
        `server-alert` for what a server answers to a client that has finished; `client-close`, \
        `server-close` (of QUIC, see `quic.client_close`); or `not-tls`: the server's first bytes were \
        something else.";
    HANDSHAKE_UNFINISHED = "tls.handshake_unfinished", "RFC 5246 section 7.3",
        "The flow, or the capture, ended before the handshake did, without an alert, and no bytes of either side are known \
        to be missing. How far it came: \
        `client-hello` (the server never answered it), `server-hello`, `server-flight`, `client-flight`.";
    HANDSHAKE_INCOMPLETE = "tls.handshake_incomplete", "-",
        "The capture does not hold the whole handshake: `midstream`, `gap`, `one-sided`, `framing` (bytes \
        that are no records). What is not observed then may have happened; what is, after a gap, was read where records \
        go on.";
    APPLICATION_DATA = "tls.application_data", "RFC 5246 section 10, RFC 8446 section 5.2",
        "First application data, at the time of this observation. TLS 1.3: the client's first record after \
        the one that completed the handshake; with client authentication that can still be its handshake. Midstream: \
        the first that cannot be of the handshake of TLS 1.3.";
    CLIENT_FATAL_ALERT = "tls.client_fatal_alert", "RFC 8446 section 6, RFC 5246 section 7.2",
        "Alert of level fatal from the client, in the clear or decrypted: `unknown_ca`, or its number.";
    CLIENT_WARNING_ALERT = "tls.client_warning_alert", "RFC 8446 section 6, RFC 5246 section 7.2",
        "Alert of level warning from the client, in the clear or decrypted.";
    SERVER_FATAL_ALERT = "tls.server_fatal_alert", "RFC 8446 section 6, RFC 5246 section 7.2",
        "Alert of level fatal from the server, in the clear or decrypted.";
    SERVER_WARNING_ALERT = "tls.server_warning_alert", "RFC 8446 section 6, RFC 5246 section 7.2",
        "Alert of level warning from the server, in the clear or decrypted.";
    CLOSING_ALERT = "tls.closing_alert", "RFC 5246 section 7.2.1",
        "Encrypted alert record before TLS 1.3, from `client` or `server`: close_notify or an error, which \
        is hidden.";
    PROBABLE_CLOSE_NOTIFY = "tls.probable_close_notify", "RFC 8446 sections 5.2 and 6.1",
        "TLS 1.3: the last record of `client` or `server` has the size of an alert and no earlier one had, \
        so it is hardly a message of two bytes such as an MQTT ping; or the client's last two have, unanswered, as an \
        MQTT DISCONNECT and an alert. Compare with the time of the FIN: without it the FIN is bare.";
    PROBABLE_REJECTION = "tls.probable_rejection", "RFC 8446 sections 4.4.2.4 and 6.2",
        "TLS 1.3: the only record of the server after the client's Finished has the size of an alert, and \
        the client sent no data: it refused the client's certificate, or closed at once.";
    HEARTBEAT_OVERREAD = "tls.heartbeat_overread", "RFC 6520 section 4",
        "A heartbeat in the clear, from `client` or `server`, announces more payload than its record holds \
        (CVE-2014-0160).";
    DECRYPTION = "tls.decryption", "NSS key log format, RFC 5246 section 6.2.3, RFC 8446 section 5.2",
        "Where the user holds secrets (`--keylog`, or in the capture): `decrypted` (what is told of the inside \
        was seen there); `no-keys` (none of this connection); `keys-not-fitting` (they open nothing); `gap` (bytes \
        that were not captured; what follows may still be opened); `broken` (a record does not open, nor what \
        follows of that direction); `unsupported` (version, suite or compression). Without secrets: absent.";
    RECORD_VERSION = "tls.record_version", "RFC 8446 section 5.1",
        "Version in the record headers of a connection whose handshake is not in the capture; 0x0303 stands \
        for TLS 1.2 and 1.3.";
    // ---- What is inside, as far as lengths and times of records give it away.
    INSIDE = "tls.inside", "inferred: RFC 8446 appendix E.3, RFC 6455 section 5.2, MQTT 5.0 section 3.12",
        "Inferred, never seen: what the encryption hides looks like `mqtt`, `websocket` (whatever is in it) or \
        `http` (any version). Nothing is said where that is not clear. `tls.inside_score` says how clear it \
        is, `tls.inside_features` from what.";
    INSIDE_SCORE = "tls.inside_score", "inferred",
        "How well the features fit, 60 to 95 of 100: not a probability. From 80 on it rests on several that \
        little else shares.";
    INSIDE_FEATURES = "tls.inside_features", "inferred",
        "What the inference rests on, one value each. Numbers are bytes of content, computed from the length of \
        records and what the suite adds to it.";
    INSIDE_KEEP_ALIVE = "tls.inside_keep_alive", "inferred: MQTT 5.0 section 3.1.2.10, RFC 6455 section 5.5.2",
        "Time between short exchanges of the same lengths (pings), seconds: about the keep alive, or the part of it after \
        which the client pings. Said also where what is inside has no name.";
    ANOMALY = "tls.anomaly", "-",
        "Bytes that break the protocol: `record-header`, `malformed-hello`, `malformed-extension`, \
        `malformed-certificate`, `malformed-key-exchange`, `oversized-message`, `unknown-message`, \
        `wrong-direction`, `alert-length`.";
}
