//! Functions of numbers.

use super::super::error::Result;
use super::super::value::{Kind, Value};
use super::super::writer::{Writer, remainder};
use super::{Call, engine_call};

impl Writer<'_> {
    pub(super) fn number_function(&mut self, call: &Call<'_>) -> Result<Option<Value>> {
        let name = call.name.as_str();
        Ok(Some(match name {
            "abs" => {
                let [value] = self.numbers(call)?;
                let kind = value.kind;
                engine_call("abs", &[value], kind)
            }
            "ceil" | "ceiling" | "floor" => {
                let [value] = self.numbers(call)?;
                let function = if name == "floor" { "floor" } else { "ceil" };
                match value.kind {
                    Kind::Integer => value,
                    _ => {
                        let text = format!("CAST({function}({}) AS BIGINT)", value.text);
                        Value::atom(text, Kind::Integer).made_of([&value])
                    }
                }
            }
            "round" | "truncate" | "trunc" => self.rounded(call)?,
            "mod" => {
                let [left, right] = self.numbers(call)?;
                remainder(&left, &right)
            }
            "pow" | "power" => {
                let parts: [Value; 2] = self.numbers(call)?;
                let [base, exponent] = &parts;
                let text = format!(
                    "power(CAST({} AS DOUBLE), CAST({} AS DOUBLE))",
                    base.text, exponent.text
                );
                Value::atom(text, Kind::Float).made_of(&parts)
            }
            "sqrt" | "ln" | "log10" | "log2" => {
                let [value] = self.numbers(call)?;
                // Of what has none, MySQL answers null.
                let least = if name == "sqrt" { ">=" } else { ">" };
                let text = format!(
                    "CASE WHEN {0} {least} 0 THEN {name}({1}) END",
                    value.operand(),
                    value.text
                );
                Value::atom(text, Kind::Float).made_of([&value])
            }
            "exp" => {
                let [value] = self.numbers(call)?;
                engine_call("exp", &[value], Kind::Float)
            }
            "pi" => {
                call.count(self, 0, 0)?;
                Value::atom("pi()", Kind::Float)
            }
            "sign" => {
                let [value] = self.numbers(call)?;
                let number = value.operand();
                let text = format!(
                    "CASE WHEN {number} > 0 THEN 1 WHEN {number} < 0 THEN -1 WHEN {number} = 0 THEN 0 END"
                );
                Value::atom(text, Kind::Integer).made_of([&value])
            }
            "greatest" | "least" => {
                call.count(self, 2, usize::MAX)?;
                let mut values = self.exprs(call.args.iter().copied())?;
                let kind = self.common(&mut values);
                // The engine passes over nulls; MySQL does not.
                let nulls: Vec<_> =
                    values.iter().map(|value| format!("{} IS NULL", value.operand())).collect();
                let greatest = engine_call(name, &values, kind);
                let text =
                    format!("CASE WHEN NOT ({}) THEN {} END", nulls.join(" OR "), greatest.text);
                Value::atom(text, kind).made_of(&values)
            }
            _ => return Ok(None),
        }))
    }

    fn numbers<const N: usize>(&mut self, call: &Call<'_>) -> Result<[Value; N]> {
        call.count(self, N, N)?;
        let mut values = Vec::with_capacity(N);
        for expr in &call.args {
            let value = self.expr(expr)?;
            values.push(self.as_number(value, expr)?);
        }
        // Cannot fail because the arguments were counted.
        Ok(values.try_into().unwrap_or_else(|_| unreachable!("the arguments were counted")))
    }

    fn rounded(&mut self, call: &Call<'_>) -> Result<Value> {
        call.count(self, if call.name == "round" { 1 } else { 2 }, 2)?;
        let value = self.expr(call.args[0])?;
        let value = self.as_number(value, call.args[0])?;
        let digits = match call.args.get(1) {
            None => 0,
            Some(expr) => {
                let digits = self.expr(expr)?.constant_integer();
                digits.filter(|digits| (-30..=30).contains(digits)).ok_or_else(|| {
                    self.wrong_constant(
                        expr,
                        &call.name,
                        "the digits must be a constant from -30 to 30",
                    )
                })?
            }
        };
        let function = if call.name == "round" { "round" } else { "trunc" };
        let text = match (value.kind, digits) {
            (Kind::Integer, 0..) => return Ok(value),
            (Kind::Decimal, 0) => format!("CAST({function}({}) AS DECIMAL(38, 0))", value.text),
            (Kind::Decimal, 1..=18) if function == "round" => {
                format!("CAST({} AS DECIMAL(38, {digits}))", value.text)
            }
            _ => format!("{function}({}, {digits})", value.text),
        };
        Ok(Value::atom(text, value.kind).made_of([&value]))
    }
}
