//! [`Console`]: the one place that writes to the user.

use super::failure::Failure;
use comfy_table::CellAlignment;
use comfy_table::ContentArrangement;
use comfy_table::LineStyle;
use comfy_table::Table;
use comfy_table::TableStyle;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;
use serde_json::Value as Json;
use std::io::BufWriter;
use std::io::IsTerminal;
use std::io::Read;
use std::io::Write;

/// The streams of one call.
pub(super) struct Console<'a> {
    input: &'a mut dyn Read,
    out: BufWriter<&'a mut dyn Write>,
    err: &'a mut dyn Write,
    /// True where the streams are the process's own, so that terminals may be asked for their width and drawn on.
    own: bool,
    /// True to write JSON.
    pub(super) json: bool,
}

impl<'a> Console<'a> {
    pub(super) fn new(input: &'a mut dyn Read, out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { input, out: BufWriter::new(out), err, own: false, json: false }
    }

    /// The same, where the streams are the process's own.
    pub(super) fn on_terminal(mut self) -> Self {
        self.own = true;
        self
    }

    /// Where results go.
    pub(super) fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Where `-` reads from.
    pub(super) fn input(&mut self) -> &mut dyn Read {
        self.input
    }

    /// Writes out what is buffered.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// One line of text for people.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// One line of JSON for programs.
    pub(super) fn json_line(&mut self, value: &Json) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{value}")?)
    }

    /// An error, on the error stream. What can't be written there can't be told at all.
    pub(super) fn complain(&mut self, problem: &str) {
        // What was written before it comes first, where both streams are one.
        let _ = self.out.flush();
        let _ = writeln!(self.err, "lode: {problem}");
    }

    /// A table, as wide as the terminal where there is one. Columns of these numbers are set to the right.
    pub(super) fn table(
        &mut self,
        head: &[&str],
        rows: Vec<Vec<String>>,
        right: &[usize],
    ) -> Result<(), Failure> {
        let mut table = Table::new();
        let ruled = TableStyle::new().header_separator(LineStyle::none().fill('-'));
        table.load_style(ruled).set_header(head).add_rows(rows);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let columns = console::Term::stdout().size_checked().map(|(_, columns)| columns);
        if let Some(columns) = columns.filter(|_| self.own && std::io::stdout().is_terminal()) {
            table.set_width(columns);
        }
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if right.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// A progress bar on the error stream, invisible where that is no terminal. `total` is in bytes or in records.
    pub(super) fn progress(&self, what: &'static str, total: u64, unit: Unit) -> ProgressBar {
        if !self.own {
            return ProgressBar::hidden();
        }
        let template = match unit {
            Unit::Bytes => "{msg} [{wide_bar:.green}] {bytes}/{total_bytes}, {eta} left",
            Unit::Records => "{msg} [{wide_bar:.green}] {human_pos}/{human_len}, {eta} left",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style);
        bar.set_message(what);
        bar
    }
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Records.
    Records,
}

/// A number of bytes as people read it.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// A number of things with their name, in the singular where it is one.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}
