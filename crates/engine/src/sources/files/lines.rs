//! Lines of JSON as text: which keys a row has, and what stands behind each.
//!
//! Nothing is converted here, because this is done below the wall between tenants: a value of
//! somebody else's that is not what the catalog says must not be able to fail anything. Only a
//! line that is no JSON object at all is an error, and the error does not repeat it.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use datafusion::error::{DataFusionError, Result};

/// The longest line. Bytes.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What becomes of a value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text without its quotes; the digits of a number; anything nested as it is written.
    Text,
    /// As it is written.
    Written,
}

impl Form {
    /// The text of a value as it stands in the file; `None` for `null`.
    pub(super) fn text(self, written: &str) -> Option<Cow<'_, str>> {
        if written == "null" {
            return None;
        }
        let quoted = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let (Some(inner), Self::Text) = (quoted, self) else {
            return Some(Cow::Borrowed(written));
        };
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        // Half a surrogate pair is no text in UTF-8; as it is written, nothing of it is lost.
        let text = serde_json::from_str::<String>(written);
        Some(text.map_or(Cow::Borrowed(written), Cow::Owned))
    }
}

/// Takes a line apart: the values whose keys `place` wants, each with the place it gives them.
///
/// # Errors
/// When the line is not one JSON object. The error says where, never what.
pub(super) fn values<F: FnMut(&str) -> Option<usize>>(
    line: &[u8],
    place: F,
) -> std::result::Result<Vec<(usize, &RawValue)>, usize> {
    let mut reader = serde_json::Deserializer::from_slice(line);
    let values = Row(place).deserialize(&mut reader).map_err(|cause| cause.column())?;
    reader.end().map_err(|cause| cause.column())?;
    Ok(values)
}

/// Whether there is anything on a line.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

struct Row<F>(F);

impl<'de, F: FnMut(&str) -> Option<usize>> DeserializeSeed<'de> for Row<F> {
    type Value = Vec<(usize, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&str) -> Option<usize>> Visitor<'de> for Row<F> {
    type Value = Vec<(usize, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(place) = map.next_key_seed(Key(&mut self.0))? {
            match place {
                Some(at) => values.push((at, map.next_value()?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

struct Key<'a, F>(&'a mut F);

impl<'de, F: FnMut(&str) -> Option<usize>> DeserializeSeed<'de> for Key<'_, F> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<F: FnMut(&str) -> Option<usize>> Visitor<'_> for Key<'_, F> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok((self.0)(key))
    }
}

/// The lines of a part of a file: those that begin in it.
pub(super) struct Lines {
    name: String,
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    /// What was read of a line that has not ended yet.
    held: BytesMut,
    /// Whole lines, from which the next one is taken.
    block: Bytes,
    /// Where the block begins in the file.
    at: u64,
    /// Where the part ends in the file.
    end: u64,
    /// Whether the first line began before the part.
    skip: bool,
    over: bool,
}

impl Lines {
    /// Opens the part of a file from `start` to `end`. Bytes.
    pub(super) async fn open(
        store: &dyn ObjectStore,
        file: &ObjectMeta,
        start: u64,
        end: u64,
    ) -> Result<Self> {
        // One byte earlier: whether a line begins at the start, the byte before it tells.
        let from = start.saturating_sub(1);
        let range = (start > 0).then_some(GetRange::Offset(from));
        let options = GetOptions { range, ..GetOptions::default() };
        let chunks = store.get_opts(&file.location, options).await?.into_stream();
        Ok(Self {
            name: file.location.to_string(),
            chunks,
            held: BytesMut::new(),
            block: Bytes::new(),
            at: from,
            end,
            skip: start > 0,
            over: false,
        })
    }

    /// The next line that is not blank, with where it begins.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Bytes)>> {
        loop {
            if self.block.is_empty() && !self.fill().await? {
                return Ok(None);
            }
            let length = self.block.iter().position(|&byte| byte == b'\n');
            let line = self.block.split_to(length.map_or(self.block.len(), |at| at + 1));
            let at = self.at;
            self.at += line.len() as u64;
            if std::mem::take(&mut self.skip) {
                continue;
            }
            if at >= self.end {
                return Ok(None);
            }
            let mark: &[u8] = if at == 0 { b"\xef\xbb\xbf" } else { b"" };
            let line = if line.starts_with(mark) { line.slice(mark.len()..) } else { line };
            if !is_blank(&line) {
                return Ok(Some((at, line)));
            }
        }
    }

    /// Reads on until a line has ended. False at the end of the file.
    async fn fill(&mut self) -> Result<bool> {
        while !self.over {
            let Some(chunk) = self.chunks.next().await.transpose()? else {
                self.over = true;
                self.block = self.held.split().freeze();
                return Ok(!self.block.is_empty());
            };
            let whole = chunk.iter().rposition(|&byte| byte == b'\n');
            match whole {
                Some(last) if self.held.is_empty() => {
                    self.block = chunk.slice(..=last);
                    self.held.extend_from_slice(&chunk[last + 1..]);
                }
                Some(last) => {
                    self.held.extend_from_slice(&chunk[..=last]);
                    self.block = self.held.split().freeze();
                    self.held.extend_from_slice(&chunk[last + 1..]);
                }
                None => self.held.extend_from_slice(&chunk),
            }
            if self.held.len() > LINE_BYTES_MAX {
                return Err(self.wrong(self.at, "is longer than a line may be"));
            }
            if whole.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An error about a line of this file.
    pub(super) fn wrong(&self, at: u64, what: &str) -> DataFusionError {
        DataFusionError::Execution(format!("{}: the line at byte {at} {what}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts_that_lose_nothing() {
        for (written, text, as_written) in [
            ("null", None, None),
            ("12.50", Some("12.50"), Some("12.50")),
            ("true", Some("true"), Some("true")),
            (r#""a b""#, Some("a b"), Some(r#""a b""#)),
            (r#""a\u00e9\"""#, Some("aé\""), Some(r#""a\u00e9\"""#)),
            (r#""\ud800""#, Some(r#""\ud800""#), Some(r#""\ud800""#)),
            (r#"{"a": [1]}"#, Some(r#"{"a": [1]}"#), Some(r#"{"a": [1]}"#)),
        ] {
            assert_eq!(Form::Text.text(written).as_deref(), text, "{written}");
            assert_eq!(Form::Written.text(written).as_deref(), as_written, "{written}");
        }
    }

    #[test]
    fn a_line_is_one_object() {
        for (line, whole) in [
            (r#"{"a":1,"b":{"c":[1,2]}}"#, true),
            (r#"  {"a":1} "#, true),
            ("{}", true),
            (r#"{"a":1} {"a":2}"#, false),
            (r#"{"a":1"#, false),
            ("[1]", false),
            ("SECRET", false),
        ] {
            let found = values(line.as_bytes(), |key| (key == "a").then_some(7));
            assert_eq!(found.is_ok(), whole, "{line}");
            for (at, value) in found.into_iter().flatten() {
                assert_eq!((at, value.get()), (7, "1"), "{line}");
            }
        }
    }
}
