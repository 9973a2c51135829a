//! Parquet: the flow table with typed columns: numbers as unsigned 64-bit integers, lengths of time as double
//! seconds, times as timestamps in microseconds UTC (finer digits are cut), words as strings, and the facts as one
//! string column that holds a JSON object, because the set of fields differs from flow to flow.

use std::io::{self, Write};

use super::flows::{FlowCells, FlowTable};
use super::{Format, View, tables};

pub(super) const FORMAT: Format = Format {
    name: "parquet",
    suffixes: &["parquet"],
    help: "Apache Parquet with typed columns",
    available: tables::AVAILABLE,
    binary: true,
    findings: None,
    flows: Some(write_flows),
    changes: None,
    lints: None,
};

fn write_flows(rows: &[FlowCells<'_>], _: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    tables::parquet::<FlowTable>(rows, out)
}

#[cfg(test)]
#[cfg(feature = "table")]
mod tests {
    use std::io::Cursor;

    use polars::prelude::{AnyValue, DataFrame, DataType, TimeUnit, TimeZone};
    use polars_io::SerReader;
    use polars_io::parquet::read::ParquetReader;

    use super::super::flows::{FlowRow, sorted};
    use super::super::samples::{capture, flow};
    use super::super::{Content, columns};
    use super::*;
    use crate::model::NameSource;

    fn read_back(rows: &[FlowRow<'_>]) -> DataFrame {
        let captures = [capture(0, "demo.pcap")];
        let mut out = Vec::new();
        write_flows(&sorted(rows, &captures), &View::default(), &mut out).unwrap();
        ParquetReader::new(Cursor::new(out)).finish().unwrap()
    }

    #[test]
    fn types_and_values_come_back() {
        let flow = flow();
        let row = FlowRow { flow: &flow, resp_name: None };
        let table = read_back(&[row]);
        assert_eq!(table.height(), 1);
        let names: Vec<&str> = columns(Content::Flows).into_iter().map(|(name, _)| name).collect();
        assert_eq!(table.get_column_names(), names);
        let cell = |name: &str| table.column(name).unwrap().get(0).unwrap().into_static();
        assert_eq!(
            table.column("first_seen").unwrap().dtype(),
            &DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
        );
        assert_eq!(cell("first_seen").try_extract::<i64>().unwrap(), 12_000_000);
        assert_eq!(cell("resp_port"), AnyValue::UInt64(443));
        assert_eq!(cell("duration_s"), AnyValue::Float64(60.0));
        assert_eq!(cell("midstream"), AnyValue::Boolean(false));
        assert_eq!(cell("resp_name"), AnyValue::Null);
        assert_eq!(cell("flow_id").get_str(), Some("demo.pcap#12"));
        assert_eq!(cell("facts").get_str(), Some(r#"{"tls.sni":["my.example","\\x1b\""],"tls.suites":[2]}"#));
    }

    #[test]
    fn an_empty_table_keeps_its_columns() {
        let table = read_back(&[]);
        assert_eq!((table.height(), table.width()), (0, columns(Content::Flows).len()));
    }

    #[test]
    fn more_rows_than_one_chunk_stay_in_order() {
        let flow = flow();
        let named = |n: usize| FlowRow { flow: &flow, resp_name: Some((n.to_string(), NameSource::Dns)) };
        let rows: Vec<FlowRow<'_>> = (0..=tables::CHUNK_ROWS).map(named).collect();
        let table = read_back(&rows);
        assert_eq!(table.height(), rows.len());
        let names = table.column("resp_name").unwrap().as_materialized_series();
        let in_order = names.iter().enumerate().all(|(n, name)| name.get_str() == Some(&n.to_string()));
        assert!(in_order);
    }
}
