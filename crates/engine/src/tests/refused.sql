-- Statements that are refused whoever sends them. After the arrow: what the answer says.
-- Statements that are no query.
CREATE TABLE x (a INT) --> only a single SELECT
CREATE TABLE x AS SELECT * FROM Invoice --> only a single SELECT
CREATE VIEW x AS SELECT * FROM Invoice --> only a single SELECT
CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'
CREATE DATABASE x
CREATE SCHEMA x
CREATE FUNCTION f(INT) RETURNS INT RETURN $1 + 1
CREATE INDEX i ON Invoice (Id)
DROP TABLE Invoice --> only a single SELECT
DROP VIEW Invoice --> only a single SELECT
ALTER TABLE Invoice ADD COLUMN x INT
TRUNCATE TABLE Invoice --> only a single SELECT
INSERT INTO Invoice VALUES (1) --> only a single SELECT
INSERT INTO Invoice SELECT * FROM Invoice --> only a single SELECT
UPDATE Invoice SET Id = 'x' --> only a single SELECT
DELETE FROM Invoice --> only a single SELECT
MERGE INTO Invoice USING Account ON true WHEN MATCHED THEN DELETE
COPY Invoice TO '/tmp/x.csv'
COPY (SELECT * FROM Invoice) TO '/tmp/x.parquet' STORED AS PARQUET
COPY Invoice FROM '/etc/passwd'
SET datafusion.execution.batch_size = 1
SET TIME ZONE 'UTC'
RESET datafusion.execution.batch_size
SHOW TABLES
SHOW ALL
SHOW COLUMNS FROM Invoice
SHOW datafusion.execution.batch_size
EXPLAIN SELECT * FROM Invoice --> only a single SELECT
EXPLAIN ANALYZE SELECT * FROM Invoice --> only a single SELECT
EXPLAIN VERBOSE SELECT * FROM Invoice --> only a single SELECT
EXPLAIN ANALYZE COPY Invoice TO '/tmp/x.csv'
DESCRIBE Invoice --> only a single SELECT
DESC Invoice
PREPARE p AS SELECT * FROM Invoice
EXECUTE p
DEALLOCATE p
BEGIN
START TRANSACTION
COMMIT
ROLLBACK
GRANT SELECT ON Invoice TO x
REVOKE SELECT ON Invoice FROM x
USE x
CALL f()
KILL 1
ANALYZE TABLE Invoice
VACUUM
LISTEN x
DECLARE c CURSOR FOR SELECT * FROM Invoice
LOAD DATA INPATH '/etc/passwd' INTO TABLE Invoice
UNLOAD (SELECT * FROM Invoice) TO '/tmp/x'
INSTALL x
ATTACH DATABASE '/tmp/x' AS y
PRAGMA table_info(Invoice)
-- More than one, or none.
SELECT 1; SELECT 2 --> only a single SELECT
SELECT 1; DROP TABLE Invoice --> only a single SELECT
; --> only a single SELECT
-- Tables that are no objects.
SELECT * FROM information_schema.tables --> there is no object named information_schema.tables
SELECT * FROM information_schema.df_settings --> there is no object
SELECT * FROM pg_catalog.pg_tables --> there is no object
SELECT * FROM datafusion.public.invoice --> there is no object
SELECT * FROM public.Invoice --> there is no object
SELECT * FROM '/etc/passwd' --> there is no object
SELECT * FROM "/etc/passwd" --> there is no object
SELECT * FROM 'file:///etc/passwd' --> there is no object
SELECT * FROM 's3://bucket/x.parquet' --> there is no object
SELECT * FROM "Invoice.parquet" --> there is no object
SELECT * FROM sqlite_master --> there is no object
SELECT * FROM Invoice UNION ALL SELECT * FROM Secrets --> there is no object named Secrets
SELECT * FROM Invoice WHERE Id IN (SELECT Id FROM Other) --> there is no object named Other
WITH x AS (SELECT * FROM hidden) SELECT * FROM x --> there is no object named hidden
-- Table functions and other ways to make or find rows.
SELECT * FROM generate_series(1, 10) --> not offered
SELECT * FROM range(1, 10) --> not offered
SELECT * FROM read_csv('/etc/passwd') --> not offered
SELECT * FROM read_parquet('/etc/passwd') --> not offered
SELECT * FROM read_json('/etc/passwd') --> not offered
SELECT * FROM parquet_metadata('/tmp/x.parquet') --> not offered
SELECT * FROM TABLE(generate_series(1, 10)) --> not offered
SELECT * FROM UNNEST(make_array(1, 2)) --> not offered
SELECT * FROM Invoice, LATERAL (SELECT 1) x --> not offered
SELECT * FROM Invoice TABLESAMPLE (10 PERCENT) --> not offered
VALUES (1), (2) --> VALUES is not offered
SELECT * FROM (VALUES (1)) AS x(a) --> VALUES is not offered
TABLE Invoice
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT * FROM x --> not offered
SELECT * INTO x FROM Invoice --> not offered
SELECT * FROM Invoice FOR UPDATE --> not offered
SELECT * FROM Invoice WHERE Id = $1 --> placeholder
SELECT * FROM Invoice WHERE Id = ? --> placeholder
-- Functions that are not on the list.
SELECT version() --> version
SELECT current_user()
SELECT uuid() --> uuid
SELECT random() --> random
SELECT repeat('a', 2000000000) --> repeat
SELECT repeat(repeat('a', 100000), 100000) --> repeat
SELECT lpad('a', 2000000000) --> lpad
SELECT rpad('a', 2000000000) --> rpad
SELECT array_repeat(1, 2000000000) --> array_repeat
SELECT make_array(1, 2) --> make_array
SELECT levenshtein(Id, Id) FROM Invoice --> levenshtein
SELECT arrow_cast(Id, 'Binary') FROM Invoice --> arrow_cast
SELECT arrow_typeof(Id) FROM Invoice --> arrow_typeof
SELECT input_file_name() FROM Invoice --> input_file_name
SELECT read_file('/etc/passwd') --> read_file
SELECT pg_read_file('/etc/passwd') --> pg_read_file
SELECT pg_sleep(10) --> pg_sleep
SELECT load_extension('x') --> load_extension
SELECT array_agg(Id) FROM Invoice --> array_agg
SELECT md5(Id) FROM Invoice --> md5
SELECT read_field(Id) FROM Invoice --> read_field
SELECT checked_add(1, 2) --> checked_add
SELECT replace(Id, '', 'aaaa') FROM Invoice --> replace
SELECT replace(Id, 'a', Name) FROM Account --> replace
SELECT @@version --> version
SELECT @x
-- Columns that the catalog does not offer.
SELECT tenant FROM Invoice --> there is no field named tenant
SELECT "tenant" FROM Invoice --> there is no field named tenant
SELECT Deleted FROM Invoice --> there is no field named Deleted
SELECT AccountId FROM Invoice --> there is no field named AccountId
SELECT "#deleted" FROM Invoice --> there is no field named
SELECT "#row" FROM Invoice --> there is no field named
SELECT "#join:AccountId" FROM Invoice --> there is no field named
SELECT Invoice."#deleted" FROM Invoice --> there is no field named
SELECT i.tenant FROM Invoice i --> there is no field named i.tenant
SELECT Id FROM Invoice WHERE tenant = 'tb' --> there is no field named tenant
SELECT Id FROM Invoice ORDER BY tenant --> there is no field named tenant
SELECT count(*) FROM Invoice GROUP BY tenant --> there is no field named tenant
-- Values that no file format has a column for, and stars that say more than their table.
SELECT struct(1, 2) AS x --> not offered
SELECT {'a': 1} AS x --> not offered
SELECT [1, 2] AS x --> not offered
SELECT * REPLACE (1 AS Id) FROM Invoice --> name the columns
SELECT * EXCLUDE (Id) FROM Invoice --> name the columns
SELECT i.* EXCEPT (Id) FROM Invoice i --> name the columns
SELECT * RENAME (Id AS Key) FROM Invoice --> name the columns
