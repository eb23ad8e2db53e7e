-- Series of exports, each of which reads what changed since the one before. `body` is the whole
-- session; the other columns are what statements ask for.
CREATE TABLE sessions (
    tenant     TEXT NOT NULL,
    dialect    TEXT NOT NULL,
    name       TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    form       INTEGER NOT NULL,                         -- of the body
    body       TEXT NOT NULL,
    PRIMARY KEY (tenant, dialect, name)
) STRICT, WITHOUT ROWID;
