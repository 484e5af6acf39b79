//! Tables without borders: aligned, coloured, cut to the terminal.

use unicode_width::UnicodeWidthStr;

use super::text::harmless;
use super::{Style, Tone};

/// The narrowest that a column is cut to.
const NARROWEST: usize = 8;

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left: for words, which may be cut.
    Left,
    /// At the right: for numbers, which are never cut.
    Right,
}

/// One cell: harmless text and its tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with this text, made harmless.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::toned(Tone::Plain, text)
    }

    /// A cell with this text, made harmless, and this tone.
    pub fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()).into_owned(), tone }
    }
}

/// Rows of cells under headers.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(Cell, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headers and no rows.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let columns =
            columns.into_iter().map(|(header, align)| (Cell::toned(Tone::Dim, header), align)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; cells that are missing at its end are empty.
    pub fn push(&mut self, mut row: Vec<Cell>) {
        row.resize_with(self.columns.len(), Cell::default);
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines; words are cut where it would be wider than `width`.
    ///
    /// A column without a header and without text takes no room, and a table whose headers are all empty begins with its first row.
    pub fn render(&self, style: Style, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let mut text = String::new();
        if self.columns.iter().any(|(header, _)| !header.text.is_empty()) {
            self.line(&mut text, self.columns.iter().map(|(header, _)| header), &widths, style);
        }
        for row in &self.rows {
            self.line(&mut text, row.iter(), &widths, style);
        }
        text
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (header, _))| {
                self.rows.iter().map(|row| row[index].text.width()).fold(header.text.width(), usize::max)
            })
            .collect();
        let Some(limit) = limit else { return widths };
        loop {
            let gaps = 2 * widths.iter().filter(|&&width| width > 0).count().saturating_sub(1);
            let excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(limit);
            let widest = (0..widths.len())
                .filter(|&index| self.columns[index].1 == Align::Left && widths[index] > NARROWEST)
                .max_by_key(|&index| widths[index]);
            match widest {
                Some(index) if excess > 0 => widths[index] -= 1,
                _ => return widths,
            }
        }
    }

    fn line<'a>(
        &self,
        text: &mut String,
        cells: impl Iterator<Item = &'a Cell>,
        widths: &[usize],
        style: Style,
    ) {
        let mut pending = 0;
        for ((cell, width), (_, align)) in cells.zip(widths).zip(&self.columns) {
            if *width == 0 {
                continue;
            }
            let shown = cut(&cell.text, *width);
            let padding = width - shown.width().min(*width);
            if *align == Align::Right {
                pending += padding;
            }
            if !shown.is_empty() {
                // Spaces are held back until something follows them, so that no line ends with any.
                text.extend(std::iter::repeat_n(' ', pending));
                text.push_str(&style.paint(cell.tone, &shown));
                pending = 0;
            }
            pending += if *align == Align::Left { padding + 2 } else { 2 };
        }
        text.push('\n');
    }
}

/// The text, its end replaced by `…` where it is wider than `width`.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    for c in text.chars() {
        // Asked of the whole, since some characters change the width of those before them.
        shown.push(c);
        if shown.width() >= width {
            shown.pop();
            break;
        }
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            ("run", Align::Left),
            ("status", Align::Left),
            ("label", Align::Left),
            ("loss", Align::Right),
        ]);
        table.push(vec![
            Cell::new("a1b2c3d4"),
            Cell::toned(Tone::Good, "ok"),
            Cell::new("a rather long label of a run"),
            Cell::new("2.31"),
        ]);
        table.push(vec![Cell::new("b1b2c3d4"), Cell::toned(Tone::Bad, "failed"), Cell::new("学习率")]);
        table.push(vec![Cell::new("c1b2c3d4"), Cell::new("ok"), Cell::new("x\u{1b}[31m"), Cell::new("12.5")]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        assert_snapshot!(table().render(Style::Plain, None), @"
        run       status  label                         loss
        a1b2c3d4  ok      a rather long label of a run  2.31
        b1b2c3d4  failed  学习率
        c1b2c3d4  ok      x␛[31m                        12.5
        ");
    }

    #[test]
    fn words_are_cut_to_the_width_and_numbers_are_not() {
        assert_snapshot!(table().render(Style::Plain, Some(40)), @"
        run       status  label             loss
        a1b2c3d4  ok      a rather long l…  2.31
        b1b2c3d4  failed  学习率
        c1b2c3d4  ok      x␛[31m            12.5
        ");
        assert_snapshot!(table().render(Style::Plain, Some(5)), @"
        run       status  label     loss
        a1b2c3d4  ok      a rathe…  2.31
        b1b2c3d4  failed  学习率
        c1b2c3d4  ok      x␛[31m    12.5
        ");
    }

    #[test]
    fn colour_changes_no_column() {
        let coloured = table().render(Style::Colour, Some(40));
        assert!(coloured.contains("\u{1b}[32mok\u{1b}[0m"));
        let mut plain = coloured;
        for code in ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, table().render(Style::Plain, Some(40)));
    }

    proptest! {
        #[test]
        fn a_cut_text_fits(text in any::<String>(), width in 1_usize..20) {
            prop_assert!(cut(&harmless(&text), width).width() <= width);
        }

        #[test]
        fn no_line_is_wider_than_asked(texts in prop::collection::vec("[a-z ]{0,40}", 1..5), width in 30_usize..60) {
            let mut table = Table::new([("a", Align::Left), ("b", Align::Left)]);
            for text in &texts {
                table.push(vec![Cell::new(text), Cell::new(text)]);
            }
            for line in table.render(Style::Plain, Some(width)).lines() {
                prop_assert!(line.width() <= width);
            }
        }
    }
}
