//! Every number that bounds the system and is not a policy, with its unit, in one place.

use std::time::Duration;

// Queries.

/// Characters of a query's text in any language.
pub const QUERY_CHARS_MAX: usize = 20_000;
/// Queries of one export.
pub const QUERIES_MAX: usize = 50;
/// Columns of one result.
pub const COLUMNS_MAX: usize = 2_000;
/// Keys of a grouping.
pub const GROUP_BY_MAX: usize = 50;
/// Keys of an order.
pub const ORDER_BY_MAX: usize = 50;
/// Relations followed in one path.
pub const RELATION_DEPTH_MAX: usize = 4;
/// Documents inside each other in what an export writes.
pub const DOCUMENT_DEPTH_MAX: usize = 16;
/// Lists of related rows in the documents of an export.
pub const LISTS_MAX: usize = 20;
/// Elements of one list in one document.
pub const LIST_ELEMENTS_MAX: usize = 100_000;
/// Columns of documents that become a table: the width of a sheet.
pub const FLAT_COLUMNS_MAX: usize = 16_384;
/// Cells of such columns that are made at once.
pub const FLAT_CELLS_MAX: usize = 1_000_000;
/// Files that the rows of one archive refer to.
pub const ARCHIVE_FILES_MAX: usize = 4_000_000;
/// Terms joined by one AND, OR, or arithmetic chain. DataFusion overflows its stack at 2,000.
pub const CHAIN_TERMS_MAX: usize = 500;
/// Conditions of one query on related rows. Each joins an object.
pub const EXISTS_MAX: usize = 30;
/// Conditions or parentheses inside each other.
pub const NESTING_MAX: usize = 50;
/// Values of one IN list.
pub const IN_LIST_MAX: usize = 10_000;
/// Bytes of a LIKE pattern.
pub const PATTERN_BYTES_MAX: usize = 4_096;
/// Rows of a preview.
pub const PREVIEW_ROWS_MAX: u64 = 100;
/// Rows of a list that a dialect answers from the data itself, at once.
pub const READ_ROWS_MAX: u64 = 1_000;
/// Checks and previews of one tenant that may wait for a planner; further ones are refused at once.
pub const PLANS_WAITING_MAX: usize = 16;
/// Bytes of a preview's answer.
pub const PREVIEW_BYTES_MAX: usize = 4 * 1024 * 1024;

// Clients.

/// Passwords that are checked at once; each takes 19 MiB and some 20 ms of a processor.
pub const PASSWORD_CHECKS_MAX: usize = 4;
/// Passwords that may wait for their check; whoever comes after them is sent away at once.
pub const PASSWORD_CHECKS_WAITING_MAX: usize = 64;

// Exports.

/// Characters of the password of an export's files.
pub const FILE_PASSWORD_CHARS_MAX: usize = 256;
/// Characters of an export's label.
pub const LABEL_CHARS_MAX: usize = 255;
/// Characters of the text that stands for a missing value.
pub const NULL_TEXT_CHARS_MAX: usize = 255;
/// Characters of an export's description.
pub const DESCRIPTION_CHARS_MAX: usize = 4_000;
/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_KEY_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Exports listed on one page.
pub const PAGE_MAX: u32 = 200;
/// Warnings kept on one export; further ones are counted.
pub const WARNINGS_MAX: usize = 100;
/// Characters of a failure's text.
pub const FAILURE_CHARS_MAX: usize = 1_000;

/// Files of one export.
pub const FILES_MAX: usize = 5_000;
/// The fewest rows after which a query may be split into another file.
pub const SPLIT_ROWS_MIN: u64 = 100;

// Sessions.

/// Characters of a session's name.
pub const SESSION_NAME_CHARS_MAX: usize = 100;
/// Sessions of one tenant, over all dialects.
pub const SESSIONS_MAX: u32 = 1_000;
/// Queries that one session remembers; the one that was asked longest ago is forgotten first, and
/// starts in full again.
pub const SESSION_QUERIES_MAX: usize = 200;

// Attempts.

/// Slot crashes under one export before it fails with `worker_crashed`.
pub const CRASHES_MAX: u32 = 3;
/// Attempts of one export that end in an error that may pass, before it fails.
pub const ATTEMPTS_MAX: u32 = 5;
/// Times an export may lose its worker to a death of the whole process.
pub const RESCUES_MAX: u32 = 1_000;
/// The longest lease. One that ends later was given by a clock that has been set back since.
pub const LEASE_MAX: Duration = Duration::from_secs(600);
/// First pause before a failed attempt is repeated; it doubles each time.
pub const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// The longest such pause.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(300);

// Notices.

/// Addresses that one export's end is told to.
pub const NOTICE_ADDRESSES_MAX: usize = 100;
/// Bytes of an address for mail (RFC 5321, section 4.5.3.1.3, without the angle brackets).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// Bytes of an address's part before the `@` (RFC 5321, section 4.5.3.1.1).
pub const ADDRESS_LOCAL_BYTES_MAX: usize = 64;
/// Bytes of the URL that a message's links are made from.
pub const NOTICE_URL_BYTES_MAX: usize = 1_024;
/// First pause before a message that was not taken is sent again; it doubles each time.
pub const NOTICE_PAUSE: Duration = Duration::from_secs(30);
/// The longest such pause.
pub const NOTICE_PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// How long after the export's end a message is tried again before it is given up.
pub const NOTICE_PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Attempts of one message, those included whose process died before it could tell their end.
pub const NOTICE_ATTEMPTS_MAX: u32 = 100;
/// Messages of one kind that are sent at once.
pub const NOTICES_AT_ONCE: usize = 8;
/// Characters kept of the reason why a message was not taken.
pub const NOTICE_ERROR_CHARS_MAX: usize = 300;
/// Files that one message lists with their links; of further ones it tells how many there are.
pub const NOTICE_FILES_MAX: usize = 50;

// Callbacks.

/// URLs that one export's end is told to.
pub const NOTICE_CALLBACKS_MAX: usize = 10;
/// Bytes of a callback's URL, with places in it.
pub const CALLBACK_URL_BYTES_MAX: usize = 5_000;
/// Bytes of a callback's URL when its places are filled.
pub const CALLBACK_FILLED_BYTES_MAX: usize = 8_000;
/// Characters of a word for an export's state.
pub const CALLBACK_WORD_CHARS_MAX: usize = 100;
/// Ports to which callbacks are sent unless the operator names others.
pub const CALLBACK_PORTS: [u16; 3] = [80, 443, 8443];
/// Bytes of a host's name (RFC 1035, section 2.3.4, as it is written).
pub const HOST_BYTES_MAX: usize = 253;
/// Bytes that are read of a receiver's answer.
pub const CALLBACK_ANSWER_BYTES_MAX: usize = 64 << 10;
/// How long one callback may take, from the look-up of its host to the head of the answer.
pub const CALLBACK_TIME: Duration = Duration::from_secs(10);
/// Callbacks that are sent at once.
pub const CALLBACKS_AT_ONCE: usize = 32;

// Scripts.

/// Scripts that one export's end runs.
pub const NOTICE_SCRIPTS_MAX: usize = 1;
/// Characters of a script.
pub const SCRIPT_CHARS_MAX: usize = 50_000;
/// Scripts that are run at once unless the operator says otherwise. Each may keep a processor busy.
pub const SCRIPTS_AT_ONCE: usize = 2;
/// How long a script may work, without the time in which it waits for what it calls.
pub const SCRIPT_TIME: Duration = Duration::from_secs(10);
/// How long it may wait for all that it calls.
pub const SCRIPT_WAITS: Duration = Duration::from_secs(230);
/// Bytes of memory for what a script makes.
pub const SCRIPT_MEMORY_BYTES: usize = 64 << 20;
/// Bytes of what a script is given, as JSON.
pub const SCRIPT_GLOBALS_BYTES_MAX: usize = 1 << 20;
/// Lines of a script's log that are kept.
pub const SCRIPT_LOG_LINES_MAX: usize = 1_000;
/// Bytes of a script's log that are kept.
pub const SCRIPT_LOG_BYTES_MAX: usize = 64 << 10;
/// Bytes of a script's result, as JSON.
pub const SCRIPT_RESULT_BYTES_MAX: usize = 64 << 10;
/// HTTP requests that a script may send.
pub const SCRIPT_REQUESTS_MAX: u32 = 5;
/// How long one of them may take, from the look-up of its host to the last byte of the answer.
pub const SCRIPT_REQUEST_TIME: Duration = Duration::from_secs(30);
/// Bytes of the body of one of them, and of that of its answer.
pub const SCRIPT_REQUEST_BYTES_MAX: usize = 512 << 10;
/// Headers of one of them, and of its answer.
pub const SCRIPT_HEADERS_MAX: usize = 100;
/// Bytes of all these headers, names and values.
pub const SCRIPT_HEADER_BYTES_MAX: usize = 32 << 10;
/// Mails that a script may send.
pub const SCRIPT_MAILS_MAX: u32 = 100;
/// Characters of a mail's text, and of each value in it, that a script names.
pub const SCRIPT_MAIL_CHARS_MAX: usize = 10_000;
/// Values that a script may name for a mail.
pub const SCRIPT_MAIL_VALUES_MAX: usize = 100;
/// Scripts that are read at once when exports are created.
pub const SCRIPT_CHECKS_AT_ONCE: usize = 2;
/// How long reading a script may take.
pub const SCRIPT_CHECK_TIME: Duration = Duration::from_secs(5);
/// Scripts that may wait to be read; whoever comes after them is sent away at once.
pub const SCRIPT_CHECKS_WAITING_MAX: usize = 32;

// Access.

/// How long an access token is valid.
pub const TOKEN_TTL: Duration = Duration::from_secs(3_600);
/// The default life of a download link.
pub const LINK_TTL: Duration = Duration::from_secs(900);
/// The longest life of a download link.
pub const LINK_TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Live links of one artifact.
pub const LINKS_MAX: u32 = 100;

// Requests.

/// Bytes of a request's body after decompression.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Nesting of a request's JSON.
pub const JSON_DEPTH_MAX: usize = 64;
/// Keys in all objects of a request's JSON.
pub const JSON_KEYS_MAX: usize = 1_000;
/// Bytes of a request's URI.
pub const URI_BYTES_MAX: usize = 64 * 1024;
