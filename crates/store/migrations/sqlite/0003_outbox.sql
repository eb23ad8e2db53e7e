-- Messages that tell of an export's end, until they were taken or given up. They go with their
-- export. While one is being sent, `due_at` is when whoever sends it loses it.
CREATE TABLE messages (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,        -- the order of creation
    id         TEXT NOT NULL UNIQUE,
    export     TEXT NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
    tenant     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    what       TEXT NOT NULL,                            -- the kind with its particulars, as JSON
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given_up')),
    last_error TEXT,
    ended_at   INTEGER,
    CHECK ((state = 'waiting') = (ended_at IS NULL))
) STRICT;

CREATE INDEX messages_due ON messages (kind, due_at, sequence) WHERE state = 'waiting';
CREATE INDEX messages_export ON messages (export, sequence);
