-- What a script left behind, as JSON. Absent for messages of other kinds, and until one has been run.
ALTER TABLE messages ADD COLUMN report TEXT;
