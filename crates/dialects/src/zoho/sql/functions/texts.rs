//! Functions of text.

use sqlparser::ast::Expr;

use super::super::error::Result;
use super::super::value::{Kind, Rank, Value, quoted};
use super::super::writer::Writer;
use super::{Call, engine_call};

/// Characters to which a text may be filled up.
const PADDED_CHARS_MAX: i64 = 255;
/// Bytes of a text that is put in the place of another.
const REPLACEMENT_BYTES_MAX: usize = 256;

impl Writer<'_> {
    pub(super) fn text_function(&mut self, call: &Call<'_>) -> Result<Option<Value>> {
        let name = call.name.as_str();
        Ok(Some(match name {
            "upper" | "ucase" => self.of_one_text(call, "upper", Kind::Text)?,
            "lower" | "lcase" => self.of_one_text(call, "lower", Kind::Text)?,
            "reverse" => self.of_one_text(call, "reverse", Kind::Text)?,
            // In MySQL the length is in bytes.
            "length" | "octet_length" => self.of_one_text(call, "octet_length", Kind::Integer)?,
            "char_length" | "character_length" => {
                self.of_one_text(call, "character_length", Kind::Integer)?
            }
            "ascii" => self.of_one_text(call, "ascii", Kind::Integer)?,
            "trim" | "ltrim" | "rtrim" => {
                call.count(self, 1, 1)?;
                self.trimmed(if name == "trim" { "btrim" } else { name }, call.args[0], None)?
            }
            "concat" => {
                call.count(self, 1, usize::MAX)?;
                let values = self.texts(&call.args)?;
                joined(&values)
            }
            "concat_ws" => {
                call.count(self, 2, usize::MAX)?;
                let values = self.texts(&call.args)?;
                engine_call("concat_ws", &values, Kind::Text)
            }
            "substring" | "substr" | "mid" => self.part(call)?,
            "left" | "right" => {
                call.count(self, 2, 2)?;
                let text = self.text(call.args[0])?;
                let count = self.expr(call.args[1])?;
                let count = self.as_number(count, call.args[1])?;
                let most = not_negative(&count);
                let whole = format!("{name}({}, {most})", text.text);
                Value::atom(whole, Kind::Text).made_of([&text, &count])
            }
            "replace" => self.replaced(call)?,
            "instr" => {
                call.count(self, 2, 2)?;
                let values = self.texts(&call.args)?;
                engine_call("strpos", &values, Kind::Integer)
            }
            "locate" => self.located(call)?,
            "lpad" | "rpad" => self.padded(call)?,
            _ => return Ok(None),
        }))
    }

    fn text(&mut self, expr: &Expr) -> Result<Value> {
        let value = self.expr(expr)?;
        Ok(self.as_text(value))
    }

    fn texts(&mut self, exprs: &[&Expr]) -> Result<Vec<Value>> {
        exprs.iter().map(|expr| self.text(expr)).collect()
    }

    fn of_one_text(&mut self, call: &Call<'_>, function: &str, kind: Kind) -> Result<Value> {
        call.count(self, 1, 1)?;
        let value = self.text(call.args[0])?;
        Ok(engine_call(function, &[value], kind))
    }

    pub(super) fn trimmed(
        &mut self,
        function: &str,
        inner: &Expr,
        what: Option<&Expr>,
    ) -> Result<Value> {
        let text = self.text(inner)?;
        let Some(what) = what else { return Ok(engine_call(function, &[text], Kind::Text)) };
        // The engine takes away any of several characters, MySQL the whole of them.
        let mark = self.expr(what)?;
        match mark.constant_text() {
            Some(mark) if mark.chars().count() == 1 => {}
            _ => {
                let text = "what is taken away must be a constant of one character";
                return Err(self.wrong_constant(what, "trim", text));
            }
        }
        Ok(engine_call(function, &[text, mark], Kind::Text))
    }

    /// `substring`: from a position, or from one that counts from the end.
    fn part(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, 2, 3)?;
        let text = self.text(call.args[0])?;
        let from = self.expr(call.args[1])?;
        let from = self.as_number(from, call.args[1])?;
        let count = match call.args.get(2) {
            None => None,
            Some(expr) => {
                let count = self.expr(expr)?;
                Some(self.as_number(count, expr)?)
            }
        };
        let most =
            count.as_ref().map_or_else(String::new, |count| format!(", {}", not_negative(count)));
        let (whole, length) = (&text.text, format!("character_length({})", text.text));
        let from_end = |back: &str| {
            format!("WHEN {back} <= {length} THEN substr({whole}, {length} + 1 - ({back}){most})")
        };
        let written = match from.constant_integer() {
            Some(1..) => format!("substr({whole}, {}{most})", from.text),
            Some(0) => format!("CASE WHEN {whole} IS NOT NULL THEN '' END"),
            Some(back) => {
                let back = back.unsigned_abs().to_string();
                format!("CASE {} WHEN {whole} IS NOT NULL THEN '' END", from_end(&back))
            }
            None => {
                let at = from.operand();
                format!(
                    "CASE WHEN {at} > 0 THEN substr({whole}, {}{most}) WHEN {at} = 0 THEN '' {} \
                     WHEN {at} IS NOT NULL AND {whole} IS NOT NULL THEN '' END",
                    from.text,
                    from_end(&format!("0 - {}", from.within(Rank::Multiply))),
                )
            }
        };
        let parts = [text.clone(), from];
        Ok(Value::atom(written, Kind::Text).made_of(parts.iter().chain(&count)))
    }

    fn replaced(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, 3, 3)?;
        let text = self.text(call.args[0])?;
        let (from, to) = (self.expr(call.args[1])?, self.expr(call.args[2])?);
        match from.constant_text() {
            Some("") => return Ok(text),
            Some(from) if from.len() <= outhaul_exports::limits::PATTERN_BYTES_MAX => {}
            _ => {
                let text = "what is looked for must be a constant, and not too long";
                return Err(self.wrong_constant(call.args[1], "replace", text));
            }
        }
        if to.constant_text().is_none_or(|to| to.len() > REPLACEMENT_BYTES_MAX) {
            let text = "what is put in must be a constant of at most 256 bytes";
            return Err(self.wrong_constant(call.args[2], "replace", text));
        }
        Ok(engine_call("replace", &[text, from, to], Kind::Text))
    }

    /// `locate(part, text, from)`.
    fn located(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, 2, 3)?;
        let part = self.text(call.args[0])?;
        let text = self.text(call.args[1])?;
        let from = match call.args.get(2) {
            None => 1,
            Some(expr) => {
                let from = self.expr(expr)?.constant_integer();
                from.filter(|from| (1..=i64::from(u32::MAX)).contains(from)).ok_or_else(|| {
                    let text = "the position to begin at must be a constant, 1 or more";
                    self.wrong_constant(expr, "locate", text)
                })?
            }
        };
        if from == 1 {
            return Ok(engine_call("strpos", &[text, part], Kind::Integer));
        }
        let found = format!("strpos(substr({}, {from}), {})", text.text, part.text);
        let whole = format!("CASE WHEN {found} > 0 THEN {found} + {} ELSE {found} END", from - 1);
        Ok(Value::atom(whole, Kind::Integer).made_of([&text, &part]))
    }

    /// `lpad` and `rpad`, by a constant that has the wanted length already.
    fn padded(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, 3, 3)?;
        let text = self.text(call.args[0])?;
        let length = self.expr(call.args[1])?.constant_integer();
        let Some(length) = length.filter(|length| (0..=PADDED_CHARS_MAX).contains(length)) else {
            let text = format!("the length must be a constant from 0 to {PADDED_CHARS_MAX}");
            return Err(self.wrong_constant(call.args[1], &call.name, &text));
        };
        let filling = self.expr(call.args[2])?;
        let Some(filling) = filling.constant_text().filter(|filling| !filling.is_empty()) else {
            let text = "what is filled in must be a constant, and not empty";
            return Err(self.wrong_constant(call.args[2], &call.name, text));
        };
        let count = usize::try_from(length).unwrap_or(0);
        let filling: String = filling.chars().cycle().take(count).collect();
        let missing = format!("{length} - character_length({})", text.text);
        let filling = format!("left({}, {missing})", quoted(&filling));
        let whole = match call.name.as_str() {
            "lpad" => format!("{filling} || {}", text.text),
            _ => format!("{} || {filling}", text.text),
        };
        let whole = format!(
            "CASE WHEN character_length({0}) >= {length} THEN left({0}, {length}) ELSE {whole} END",
            text.text
        );
        Ok(Value::atom(whole, Kind::Text).made_of([&text]))
    }
}

/// Texts one after another; null where one of them is.
pub(super) fn joined(values: &[Value]) -> Value {
    let texts: Vec<_> = values.iter().map(|value| value.within(Rank::Sign)).collect();
    // An empty text makes sure that the result is text.
    let text =
        if let [only] = texts.as_slice() { format!("{only} || ''") } else { texts.join(" || ") };
    Value::atom(format!("({text})"), Kind::Text).made_of(values)
}

/// A count of characters, which MySQL takes for none where it is negative.
fn not_negative(count: &Value) -> String {
    match count.constant_integer() {
        Some(count) => count.max(0).to_string(),
        None => format!("greatest({}, 0)", count.text),
    }
}
