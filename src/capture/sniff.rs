//! What a file that is no capture looks like, so that the user sees at once which file was meant.

/// A clause on the first bytes of a file that is no capture, unpacked from `packing` where given: `it
/// looks like a ZIP archive`.
pub(super) fn looks_like(head: &[u8], packing: Option<&str>) -> String {
    match (describe(head), packing) {
        (Some("empty"), None) => "it is empty".to_owned(),
        (Some("empty"), Some(packing)) => format!("it looks like {packing} of nothing"),
        (Some(what), None) => format!("it looks like {what}"),
        (Some(what), Some(packing)) => format!("it looks like {packing} of {what}"),
        (None, None) => format!("it begins with {}", hex(head)),
        (None, Some(packing)) => {
            format!("it looks like {packing} of something that begins with {}", hex(head))
        }
    }
}

fn hex(head: &[u8]) -> String {
    let bytes: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

fn describe(head: &[u8]) -> Option<&'static str> {
    if head.is_empty() {
        return Some("empty");
    }
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(what);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive");
    }
    let text = head.get(..TEXT).unwrap_or(head);
    // The last character of the part looked at may be cut.
    let valid = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    let is_text = text.len().saturating_sub(valid) < 4
        && text.iter().all(|byte| *byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b));
    if !is_text {
        return None;
    }
    Some(match text.trim_ascii_start() {
        [b'{' | b'[', ..] => "JSON",
        [b'<', b'?', b'x', b'm', b'l', ..] => "XML",
        [b'<', ..] => "HTML or XML",
        _ => "text",
    })
}

/// How much of a file decides whether it is text.
const TEXT: usize = 512;

const MAGIC: &[(&[u8], &str)] = &[
    (b"snoop\0\0\0", "a snoop capture (`editcap -F pcap` converts it)"),
    (b"GMBU", "a Network Monitor capture (`editcap -F pcap` converts it)"),
    (b"RTSS", "a Network Monitor capture (`editcap -F pcap` converts it)"),
    (b"TRSNIFF data", "a Sniffer capture (`editcap -F pcap` converts it)"),
    (b"XCP\0", "a NetXray capture (`editcap -F pcap` converts it)"),
    (b"btsnoop\0", "a Bluetooth capture"),
    (b"\x0a\x0d\x0d\x0a", "a pcapng capture whose byte-order magic is damaged"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2 (unpack it first)"),
    (b"\x04\x22\x4d\x18", "LZ4 (unpack it first)"),
    (b"\x1f\x9d", "compress (unpack it first)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"%PDF", "PDF"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow IPC"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clause_names_what_people_mistake_for_captures() {
        let zeros = [0; 600];
        let mut tar = zeros.to_vec();
        tar[257..262].copy_from_slice(b"ustar");
        for (head, packing, clause) in [
            (&b""[..], None, "it is empty"),
            (b"", Some("gzip"), "it looks like gzip of nothing"),
            (b"PK\x03\x04\x14\0", None, "it looks like a ZIP archive"),
            (b"\x7fELF\x02", None, "it looks like an ELF program"),
            (b"%PDF-1.7", None, "it looks like PDF"),
            (b" \n{\"a\": 1}", None, "it looks like JSON"),
            (b"profile: farmbot\n", Some("xz"), "it looks like xz of text"),
            (b"<!doctype html>", None, "it looks like HTML or XML"),
            (b"na\xc3\xafve\xc3", None, "it looks like text"),
            (&tar, None, "it looks like a tar archive"),
            (&zeros, None, "it begins with 00 00 00 00 00 00 00 00"),
            (b"\x01\x02", Some("zstd"), "it looks like zstd of something that begins with 01 02"),
        ] {
            assert_eq!(looks_like(head, packing), clause);
        }
    }
}
