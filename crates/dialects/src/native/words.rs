//! The words that members of requests take. Where a word means more than itself is decided in
//! `request`.

use outhaul_exports::spec::{DecimalStyle, FractionStyle, OffsetStyle, Packing};
use utoipa::ToSchema;

/// How files are packed.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "names the words for the OpenAPI document only")]
pub enum PackingWord {
    /// As they are.
    None,
    /// One gzip stream each.
    Gzip,
    /// A zip archive each.
    Zip,
}

/// How whole files are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum FileEncryption {
    /// Not at all.
    None,
    /// One binary OpenPGP message each, to the tenant's key; their names end in `.pgp`.
    OpenPgp,
}

/// What becomes of rows that are marked as deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum DeletedWord {
    /// They are left out.
    Exclude,
    /// They are treated as any other row.
    Include,
    /// Only they are wanted.
    Only,
    /// They come too, and a last column, `deleted`, says which they are.
    Mark,
}

/// How a moment's offset is written.
pub(super) const OFFSETS: &[(&str, OffsetStyle)] = &[
    ("colon", OffsetStyle::Colon),
    ("colon_always", OffsetStyle::ColonAlways),
    ("plain", OffsetStyle::Plain),
];

/// Digits behind the second.
pub(super) const FRACTIONS: &[(&str, FractionStyle)] = &[
    ("as_needed", FractionStyle::AsNeeded),
    ("seconds", FractionStyle::Seconds),
    ("millis", FractionStyle::Millis),
    ("micros", FractionStyle::Micros),
];

/// How decimals are written.
pub(super) const DECIMALS: &[(&str, DecimalStyle)] =
    &[("scaled", DecimalStyle::Scaled), ("trimmed", DecimalStyle::Trimmed)];

/// How files are packed.
pub(super) const PACKINGS: &[(&str, Packing)] =
    &[("none", Packing::None), ("gzip", Packing::Gzip), ("zip", Packing::Zip)];

/// How whole files are encrypted.
pub(super) const FILE_ENCRYPTIONS: &[(&str, FileEncryption)] =
    &[("none", FileEncryption::None), ("openpgp", FileEncryption::OpenPgp)];

/// What becomes of rows that are marked as deleted.
pub(super) const DELETED: &[(&str, DeletedWord)] = &[
    ("exclude", DeletedWord::Exclude),
    ("include", DeletedWord::Include),
    ("only", DeletedWord::Only),
    ("mark", DeletedWord::Mark),
];
