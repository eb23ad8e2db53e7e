-- What the secrets of standing links are derived from: one row, made when it is first asked for.
CREATE TABLE link_key (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;
