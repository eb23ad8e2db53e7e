//! From a source to a function: reading it, and saying where it is wrong.
//!
//! A source is the body of a function. To be one it must be a whole one: it is read inside two
//! different frames, and no text that closes its frame too early fits into both.

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Function, Value};

use super::imports::Imports;

/// The name that a script has in stacks.
const NAME: &str = "script";

/// The frame that is run. After a body that ends too early, an operator may follow here.
const FRAME: (&str, &str) = ("(1?function(){\n", "\n}:0)");

/// The frame that is only read. Here a comma or a brace may follow.
const OTHER_FRAME: (&str, &str) = ("({script(){\n", "\n}})");

/// A function that was read, or the exception that says why not.
pub(super) type Read<'js> = Result<Function<'js>, Value<'js>>;

/// Reads a script. The function that is the answer takes what is imported and answers the script's
/// function.
pub(super) fn read<'js>(ctx: &Ctx<'js>, imports: &Imports) -> Read<'js> {
    let parameters: Vec<&str> =
        imports.bindings.iter().map(|(pattern, _)| pattern.as_str()).collect();
    let parameters = parameters.join(",");
    evaluate(ctx, &parameters, OTHER_FRAME, &imports.body)?;
    evaluate(ctx, &parameters, FRAME, &imports.body)
}

/// Whether a script that can be read imports while it runs: then `import` is a word of its own in
/// it, and another reserved word in its place cannot be read. Answers the exception that says where.
pub(super) fn dynamic_import<'js>(ctx: &Ctx<'js>, imports: &Imports) -> Option<Value<'js>> {
    if !imports.body.contains("import") {
        return None;
    }
    // As long as the word that it replaces; as a name of a property it is as good.
    let body = imports.body.replace("import", "export");
    evaluate(ctx, "", FRAME, &body).err()
}

fn evaluate<'js>(ctx: &Ctx<'js>, parameters: &str, frame: (&str, &str), body: &str) -> Read<'js> {
    let text = format!("(({parameters})=>{}{body}{})", frame.0, frame.1);
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(NAME.to_owned());
    ctx.eval_with_options(text, options).map_err(|_| ctx.catch())
}

/// The first place of the script in a stack: line and column, from 1. The frame has a line of its
/// own before the first.
pub(super) fn place(stack: &str) -> Option<(u32, u32)> {
    let marker = format!("{NAME}:");
    let whole = |start: &usize| {
        let before = stack.get(..*start).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| c == '(' || c.is_whitespace())
    };
    let places = stack.match_indices(&marker).filter(|(start, _)| whole(start));
    places.into_iter().find_map(|(start, _)| {
        let rest = stack.get(start + marker.len()..)?;
        let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
        let line: u32 = numbers.next()?.parse().ok()?;
        let column: u32 = numbers.next()?.parse().ok()?;
        Some((line.checked_sub(1)?, column))
    })
}
