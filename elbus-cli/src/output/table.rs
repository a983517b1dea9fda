//! Rows and columns, for people.
use std::fmt;

use colored::Colorize;
use prettytable::{
    Cell, Row, Table as Pretty,
    format::{Alignment, FormatBuilder, LinePosition, LineSeparator},
};

use super::safe;

/// A table with a heading.
pub(crate) struct Table {
    pretty: Pretty,
    alignments: Vec<Alignment>,
}

/// What stands above a column, and on which side of it the cells stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        let mut pretty = Pretty::new();
        // Columns that two spaces separate, and a line below the heading.
        let format = FormatBuilder::new()
            .column_separator(' ')
            .separator(LinePosition::Title, LineSeparator::new('-', '-', '-', '-'))
            .padding(0, 1);
        pretty.set_format(format.build());
        let alignments = columns.iter().map(|column| match column {
            Column::Text(_) => Alignment::LEFT,
            Column::Number(_) => Alignment::RIGHT,
        });
        let mut table = Self {
            pretty,
            alignments: alignments.collect(),
        };
        let titles = columns.iter().map(|column| match column {
            Column::Text(title) | Column::Number(title) => (*title).to_owned(),
        });
        let titles = table.cells(titles);
        table.pretty.set_titles(titles);
        table
    }

    /// Adds a row; what a cell must not do to a terminal is written out.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter();
        let row = self.cells(cells.map(|cell| safe::escaped(cell.as_ref()).into_owned()));
        self.pretty.add_row(row);
    }

    fn cells(&self, cells: impl Iterator<Item = String>) -> Row {
        let aligned = cells.zip(&self.alignments);
        Row::new(
            aligned
                .map(|(cell, &side)| Cell::new_align(&cell, side))
                .collect(),
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Made bold here: the width of a cell is counted with its escape sequences.
        for (at, line) in self.pretty.to_string().lines().enumerate() {
            match line.trim_end() {
                heading if at == 0 => writeln!(f, "{}", heading.bold())?,
                line => writeln!(f, "{line}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_on_the_left_and_numbers_on_the_right() {
        colored::control::set_override(false);
        let mut table = Table::new(&[
            Column::Text("name"),
            Column::Number("frames"),
            Column::Text("port"),
        ]);
        table.row(["a.b", "1,234", ""]);
        table.row(["ü\x1b[2J", "7", "x"]);
        let expected = "\
name        frames  port
-------------------------
a.b          1,234
ü\\u{1b}[2J       7  x
";
        assert_eq!(table.to_string(), expected);
    }
}
