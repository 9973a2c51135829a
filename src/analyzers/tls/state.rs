//! What is known of one direction.

use super::gaps::Search;
use super::message::MessageReader;
use super::record::RecordReader;
use crate::model::evidence::Seen;

/// Handshake message types (RFC 8446 section 4, RFC 5246 section 7.4).
pub(super) mod kind {
    pub(in super::super) const HELLO_REQUEST: u8 = 0;
    pub(in super::super) const CLIENT_HELLO: u8 = 1;
    pub(in super::super) const SERVER_HELLO: u8 = 2;
    pub(in super::super) const NEW_SESSION_TICKET: u8 = 4;
    /// TLS 1.3.
    pub(in super::super) const END_OF_EARLY_DATA: u8 = 5;
    /// Drafts of TLS 1.3 before 22 only.
    pub(in super::super) const HELLO_RETRY_REQUEST: u8 = 6;
    /// TLS 1.3.
    pub(in super::super) const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub(in super::super) const CERTIFICATE: u8 = 11;
    pub(in super::super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(in super::super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(in super::super) const SERVER_HELLO_DONE: u8 = 14;
    pub(in super::super) const CERTIFICATE_VERIFY: u8 = 15;
    pub(in super::super) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(in super::super) const FINISHED: u8 = 20;
    pub(in super::super) const CERTIFICATE_STATUS: u8 = 22;
    /// After it CertificateURL, CertificateStatus (22), up to this.
    pub(in super::super) const SUPPLEMENTAL_DATA: u8 = 23;
    /// TLS 1.3.
    pub(in super::super) const KEY_UPDATE: u8 = 24;
    /// RFC 8879 section 4.
    pub(in super::super) const COMPRESSED_CERTIFICATE: u8 = 25;
    pub(in super::super) const NEXT_PROTOCOL: u8 = 67;
}

/// Whether handshake records of one side are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    Clear,
    /// Not known: midstream, after a gap, or the ChangeCipherSpec with which a TLS 1.3 client pleases
    /// middleboxes (RFC 8446 appendix D.4). A hello can still come in the clear; whatever else
    /// comes is encrypted.
    Unknown,
    Encrypted,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) records: RecordReader,
    pub(super) messages: MessageReader,
    pub(super) protection: Protection,
    /// First bytes of the body of an alert or heartbeat.
    pub(super) start: [u8; 3],
    /// 0 <= have <= 3.
    pub(super) have: usize,
    /// The bytes cannot be followed any more.
    pub(super) lost: bool,
    /// Bytes are not in the capture, so that what was not seen of this side may have been sent.
    pub(super) missing: bool,
    /// Its stream may begin anywhere, and it has not said hello.
    pub(super) joined: bool,
    /// Looks for the record with which it goes on after such a gap.
    pub(super) search: Option<Box<Search>>,
    /// The body of the record at hand has a hole.
    pub(super) cut: bool,
    /// The rest of that body is not read: where its messages begin is not known.
    pub(super) blind: bool,
    /// ChangeCipherSpec records that changed something; TLS 1.3 has none.
    pub(super) cipher_changes: u8,
    /// Encrypted handshake records before TLS 1.3.
    pub(super) encrypted_messages: u8,
    /// A certificate message was read.
    pub(super) certified: bool,
    /// TLS 1.3, after completion: encrypted records, those as short as an alert, and the last of
    /// them all.
    pub(super) after: u64,
    pub(super) alert_sized: u64,
    pub(super) last: Option<(Seen, u16)>,
}

impl Side {
    pub(super) fn new(protection: Protection) -> Self {
        Self {
            records: RecordReader::default(),
            messages: MessageReader::default(),
            protection,
            start: [0; 3],
            have: 0,
            lost: false,
            missing: false,
            joined: protection == Protection::Unknown,
            search: None,
            cut: false,
            blind: false,
            cipher_changes: 0,
            encrypted_messages: 0,
            certified: false,
            after: 0,
            alert_sized: 0,
            last: None,
        }
    }

    /// Has sent its Finished (before TLS 1.3).
    pub(super) fn finished(&self) -> bool {
        self.encrypted_messages > 0
    }
}
