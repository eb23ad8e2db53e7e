-- outcome, a tab, a statement. See limits.rs.
refused	SELECT repeat('a', 2000000000)
refused	SELECT repeat(repeat('a', 100000), 100000)
refused	SELECT lpad('a', 2000000000)
refused	SELECT rpad(Id, 2000000000) FROM Contact
refused	SELECT array_repeat(1, 2000000000)
refused	SELECT array_resize(make_array(1), 2000000000)
refused	SELECT * FROM generate_series(1, 2000000000)
refused	SELECT * FROM range(1, 2000000000000)
refused	SELECT levenshtein(Id, FirstName) FROM Contact
refused	SELECT array_agg(Id) FROM Contact
refused	WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n FROM x) SELECT count(*) FROM x
refused	SELECT replace(Id, '', 'aaaaaaaaaaaaaaaa') FROM Contact
refused	SELECT replace(replace(replace(replace('aaaa', 'a', 'aaaaaaaaaaaaaaaa'), 'a', 'aaaaaaaaaaaaaaaa'), 'a', 'aaaaaaaaaaaaaaaa'), 'a', 'aaaaaaaaaaaaaaaa')
refused	SELECT regexp_like(Id, Id) FROM Contact
refused	SELECT regexp_replace(Id, '', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') FROM Contact
refused	SELECT count(*) FROM UNNEST(make_array(1)) x
refused	SELECT random() FROM Contact a, Contact b
refused	SELECT pg_sleep(1000)
refused	SELECT regexp_like(Id, '(((((((((a{100}){100}){100}){100}){100}){100}){100}){100}){100})') FROM Contact
memory	SELECT string_agg(a.Id || b.FirstName || a.WorkEmail, ',') FROM Contact a, Contact b
memory	SELECT a.Id, b.Id FROM Contact a JOIN Contact b ON a.Country = b.Country ORDER BY a.Id || b.Id
memory	SELECT DISTINCT a.Id || b.Id FROM Contact a JOIN Contact b ON a.Country = b.Country
memory	SELECT count(DISTINCT a.Id || b.Id) FROM Contact a JOIN Contact b ON a.Country = b.Country
memory	SELECT a.Id || b.Id, count(*) FROM Contact a, Contact b GROUP BY 1
memory	SELECT Id, count(*) OVER (PARTITION BY x) FROM (SELECT a.Id, a.Country AS x FROM Contact a JOIN Contact b ON a.Country = b.Country)
memory	SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY a.Id || b.Id) AS n FROM Contact a, Contact b)
memory	SELECT median(length(a.Id) + length(b.Id)) FROM Contact a, Contact b
answered	SELECT count(*) FROM Contact a, Contact b
answered	SELECT Id FROM Contact ORDER BY Id DESC LIMIT 5
answered	SELECT max(length(Id || FirstName)) FROM Contact
answered	SELECT count(*) FROM Contact WHERE regexp_like(Id, '(a|a)*(a|a)*(a|a)*(a|a)*b')
process	SELECT count(*) FROM Invoice a, Invoice b, Invoice c, Invoice d, Invoice e
process	SELECT count(*) FROM Contact a JOIN Contact b ON a.Id <> b.Id JOIN Contact c ON b.Id <> c.Id JOIN Contact d ON c.Id <> d.Id
process	SELECT max(length(x)) FROM (SELECT x||x||x||x||x||x||x||x AS x FROM (SELECT x||x||x||x||x||x||x||x AS x FROM (SELECT x||x||x||x||x||x||x||x AS x FROM (SELECT x||x||x||x||x||x||x||x AS x FROM (SELECT x||x||x||x||x||x||x||x AS x FROM (SELECT Id AS x FROM Contact) a) b) c) d) e) f
process	SELECT power(2, 1000) FROM Contact a, Contact b, Contact c, Contact d
