//! What an encoder has to say besides its bytes: counts, and typed warnings about every value
//! that is not in the file exactly as it was in the source. Nothing is shortened silently.

use serde::{Deserialize, Serialize};

/// Why a value differs from its source. Serialised in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A text was longer than the format allows and was cut at the limit.
    TextCut,
    /// Characters that the format cannot hold were replaced by U+FFFD.
    CharactersReplaced,
    /// Characters stand as boxes because the font of the pages does not have them; the text that
    /// is copied or searched has them.
    CharactersBoxed,
    /// A number was written as text because a spreadsheet would round it.
    NumberAsText,
    /// A date lies outside the spreadsheet's calendar and was written as text.
    DateAsText,
    /// A timestamp or time of day is finer than the spreadsheet keeps, and was cut to the
    /// millisecond it lies in.
    TimestampRounded,
    /// A text that was to be JSON is none, and was written as a JSON string.
    InvalidJson,
    /// A timestamp or time of day is finer than a microsecond, and was cut to the one it lies in.
    TimeCut,
    /// The rows went on in a further sheet.
    FurtherSheet,
    /// The format has no type for a value, and it was written as text.
    TypeAsText,
}

/// One kind of warning for one column, counted over the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Why.
    pub kind: WarningKind,
    /// Name of the column; empty when the warning is about the file.
    pub column: String,
    /// How many values (or sheets).
    pub count: u64,
    /// The first row it happened in, counted from 1.
    pub first_row: u64,
}

impl WarningKind {
    /// A sentence for the customer, without column or count.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::TextCut => "text longer than the format allows was cut at the limit",
            Self::CharactersReplaced => {
                "characters that the format cannot hold were replaced by U+FFFD"
            }
            Self::CharactersBoxed => {
                "characters that the built-in font does not have stand as boxes on the page; \
                 copied or searched text has them"
            }
            Self::NumberAsText => {
                "numbers of more than 15 digits were written as text so that no digit is lost"
            }
            Self::DateAsText => "dates outside 1900-03-01 to 9999-12-31 were written as text",
            Self::TimestampRounded => "times finer than a millisecond were cut to the millisecond",
            Self::InvalidJson => "text that is not valid JSON was written as a JSON string",
            Self::TimeCut => "times finer than a microsecond were cut to the microsecond",
            Self::FurtherSheet => "rows went on in further sheets",
            Self::TypeAsText => {
                "values of a type that the format does not have were written as text"
            }
        }
    }
}

/// Warnings of one chunk or file, at most one per kind and column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings(Vec<Warning>);

impl Warnings {
    /// Counts one value of `column` in data row `row` (from 0).
    pub fn note(&mut self, kind: WarningKind, column: &str, row: u64) {
        match self.0.iter_mut().find(|known| known.kind == kind && known.column == column) {
            Some(known) => known.count += 1,
            None => self.0.push(Warning {
                kind,
                column: column.to_owned(),
                count: 1,
                first_row: row + 1,
            }),
        }
    }

    /// Adds the warnings of a later chunk.
    pub fn merge(&mut self, later: Self) {
        for warning in later.0 {
            match self
                .0
                .iter_mut()
                .find(|known| known.kind == warning.kind && known.column == warning.column)
            {
                Some(known) => {
                    known.count += warning.count;
                    known.first_row = known.first_row.min(warning.first_row);
                }
                None => self.0.push(warning),
            }
        }
    }

    /// True when every value is in the file as it was in the source.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The warnings, in the order in which they first came up.
    pub fn into_vec(self) -> Vec<Warning> {
        self.0
    }
}

/// Warnings of one column and chunk while it is encoded: a count per kind, without a look-up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally([(u64, u64); KINDS.len()]);

const KINDS: [WarningKind; 8] = [
    WarningKind::TextCut,
    WarningKind::CharactersBoxed,
    WarningKind::CharactersReplaced,
    WarningKind::NumberAsText,
    WarningKind::DateAsText,
    WarningKind::TimestampRounded,
    WarningKind::InvalidJson,
    WarningKind::TimeCut,
];

impl Tally {
    /// Counts a value in data row `row` of the file (from 0).
    #[inline]
    pub(crate) fn note(&mut self, kind: WarningKind, row: u64) {
        // Kinds about the whole file are not counted per column.
        if let Some(place) = KINDS.iter().position(|known| *known == kind) {
            let (count, first_row) = &mut self.0[place];
            if *count == 0 {
                *first_row = row + 1;
            }
            *count += 1;
        }
    }

    /// Moves the counts into the chunk's warnings.
    pub(crate) fn tell(&self, column: &str, warnings: &mut Warnings) {
        for (kind, (count, first_row)) in KINDS.into_iter().zip(self.0) {
            if count > 0 {
                let column = column.to_owned();
                warnings.merge(Warnings(vec![Warning { kind, column, count, first_row }]));
            }
        }
    }
}

/// What one file of the output holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryReport {
    /// Name of the file.
    pub name: String,
    /// Data rows, headers not counted.
    pub rows: u64,
    /// Bytes of the file before packing.
    pub bytes_uncompressed: u64,
    /// Values that differ from their source.
    pub warnings: Vec<Warning>,
}

/// What the whole run wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Data rows over all entries.
    pub rows: u64,
    /// Bytes over all entries before packing.
    pub bytes_uncompressed: u64,
    /// Bytes given to the sink.
    pub bytes_written: u64,
    /// One per entry, in order.
    pub entries: Vec<EntryReport>,
}

impl Report {
    /// All warnings of all entries.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.entries.iter().flat_map(|entry| entry.warnings.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_counted_per_kind_and_column() {
        let mut first = Warnings::default();
        first.note(WarningKind::TextCut, "a", 10);
        first.note(WarningKind::TextCut, "a", 11);
        first.note(WarningKind::NumberAsText, "a", 3);
        let mut later = Warnings::default();
        later.note(WarningKind::TextCut, "a", 20);
        later.note(WarningKind::TextCut, "b", 21);
        first.merge(later);
        let all = first.into_vec();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].count, all[0].first_row), (3, 11));
        assert_eq!((all[2].column.as_str(), all[2].first_row), ("b", 22));
    }
}
