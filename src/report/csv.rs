//! CSV (RFC 4180): UTF-8, header always present, `\n` line ends, fields quoted only where they must be, an empty
//! field for what is absent.

use std::io::{self, Write};

use super::findings::{FindingRow, FindingTable};
use super::flows::{FlowCells, FlowTable};
use super::{Format, View, tables};

pub(super) const FORMAT: Format = Format {
    name: "csv",
    suffixes: &["csv"],
    help: "comma-separated values with a header",
    available: tables::AVAILABLE,
    binary: false,
    findings: Some(write_findings),
    flows: Some(write_flows),
};

fn write_findings(rows: &[FindingRow<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    tables::csv::<FindingTable>(rows, out)
}

fn write_flows(rows: &[FlowCells<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    tables::csv::<FlowTable>(rows, out)
}

#[cfg(test)]
#[cfg(feature = "table")]
mod tests {
    use super::super::flows::{FlowRow, sorted};
    use super::super::samples::{capture, finding, flow, seen};
    use super::*;
    use crate::model::finding::Finding;
    use crate::model::{Evidence, NameSource};

    fn findings_csv(findings: &[Finding]) -> String {
        let captures = [capture(0, "demo, \"1\".pcap")];
        let mut out = Vec::new();
        let rows: Vec<_> =
            findings.iter().map(|finding| FindingRow { finding, captures: &captures }).collect();
        write_findings(&rows, &View::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_empty_table_is_its_header() {
        let text = findings_csv(&[]);
        assert!(text.starts_with("finding_id,code,status,severity,"), "{text}");
        assert!(text.ends_with(",evidence,message,waiver,policy,normative\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn absent_cells_are_empty_and_quotes_and_commas_are_quoted() {
        let mut row = finding();
        row.claim.clear();
        row.port = None;
        row.observed = "a\"b".into();
        row.message = "one, two".into();
        let mut evidence = Evidence::once(seen(17));
        evidence.again(seen(18));
        row.evidence = Some(evidence);
        let text = findings_csv(std::slice::from_ref(&row));
        let line = text.lines().nth(1).unwrap();
        let id = super::super::finding_id(&row);
        assert_eq!(
            line,
            format!(
                "{id},weak-tls-version,violation,error,strong,farmbot,,,bot,192.0.2.10,02:00:00:00:00:01,out,tcp,\
                 tls,my.example,sni,198.51.100.7,,tls>=1.2,\"a\"\"b\",RFC 8996,1970-01-01T00:00:17.000000Z,\
                 1970-01-01T00:00:18.000000Z,2,\"demo, \"\"1\"\".pcap#17,18\",\"one, two\",,bcp195,MUST NOT"
            )
        );
    }

    #[test]
    fn empty_text_is_an_empty_field() {
        let mut row = finding();
        row.message.clear();
        row.service.clear();
        let text = findings_csv(&[row]);
        assert!(text.ends_with("#17\",,,bcp195,MUST NOT\n"), "{text}");
        assert!(!text.contains(",\"\","), "{text}");
    }

    #[test]
    fn hostile_text_stays_one_harmless_cell() {
        let mut row = finding();
        row.peer_name = "=HYPERLINK(\"http://x\")".into();
        row.observed = "\u{1b}]0;title\u{7}\r\nerror,\u{202e}exe".into();
        row.message = "+1\u{2028}\\xff".into();
        row.service = "@SUM(1)".into();
        let text = findings_csv(&[row]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains(",\"'=HYPERLINK(\"\"http://x\"\")\","), "{text}");
        assert!(text.contains(",\"\\x1b]0;title\\x07\\x0d\\x0aerror,\\u{202e}exe\","), "{text}");
        assert!(text.contains(",'+1\\u{2028}\\xff,,bcp195,MUST NOT\n"), "{text}");
        assert!(text.contains(",'@SUM(1),"), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }

    #[test]
    fn flows_have_every_column_in_every_row() {
        let captures = [capture(0, "demo.pcap")];
        let flow = flow();
        let rows = [FlowRow { flow: &flow, resp_name: Some(("-evil".into(), NameSource::Dns)) }];
        let mut out = Vec::new();
        write_flows(&sorted(&rows, &captures), &View::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (header, line) = text.split_once('\n').unwrap();
        assert_eq!(header.split(',').count(), super::super::columns(super::super::Content::Flows).len());
        assert!(
            line.starts_with(
                "demo.pcap#12,1970-01-01T00:00:12.000000Z,1970-01-01T00:01:12.000000Z,60.000000,tcp,192.0.2.10,\
                 1025,198.51.100.7,443,'-evil,dns,02:00:00:00:00:01,02:00:00:00:00:02,7,syn,tls,"
            ),
            "{line}"
        );
        assert!(
            line.contains(
                ",\"{\"\"tls.sni\"\":[\"\"my.example\"\",\"\"\\\\x1b\\\"\"\"\"],\"\"tls.suites\"\":[2]}\""
            ),
            "{line}"
        );
    }
}
