//! Rows to columns: the table library's frames, and the two formats that it writes. Everything that depends on the
//! cargo feature `table` is here.

#[cfg(not(feature = "table"))]
use std::io::{self, Write};

#[cfg(not(feature = "table"))]
use super::cell::Table;

/// Whether this build has the table library.
pub(super) const AVAILABLE: bool = cfg!(feature = "table");

/// How many rows are put into columns at a time: bounds the memory that a report takes beyond its rows.
#[cfg_attr(
    not(feature = "table"),
    expect(dead_code, reason = "rows are put into columns by the table library")
)]
pub(super) const CHUNK_ROWS: usize = 32_768;

#[cfg(not(feature = "table"))]
pub(super) fn csv<'r, T: Table>(_: &'r [T::Row<'r>], _: &mut dyn Write) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(feature = "table"))]
pub(super) fn parquet<'r, T: Table>(_: &'r [T::Row<'r>], _: &mut dyn Write) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(feature = "table")]
pub(super) use with_polars::{csv, parquet};

#[cfg(feature = "table")]
mod with_polars {
    use std::io::{self, Write};

    use polars::prelude::{
        BooleanChunked, Column as Series, DataFrame, Float64Chunked, Int64Chunked, IntoColumn, IntoSeries,
        NewChunkedArray, PlSmallStr, PolarsError, PolarsResult, StringChunked, TimeUnit, TimeZone,
        UInt64Chunked,
    };
    use polars_io::SerWriter;
    use polars_io::csv::write::{CsvWriter, QuoteStyle};
    use polars_io::parquet::write::{KeyValueMetadata, ParquetWriter};

    use super::super::SCHEMA_VERSION;
    use super::super::cell::{Cell, Column, Kind, Table};
    use super::CHUNK_ROWS;

    /// Writes `rows` as CSV.
    pub(in super::super) fn csv<'r, T: Table>(rows: &'r [T::Row<'r>], out: &mut dyn Write) -> io::Result<()> {
        let empty = frame::<T>(&[], Typing::Text).map_err(into_io)?;
        // One thread: the rows are few or the disk is slower, and another pool would not heed `--jobs`.
        let writer =
            CsvWriter::new(out).include_header(true).with_quote_style(QuoteStyle::Necessary).n_threads(1);
        let mut writer = writer.batched(empty.schema()).map_err(into_io)?;
        for chunk in rows.chunks(CHUNK_ROWS) {
            frame::<T>(chunk, Typing::Text).and_then(|frame| writer.write_batch(&frame)).map_err(into_io)?;
        }
        // Writes the header where no batch did.
        writer.finish().map_err(into_io)
    }

    /// Writes `rows` as Parquet, one row group for each [`CHUNK_ROWS`] of them.
    pub(in super::super) fn parquet<'r, T: Table>(
        rows: &'r [T::Row<'r>],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let empty = frame::<T>(&[], Typing::Native).map_err(into_io)?;
        let version = vec![("wireclaim.schema_version".to_owned(), SCHEMA_VERSION.to_string())];
        let writer =
            ParquetWriter::new(out).with_key_value_metadata(Some(KeyValueMetadata::from_static(version)));
        let mut writer = writer.batched(empty.schema()).map_err(into_io)?;
        for chunk in rows.chunks(CHUNK_ROWS) {
            frame::<T>(chunk, Typing::Native)
                .and_then(|frame| writer.write_batch(&frame))
                .map_err(into_io)?;
        }
        writer.finish().map(|_| ()).map_err(into_io)
    }

    /// What a column of a frame holds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Typing {
        /// Text as it is to be written, but for whole numbers and flags.
        Text,
        /// Values of the column's own type.
        Native,
    }

    fn frame<'r, T: Table>(rows: &'r [T::Row<'r>], typing: Typing) -> PolarsResult<DataFrame> {
        let columns = T::COLUMNS.iter().map(|column| series(column, rows, typing)).collect();
        DataFrame::new(rows.len(), columns)
    }

    fn series<'r, T: Table>(column: &Column<T>, rows: &'r [T::Row<'r>], typing: Typing) -> Series {
        let name = PlSmallStr::from_static(column.name);
        let cells = rows.iter().map(|row| (column.cell)(row));
        match (column.kind, typing) {
            (Kind::Uint, _) => {
                let numbers =
                    cells.map(|cell| if let Cell::Uint(number) = cell { Some(number) } else { None });
                UInt64Chunked::from_iter_options(name, numbers).into_column()
            }
            (Kind::Flag, _) => {
                let flags = cells.map(|cell| if let Cell::Flag(flag) = cell { Some(flag) } else { None });
                BooleanChunked::from_iter_options(name, flags).into_column()
            }
            (Kind::Seconds, Typing::Native) => {
                let spans = cells.map(|cell| match cell {
                    Cell::Seconds(span) => Some(span.as_secs_f64()),
                    _ => None,
                });
                Float64Chunked::from_iter_options(name, spans).into_column()
            }
            (Kind::Time, Typing::Native) => {
                let times = cells.map(|cell| match cell {
                    Cell::Time(time) => Some(time.nanos().div_euclid(1_000)),
                    _ => None,
                });
                Int64Chunked::from_iter_options(name, times)
                    .into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
                    .into_series()
                    .into_column()
            }
            (Kind::Text, _) | (Kind::Seconds | Kind::Time, Typing::Text) => {
                let texts = cells.map(|cell| cell.text().map(std::borrow::Cow::into_owned));
                StringChunked::from_iter_options(name, texts).into_column()
            }
        }
    }

    /// What the system said where it was the system; else the library's own words.
    fn into_io(error: PolarsError) -> io::Error {
        match error {
            PolarsError::IO { error, .. } => {
                let kind = error.kind();
                std::sync::Arc::try_unwrap(error)
                    .unwrap_or_else(|shared| io::Error::new(kind, shared.to_string()))
            }
            other => io::Error::other(other.to_string()),
        }
    }
}
