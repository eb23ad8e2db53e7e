-- The session that an export is in: its exports run one after the other, are listed together, and may
-- have places of their own.
ALTER TABLE exports ADD COLUMN session TEXT;

UPDATE exports SET session = json_extract(body, '$.spec.session.name');

CREATE INDEX exports_session ON exports (tenant, dialect, session, id) WHERE session IS NOT NULL;
CREATE INDEX exports_session_running ON exports (tenant, dialect, session)
    WHERE state = 'running' AND session IS NOT NULL;
