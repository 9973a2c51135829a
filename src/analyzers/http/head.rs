//! The head of a message: its first line and header fields (RFC 9112 sections 3 to 5).

use httparse::{EMPTY_HEADER, Header, ParserConfig, Request, Response, Status};

use crate::analyzers::text;
use crate::model::Value;

/// The longest head that is read; servers accept 8 to 64 KiB.
pub(super) const MAX_HEAD: usize = 65_536;
/// The most header fields that are read; nginx and Apache take 100.
const MAX_HEADERS: usize = 128;
/// What is kept of a target, and of other free text.
pub(super) const MAX_TEXT: usize = 256;

/// Room for the header fields of one head.
pub(super) type Slots<'a> = [Header<'a>; MAX_HEADERS];

/// An empty one.
pub(super) const SLOTS: Slots<'static> = [EMPTY_HEADER; MAX_HEADERS];

/// Collects a head, each byte looked at once.
#[derive(Debug, Default)]
pub(super) struct HeadBuffer {
    bytes: Vec<u8>,
    /// Whether the line at hand holds nothing yet but CR.
    empty_line: bool,
}

/// What came of a chunk of stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// The head goes on.
    More,
    /// The head is whole; this many bytes of the chunk belong to it.
    Whole(usize),
    /// The head is longer than [`MAX_HEAD`].
    TooLong,
}

impl HeadBuffer {
    /// Takes the next bytes of the stream, up to the empty line. Empty lines before the first line
    /// are dropped (RFC 9112 section 2.2), and a lone LF ends a line.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Fed {
        let blank = if self.bytes.is_empty() {
            chunk.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        } else {
            0
        };
        for (at, byte) in chunk.iter().enumerate().skip(blank) {
            match byte {
                b'\n' if self.empty_line => {
                    let end = at.saturating_add(1);
                    return if self.keep(chunk.get(blank..end)) { Fed::Whole(end) } else { Fed::TooLong };
                }
                b'\n' => self.empty_line = true,
                b'\r' => {}
                _ => self.empty_line = false,
            }
        }
        if self.keep(chunk.get(blank..)) { Fed::More } else { Fed::TooLong }
    }

    fn keep(&mut self, part: Option<&[u8]>) -> bool {
        let part = part.unwrap_or_default();
        let fits = self.bytes.len().saturating_add(part.len()) <= MAX_HEAD;
        if fits {
            self.bytes.extend_from_slice(part);
        }
        fits
    }

    /// What it takes beside itself.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// What has been collected.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes out what has been collected; [`HeadBuffer::reuse`] gives the memory back.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.empty_line = false;
        std::mem::take(&mut self.bytes)
    }

    /// Starts anew, with the memory of an earlier head unless it is large.
    pub(super) fn reuse(&mut self, mut bytes: Vec<u8>) {
        self.empty_line = false;
        bytes.clear();
        bytes.shrink_to(1024);
        self.bytes = bytes;
    }

    /// Starts anew.
    pub(super) fn clear(&mut self) {
        let bytes = self.take();
        self.reuse(bytes);
    }
}

/// How forgiving the parser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As RFC 9112 writes it.
    Strict,
    /// As widespread recipients take it: odd header lines are passed over, spaces may repeat.
    Lenient,
}

/// The request whose whole head is `bytes`, or why it is none.
pub(super) fn request<'h, 'b>(
    bytes: &'b [u8],
    slots: &'h mut Slots<'b>,
    reading: Reading,
) -> Result<Request<'h, 'b>, &'static str> {
    let mut request = Request::new(slots);
    finished(config(reading).parse_request(&mut request, bytes)).map(|()| request)
}

/// The same head, if its request line has more than three words: of these, the first two and the
/// last. RFC 9112 section 3 lets a recipient take a line with spaces in its target so, if it tells
/// anybody nothing wrong.
pub(super) fn mended_request_line(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, rest) = bytes.split_at_checked(end)?;
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    let [method, target, _, .., version] = words.as_slice() else { return None };
    let mut mended = [*method, *target, *version].join(&b' ');
    mended.extend_from_slice(rest);
    Some(mended)
}

/// The response whose whole head is `bytes`, or why it is none.
pub(super) fn response<'h, 'b>(
    bytes: &'b [u8],
    slots: &'h mut Slots<'b>,
    reading: Reading,
) -> Result<Response<'h, 'b>, &'static str> {
    let mut response = Response::new(slots);
    finished(config(reading).parse_response(&mut response, bytes)).map(|()| response)
}

fn finished(result: httparse::Result<usize>) -> Result<(), &'static str> {
    match result {
        Ok(Status::Complete(_)) => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err("too-many-headers"),
        Ok(Status::Partial) | Err(_) => Err("bad-head"),
    }
}

fn config(reading: Reading) -> ParserConfig {
    let mut config = ParserConfig::default();
    if reading == Reading::Lenient {
        config
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_request_line_delimiters(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .allow_space_before_first_header_name(true)
            .ignore_invalid_headers_in_requests(true)
            .ignore_invalid_headers_in_responses(true);
    }
    config
}

/// The values of the header field `name`, in order.
pub(super) fn values<'a>(headers: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// The elements of the list-valued header field `name` (RFC 9110 section 5.6.1), over all its
/// lines. Commas in quoted strings part elements too: none of the lists read here have any.
pub(super) fn elements<'a>(headers: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    values(headers, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// What Content-Length and Transfer-Encoding say (RFC 9112 sections 6.1 to 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    /// The length, `Err` if it is no number or there are several that differ.
    pub(super) length: Option<Result<u64, ()>>,
    /// Whether the last transfer coding is `chunked`.
    pub(super) chunked: Option<bool>,
}

impl Framing {
    /// Reads it from a head.
    pub(super) fn of(headers: &[Header<'_>]) -> Self {
        let mut length = None;
        for element in elements(headers, "content-length") {
            let one = decimal(element).ok_or(());
            length = match length {
                Some(before) if before != one => Some(Err(())),
                _ => Some(one),
            };
        }
        let chunked = elements(headers, "transfer-encoding").last();
        Self { length, chunked: chunked.map(|coding| coding.eq_ignore_ascii_case(b"chunked")) }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The scheme of the credentials in an Authorization or Proxy-Authorization header. Only known
/// words are told: where the scheme is missing, what stands in its place is the secret.
pub(super) fn scheme(value: &[u8]) -> Value {
    // IANA HTTP Authentication Scheme Registry, and what is widespread without being in it.
    const SCHEMES: [&str; 16] = [
        "Basic",
        "Bearer",
        "Digest",
        "DPoP",
        "GNAP",
        "HOBA",
        "Mutual",
        "Negotiate",
        "NTLM",
        "OAuth",
        "PrivateToken",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "AWS4-HMAC-SHA256",
        "Token",
        "vapid",
    ];
    let word = value.trim_ascii().split(|byte| *byte == b' ').next().unwrap_or_default();
    let known = SCHEMES.into_iter().find(|scheme| scheme.as_bytes().eq_ignore_ascii_case(word));
    Value::Word(known.unwrap_or("other"))
}

/// The scheme of the credentials in an Authorization header, as [`scheme`] tells it; `public` where nothing in it is a
/// secret, as in the first step of a scheme with several.
pub(super) fn credentials(value: &[u8]) -> Value {
    if holds_secret(value.trim_ascii()) { scheme(value) } else { Value::Word("public") }
}

fn holds_secret(value: &[u8]) -> bool {
    // RFC 7616 section 3.4 but for what follows from the password; and what a client is, by whatever scheme.
    const PUBLIC: [&[u8]; 11] = [
        b"algorithm",
        b"client",
        b"cnonce",
        b"nonce",
        b"publickey",
        b"qop",
        b"realm",
        b"requestnr",
        b"type",
        b"uri",
        b"version",
    ];
    // `NTLMSSP`, a zero and the 1 of NEGOTIATE_MESSAGE, in base64 (MS-NLMP section 2.2.1.1).
    const NTLM_NEGOTIATE: &[u8] = b"TlRMTVNTUAAB";
    let (_, sent) = split_at_pattern(value, b" ").unwrap_or((value, b""));
    let sent = sent.trim_ascii();
    let mut parameters = sent.split(|byte| *byte == b',').map(|parameter| {
        let (name, value) = split_at_pattern(parameter, b"=").unwrap_or((parameter, b""));
        (name.trim_ascii().to_ascii_lowercase(), value.trim_ascii())
    });
    match scheme(value) {
        // What stands where the scheme is missing, or parameters of which one may be anything.
        Value::Word("other") => {
            !value.is_empty()
                && (sent.is_empty() || parameters.any(|(name, _)| !PUBLIC.contains(&name.as_slice())))
        }
        Value::Word("Digest") => {
            parameters.any(|(name, value)| name == b"response" && !matches!(value, b"" | b"\"\""))
        }
        Value::Word("NTLM" | "Negotiate") => !sent.is_empty() && !sent.starts_with(NTLM_NEGOTIATE),
        _ => !sent.is_empty(),
    }
}

/// A request target without the secrets in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// What may be shown of it, at most [`MAX_TEXT`] bytes.
    pub(super) shown: Value,
    /// Its authority, if it is in absolute form; without user information.
    pub(super) authority: Option<&'a [u8]>,
    /// Names of the query parameters that carry a credential, or `userinfo`; at most eight.
    pub(super) credentials: Vec<&'a [u8]>,
}

/// Reads a request target (RFC 9112 section 3.2).
pub(super) fn target(sent: &[u8]) -> Target<'_> {
    const MAX_CREDENTIALS: usize = 8;
    let mut credentials = Vec::new();
    let (before, rest) = split_at_pattern(sent, b"://").unwrap_or((b"", sent));
    // A target that begins with its path may hold `://` later: in its query, as a rule.
    let absolute = !before.is_empty() && before.iter().all(u8::is_ascii_alphanumeric);
    if !absolute && !sent.contains(&b'?') {
        return Target { shown: text(sent, MAX_TEXT), authority: None, credentials };
    }
    let mut shown = Vec::new();
    let (authority, path) = if absolute {
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, b""));
        let (user, host) =
            authority.iter().rposition(|byte| *byte == b'@').map_or((&b""[..], authority), |at| {
                let (user, host) = authority.split_at_checked(at).unwrap_or_default();
                (user, host.strip_prefix(b"@").unwrap_or(host))
            });
        shown.extend_from_slice(before);
        shown.extend_from_slice(b"://");
        if !user.is_empty() {
            credentials.push(&b"userinfo"[..]);
            shown.extend_from_slice(b"*@");
        }
        shown.extend_from_slice(host);
        (Some(host), path)
    } else {
        (None, sent)
    };
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    shown.extend_from_slice(parts.next().unwrap_or_default());
    for (number, parameter) in
        parts.next().into_iter().flat_map(|query| query.split(|byte| *byte == b'&')).enumerate()
    {
        shown.push(if number == 0 { b'?' } else { b'&' });
        let name = parameter.split(|byte| *byte == b'=').next().unwrap_or_default();
        if name.len() < parameter.len() && is_secret(name) {
            shown.extend_from_slice(name);
            shown.extend_from_slice(b"=*");
            if credentials.len() < MAX_CREDENTIALS && !credentials.contains(&name) {
                credentials.push(name);
            }
        } else {
            shown.extend_from_slice(parameter);
        }
    }
    Target { shown: text(&shown, MAX_TEXT), authority, credentials }
}

/// Whether a query parameter of this name carries a credential, going by common usage.
fn is_secret(name: &[u8]) -> bool {
    const PARTS: [&[u8]; 8] =
        [b"token", b"passw", b"secret", b"apikey", b"api_key", b"api-key", b"signature", b"credential"];
    const WHOLE: [&[u8]; 9] =
        [b"auth", b"authorization", b"jwt", b"key", b"pass", b"pwd", b"sessionid", b"session_id", b"sig"];
    // Longer names are cut: what makes them telling is at one of their ends, and this bounds the
    // work.
    let name = name.get(..64).unwrap_or(name).to_ascii_lowercase();
    WHOLE.contains(&name.as_slice()) || PARTS.iter().any(|part| split_at_pattern(&name, part).is_some())
}

/// The bytes before and behind the first `pattern`.
fn split_at_pattern<'a>(bytes: &'a [u8], pattern: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(pattern.len()).position(|window| window == pattern)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.strip_prefix(pattern)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_the_empty_line_however_it_is_cut() {
        for stream in
            [&b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nbody"[..], b"GET / HTTP/1.0\nHost: a\n\nbody"]
        {
            for cut in 0..stream.len() {
                let mut buffer = HeadBuffer::default();
                let end = stream.len() - b"body".len();
                let (first, second) = stream.split_at(cut);
                match buffer.feed(first) {
                    Fed::More => assert_eq!(buffer.feed(second), Fed::Whole(end - cut)),
                    Fed::Whole(taken) => assert_eq!(taken, end),
                    Fed::TooLong => panic!("too long"),
                }
                assert!(buffer.bytes().starts_with(b"GET"));
            }
        }
    }

    #[test]
    fn an_endless_head_is_given_up() {
        let mut buffer = HeadBuffer::default();
        assert_eq!(buffer.feed(&vec![b'x'; MAX_HEAD]), Fed::More);
        assert_eq!(buffer.feed(b"x"), Fed::TooLong);
    }

    #[test]
    fn secrets_in_targets_are_not_shown() {
        for (sent, shown, authority, credentials) in [
            ("/a/b?c=d", "/a/b?c=d", None, vec![]),
            ("/ws?token=abc.def&v=2", "/ws?token=*&v=2", None, vec!["token"]),
            ("/ws?v=2&Access_Token=a=b", "/ws?v=2&Access_Token=*", None, vec!["Access_Token"]),
            ("/?monkey=1&token", "/?monkey=1&token", None, vec![]),
            ("/r?to=http://x/", "/r?to=http://x/", None, vec![]),
            ("http://u:p@h:8/x?key=1", "http://*@h:8/x?key=*", Some("h:8"), vec!["userinfo", "key"]),
            ("http://h", "http://h", Some("h"), vec![]),
            ("*", "*", None, vec![]),
        ] {
            let expected = Target {
                shown: Value::text(shown.as_bytes()),
                authority: authority.map(str::as_bytes),
                credentials: credentials.iter().map(|name| name.as_bytes()).collect(),
            };
            assert_eq!(target(sent.as_bytes()), expected, "{sent}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_a_scheme_is_not_shown() {
        assert_eq!(scheme(b"basic dTpw"), Value::Word("Basic"));
        assert_eq!(scheme(b"eyJhbGciOiJIUzI1NiJ9.e30.x"), Value::Word("other"));
    }

    #[test]
    fn what_holds_no_secret_is_no_credential() {
        for (sent, told) in [
            ("Basic dTpw", "Basic"),
            ("Bearer", "public"),
            ("Bearer eyJ0", "Bearer"),
            ("Digest username=\"u\", realm=\"r\", response=\"6629fae4\"", "Digest"),
            ("Digest username=\"u\", realm=\"r\", response=\"\"", "public"),
            ("NTLM TlRMTVNTUAABAAAAB4IIAA==", "public"),
            ("NTLM TlRMTVNTUAADAAAAGAAYAA==", "NTLM"),
            ("Negotiate", "public"),
            // A key that is public says who asks, and a value made with the secret one that it is him.
            ("CBAuth Type=\"Light\", Client=\"00178801\", PublicKey=\"4dPFnw==\"", "public"),
            ("CBAuth Type=\"Light\", Client=\"00178801\", Authentication=\"g//M38==\"", "other"),
            ("Own c2VjcmV0", "other"),
            ("c2VjcmV0", "other"),
            (" ", "public"),
        ] {
            assert_eq!(credentials(sent.as_bytes()), Value::Word(told), "{sent}");
        }
    }

    #[test]
    fn lengths_that_differ_are_bad_and_repeated_ones_are_not() {
        let header = |name, value| Header { name, value };
        let length = |values: &[&'static [u8]]| {
            let headers: Vec<_> = values.iter().map(|value| header("Content-Length", *value)).collect();
            Framing::of(&headers).length
        };
        assert_eq!(length(&[]), None);
        assert_eq!(length(&[b"42, 42", b"42"]), Some(Ok(42)));
        assert_eq!(length(&[b"42, 43"]), Some(Err(())));
        for bad in [&b"-1"[..], b"+1", b"0x10", b"1 1", b"18446744073709551616"] {
            let headers = [header("content-length", bad)];
            assert_eq!(Framing::of(&headers).length, Some(Err(())));
        }
        let chunked = |value| Framing::of(&[header("Transfer-Encoding", value)]).chunked;
        assert_eq!(chunked(b"gzip, Chunked"), Some(true));
        assert_eq!(chunked(b"chunked, gzip"), Some(false));
    }
}
