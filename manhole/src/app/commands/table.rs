//! Tables for commands of the application: typed cells, laid out like the console's own.

use crate::model::{self, Column};
use std::time::Duration;

/// Rows under headings: text columns for people, an array of objects for `--json`.
///
/// ```
/// use manhole::commands::{Cell, Table};
///
/// let mut table = Table::new(["id", "size", "state"]);
/// table.row([Cell::from(7_u64), Cell::bytes(4096), Cell::from("idle")]);
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    table: model::Table,
}

impl Table {
    /// An empty table; each heading is a column's field name in JSON as well.
    pub fn new(headings: impl IntoIterator<Item = &'static str>) -> Self {
        let columns = headings
            .into_iter()
            .map(|heading| Column::new(heading, heading));
        Self {
            table: model::Table::new("rows", columns.collect::<Vec<_>>()),
        }
    }

    /// Adds a row. Missing cells are empty, those without a heading are left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<model::Cell> = cells.into_iter().map(|cell| cell.0).collect();
        row.resize(self.table.columns.len(), model::Cell::Empty);
        self.table.row(row);
    }

    pub(super) fn into_model(self) -> model::Table {
        self.table
    }
}

/// One value with its unit: `2.91 GiB` for people, bytes in JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell(pub(super) model::Cell);

impl Cell {
    /// What could not be known: `-`, and null in JSON.
    pub fn unknown() -> Self {
        Self(model::Cell::Unknown)
    }

    /// A size in bytes.
    pub fn bytes(bytes: u64) -> Self {
        Self(model::Cell::Bytes(bytes))
    }

    /// A number that names something, without thousands separators.
    pub fn id(id: u64) -> Self {
        Self(model::Cell::Id(id))
    }

    /// A share from 0 to 100.
    pub fn percent(percent: f64) -> Self {
        Self(model::Cell::Percent(percent))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(model::Cell::text(text))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(model::Cell::Text(text))
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self(model::Cell::Count(count))
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self(model::Cell::Count(count as u64))
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self(model::Cell::Float(number))
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self(model::Cell::Bool(yes))
    }
}

impl From<Duration> for Cell {
    fn from(time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self(model::Cell::Nanos(nanos))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::unknown, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_made_to_fit_the_headings() {
        let mut table = Table::new(["a", "b"]);
        table.row([Cell::from(1_u64)]);
        table.row([
            Cell::from(None::<bool>),
            Cell::from("x"),
            Cell::from("lost"),
        ]);
        let rows = table.into_model().rows;
        assert_eq!(rows[0], [model::Cell::Count(1), model::Cell::Empty]);
        assert_eq!(rows[1], [model::Cell::Unknown, model::Cell::text("x")]);
    }
}
