-- Groups.
select count(*) from Account
select count(*), count(Notes), count(distinct Currency) from Account
select Currency, count(*), sum(Balance), min(Balance), max(Balance), avg(Balance) from Account group by Currency
select Currency, Status, sum(Balance) as total from Account where AutoPay group by Currency, Status having sum(Balance) > 0 order by total desc, Currency, Status
select min(Name), max(Name), min(CreatedDate), max(LastInvoiceDate) from Account
select event_type, count(*), min(inserted_at), max(screen_width), sum(screen_width) from Event group by event_type
select date_trunc('day', inserted_at) as day, count(*) from Event group by 1 order by 1
select count(*) from Account where Balance > 1000000000
select sum(Quantity), avg(UnitPrice) from InvoiceItem where SKU is null
-- Joins.
select u.name, c.name as company from User u join Company c on c.company_id = u.company_id where c.employees > 500
select c.name, count(*) as n, avg(u.score) from User u join Company c on c.company_id = u.company_id group by c.name order by n desc, c.name limit 20
select u.user_id, c.company_id from User u left join Company c on c.company_id = u.company_id
select u.user_id, c.company_id from User u full join Company c on c.company_id = u.company_id and c.plan = 'pro'
select u.user_id from User u where exists (select 1 from Event e where e.user_id = u.user_id and e.event_type = 'track')
select c.company_id from Company c where c.company_id not in (select company_id from User where company_id is not null)
select s.title, count(*) from User u join SegmentMember m on m.user_id = u.user_id join Segment s on s.id = m.segment_id group by s.title
select e.event_type, u.plan, count(*) from Event e join User u on u.user_id = e.user_id where u.is_trial = false group by e.event_type, u.plan order by e.event_type, u.plan
-- Orders and limits.
select Id, Name from Account order by Name, Id limit 10
select Id, SKU from InvoiceItem order by SKU desc nulls last, Id limit 10 offset 5
select Id, SKU from InvoiceItem order by SKU nulls first, Id limit 100
select distinct Currency, PaymentTerm from Account
select Name from Account order by Balance desc, Id limit 3
-- Other shapes.
select Id, row_number() over (partition by Currency order by Balance, Id) as place from Account
select Name from Account union select City from Contact
select upper(Name), length(Name), substr(Name, 2, 3), Name || '!' from Account
select extract(year from CreatedDate), count(*) from Account group by 1
select cast(Balance as bigint), cast(BillCycleDay as varchar), coalesce(Notes, '-') from Account
with busy as (select user_id, count(*) as events from Event group by user_id) select u.name, b.events from busy b join User u on u.user_id = b.user_id where b.events > 100
