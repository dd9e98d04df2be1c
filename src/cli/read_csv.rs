//! Rows between commas or tabs, below a header. Types of columns are inferred from the first rows.

use super::failure::Failure;
use super::kind::Kind;
use super::mapping::Mapping;
use super::mapping::Role;
use super::mapping::Row;
use super::read_jsonl::problem;
use super::rows::Rows;
use super::rows::at;
use crate::IdKind;
use crate::Value;
use csv::ErrorKind;
use csv::StringRecord;
use std::collections::VecDeque;
use std::io::Read;

/// Rows from which types are inferred.
const SAMPLE: usize = 1000;

/// Rows of a CSV file.
pub(super) struct CsvRows<R> {
    file: String,
    reader: csv::Reader<R>,
    columns: Vec<String>,
    /// A type for each column, where it is a field without a declared one.
    inferred: Vec<Kind>,
    /// The rows read to infer types.
    sample: VecDeque<StringRecord>,
    begun: bool,
    /// Set where ids are whole numbers, as far as the first rows tell.
    ids: Option<IdKind>,
    rows: u64,
}

impl<R: Read> CsvRows<R> {
    pub(super) fn new(file: String, reader: R, delimiter: u8) -> Self {
        let reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(reader);
        Self {
            file,
            reader,
            columns: Vec::new(),
            inferred: Vec::new(),
            sample: VecDeque::new(),
            begun: false,
            ids: None,
            rows: 0,
        }
    }

    /// Reads the header and the first rows.
    fn begin(&mut self, mapping: &Mapping) -> Result<(), Failure> {
        self.begun = true;
        let header = self.reader.headers().map_err(|error| of_csv(&self.file, &error))?;
        self.columns = header.iter().map(str::to_owned).collect();
        let names: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        if let Some(at_place) = (1..names.len()).find(|place| names[..*place].contains(&names[*place])) {
            return Err(at(&self.file, "line 1", format!("the column '{}' appears twice", names[at_place])));
        }
        mapping.check_columns(&names).map_err(|problem| at(&self.file, "line 1", problem))?;
        while self.sample.len() < SAMPLE {
            let Some(record) = self.read_record()? else { break };
            self.sample.push_back(record);
        }
        let sample = &self.sample;
        let texts = |column: usize| sample.iter().map(move |record| record.get(column).unwrap_or_default());
        self.inferred = (0..self.columns.len()).map(|column| Kind::inferred(texts(column))).collect();
        let id = self.columns.iter().position(|column| mapping.role(column) == Role::Id);
        let is_number = |text: &str| text.parse::<u64>().is_ok_and(|number| number.to_string() == text);
        self.ids =
            id.filter(|column| !sample.is_empty() && texts(*column).all(is_number)).map(|_| IdKind::U64);
        Ok(())
    }

    fn read_record(&mut self) -> Result<Option<StringRecord>, Failure> {
        let mut record = StringRecord::new();
        match self.reader.read_record(&mut record) {
            Ok(true) => Ok(Some(record)),
            Ok(false) => Ok(None),
            Err(error) => Err(of_csv(&self.file, &error)),
        }
    }

    /// Puts one cell into its row.
    fn cell(&self, row: &mut Row, mapping: &Mapping, at_place: usize, text: &str) -> Result<(), String> {
        match mapping.role(&self.columns[at_place]) {
            Role::Skip => {}
            Role::Id => row.id = Some(mapping.id_of_text(text, self.ids)?),
            Role::Vector(_) | Role::Field(..) if text.is_empty() => {}
            Role::Vector(place) => row.vectors[place] = Some(vector_in(text)?),
            Role::Field(name, kind) => {
                let inferred = self.inferred[at_place];
                let value = Mapping::set(row, name, Some(kind.unwrap_or(inferred)), Value::from(text));
                value.map_err(|problem| match kind {
                    Some(_) => problem,
                    None => format!(
                        "{problem}, as the first rows are; --type {}=text would take it",
                        self.columns[at_place]
                    ),
                })?;
            }
        }
        Ok(())
    }
}

impl<R: Read> Rows for CsvRows<R> {
    fn next_row(&mut self, mapping: &Mapping) -> Result<Option<Row>, Failure> {
        if !self.begun {
            self.begin(mapping)?;
        }
        let record = match self.sample.pop_front() {
            Some(record) => record,
            None => match self.read_record()? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        self.rows += 1;
        let mut row = mapping.row(self.rows);
        row.place = record.position().map_or(self.rows + 1, csv::Position::line);
        for (place, text) in record.iter().enumerate() {
            self.cell(&mut row, mapping, place, text).map_err(|problem| {
                at(&self.file, format!("line {}, column '{}'", row.place, self.columns[place]), problem)
            })?;
        }
        Ok(Some(row))
    }

    fn unit(&self) -> &'static str {
        "line"
    }
}

/// The numbers of a cell: a JSON array, or numbers between blanks, commas or semicolons.
fn vector_in(text: &str) -> Result<Vec<f32>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| problem(&error));
    }
    let numbers = text.split([' ', ',', ';']).filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().map_err(|_| format!("'{number}' is not a number"))).collect()
}

/// An error of the format, in our words.
fn of_csv(file: &str, error: &csv::Error) -> Failure {
    let line = |position: &Option<csv::Position>| match position {
        Some(position) => format!("line {}", position.line()),
        None => "line 1".into(),
    };
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            at(file, line(pos), format!("{len} cells where the header has {expected_len}"))
        }
        ErrorKind::Utf8 { pos, err } => {
            at(file, line(pos), format!("cell {} is not UTF-8 text", err.field() + 1))
        }
        _ => Failure::Error(format!("{file}: {error}")),
    }
}
