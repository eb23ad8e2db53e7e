-- Exports with their events and files, the keys of repeated requests, and who may ask.
--
-- Times are milliseconds since 1970 in UTC. A time before which something may not happen yet is
-- rounded up, so that what is due here is due by the exact time too. In `exports` the columns are
-- what statements ask for; `body` is the whole export. `updated_at`, `lease_until` and `progress`
-- change with every heartbeat without the body and win over what the body says.

CREATE TABLE exports (
    sequence          INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of creation
    id                TEXT NOT NULL UNIQUE,
    tenant            TEXT NOT NULL,
    dialect           TEXT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN
                          ('queued', 'running', 'completed', 'failed', 'cancelled', 'expired')),
    running_max       INTEGER,
    due_at            INTEGER NOT NULL,
    cancel_requested  INTEGER NOT NULL,
    lease_token       TEXT,
    lease_holder      TEXT,
    lease_until       INTEGER,
    label             TEXT,                              -- in lower case
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    files_expire_at   INTEGER,
    record_expires_at INTEGER NOT NULL,
    progress          TEXT NOT NULL,
    form              INTEGER NOT NULL,                  -- of the body
    body              TEXT NOT NULL,
    CHECK ((state = 'running') = (lease_token IS NOT NULL))
) STRICT;

CREATE INDEX exports_queue ON exports (tenant, dialect, sequence, due_at) WHERE state = 'queued';
CREATE INDEX exports_running ON exports (tenant, dialect, lease_until, lease_holder)
    WHERE state = 'running';
CREATE INDEX exports_list ON exports (tenant, id);
CREATE INDEX exports_files ON exports (files_expire_at) WHERE state = 'completed';
CREATE INDEX exports_records ON exports (record_expires_at);
CREATE INDEX exports_counts ON exports (dialect, state);

-- Published files, to find their export.
CREATE TABLE artifacts (
    id     TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    export TEXT NOT NULL REFERENCES exports (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX artifacts_export ON artifacts (export);

-- An event outlives a deleted export until `forget_at`, so that whoever follows learns of it.
CREATE TABLE events (
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant    TEXT NOT NULL,
    export    TEXT NOT NULL,
    at        INTEGER NOT NULL,
    state     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    forget_at INTEGER NOT NULL
) STRICT;

CREATE INDEX events_tenant ON events (tenant, sequence);
CREATE INDEX events_export ON events (export, sequence);
CREATE INDEX events_forget ON events (forget_at);

-- A key outlives a deleted export too: a repeated request must not create a second one.
CREATE TABLE idempotency_keys (
    tenant      TEXT NOT NULL,
    scope       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    export      TEXT NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_end ON idempotency_keys (expires_at);

-- When each tenant was served last, as a count of servings.
CREATE TABLE servings (
    tenant TEXT PRIMARY KEY,
    turn   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX servings_turn ON servings (turn);

CREATE TABLE credentials (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    audience   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    public     TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    label      TEXT NOT NULL,
    role       TEXT NOT NULL,
    secret     TEXT NOT NULL,                            -- a hash
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    UNIQUE (audience, kind, public)
) STRICT;

CREATE INDEX credentials_tenant ON credentials (tenant, created_at);
CREATE INDEX credentials_public ON credentials (public);

CREATE TABLE tokens (
    hash       TEXT PRIMARY KEY,
    audience   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    public     TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_end ON tokens (expires_at);

CREATE TABLE links (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       TEXT NOT NULL UNIQUE,
    tenant     TEXT NOT NULL,
    artifact   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE INDEX links_artifact ON links (tenant, artifact, expires_at);
CREATE INDEX links_end ON links (expires_at);
