-- A made-up contact centre, part 1 of 5: what chance is, and the entities. The parts run in the order of their names.
--
-- Parameters: agents, seed, start, end (both dates are within), present (an instant), name (the customer's). The tables
-- are those of tables.toml; what begins with an underscore is only for making them and is gone at the end.
--
-- All chance comes from MD5 and integers, and no row depends on the order of others: the same data from every version
-- of DuckDB and every number of threads (no hash(), no random(), no floats). See wfm-data-model.md, section 3.

CREATE MACRO _draw(topic) AS (md5_number_lower('wfm ' || $seed || ' ' || topic) >> 1)::BIGINT;
CREATE MACRO _agents() AS $agents;
CREATE MACRO _first() AS DATE $start;
CREATE MACRO _last() AS DATE $end;
CREATE MACRO _present() AS TIMESTAMP $present;
-- Days of the range that are over; whatever happened inside the range happened on a share of them.
CREATE MACRO _past_days() AS greatest(least(_last(), _present()::DATE) - _first(), 0);
CREATE MACRO _past_date(percent) AS _first() + (_past_days() * percent // 100)::INTEGER;
-- Right also where the clock skips midnight. Where it repeats midnight DuckDB takes the later one: no such zone here.
CREATE MACRO _instant(wall, tz) AS timezone('UTC', timezone(tz, wall));
CREATE MACRO _day_start(day, tz) AS _instant(day::TIMESTAMP, tz);
CREATE MACRO _decimal4(units) AS (units::DECIMAL(18, 0) * 0.0001::DECIMAL(4, 4))::DECIMAL(18, 8);
CREATE MACRO _decimal5(units) AS (units::DECIMAL(18, 0) * 0.00001::DECIMAL(5, 5))::DECIMAL(18, 9);

-- When an entity was made, changed and deleted: `life` is old, changed (lately), new or deleted.
CREATE MACRO _moment(percent, draw) AS least(_present(), _past_date(percent)::TIMESTAMP + to_seconds(28800 + draw % 36000));
CREATE MACRO _long_ago(draw) AS least(_present(), _first()::TIMESTAMP - to_seconds(17280000 + draw % 172800000));
CREATE MACRO _created(life, draw) AS CASE life WHEN 'new' THEN _moment(95, draw) ELSE _long_ago(draw) END;
CREATE MACRO _deleted(life, draw) AS CASE life WHEN 'deleted' THEN _moment(60, draw) END;
CREATE MACRO _changed(life, draw) AS CASE life
  WHEN 'new' THEN _moment(95, draw) WHEN 'deleted' THEN _moment(60, draw) WHEN 'changed' THEN _moment(97, draw)
  ELSE least(_present(), _long_ago(draw) + to_seconds(draw % 8640000)) END;

-- Fifteen minutes, as all zones used here are whole quarters of an hour off UTC: so quarters of CTs and of UTC agree.
CREATE TABLE customer AS SELECT $name AS name, 15::BIGINT AS period_minutes;

CREATE TABLE enterprise_group AS
SELECT eg_id::BIGINT AS eg_id, name, _created(life, draw) AS created_at, _changed(life, draw) AS changed_at,
       _deleted(life, draw) AS deleted_at
FROM (
  SELECT *, _draw('eg ' || eg_id) AS draw
  FROM (VALUES (1, 'North & West', 'old'), (2, 'Überseegruppe', 'changed'), (3, 'Pilot "2nd line"', 'new'), (4, 'Print <legacy>', 'deleted'))
    AS listed(eg_id, name, life)
);

CREATE TABLE business_unit AS
SELECT bu_id::BIGINT AS bu_id, name, _created(life, draw) AS created_at, _changed(life, draw) AS changed_at,
       _deleted(life, draw) AS deleted_at
FROM (
  SELECT *, _draw('bu ' || bu_id) AS draw
  FROM (VALUES (1, 'Billing | Retail', 'old'), (2, 'Après-vente', 'old'), (3, 'Sales & Service', 'changed'), (4, 'Chat', 'new'), (5, 'Fax', 'deleted'))
    AS listed(bu_id, name, life)
);

-- Sites: one regular MU each, then once more with a number, as many as the agents need. Santiago, Beirut and Cairo skip
-- midnight when the clock goes forward; Sydney and Santiago have their summer in January; Kolkata is half an hour off.
CREATE TABLE _site AS
SELECT row_number() OVER (ORDER BY site) - 1 AS site, tz, mu_name, ct_name
FROM (VALUES
  (1, 'America/Chicago',  'Chicago "Lakeside"',    'Billing & Payments'),
  (2, 'Europe/Paris',     'Lyon – L''Étoile',       'Réclamations'),
  (3, 'Australia/Sydney', 'Sydney & Hobart',       'Sales | New business'),
  (4, 'Asia/Kolkata',     'Kolkata <Night Desk>',  'Technical "Tier 1"'),
  (5, 'America/Santiago', 'Ñuñoa | Santiago',      'Español'),
  (6, 'America/New_York', 'New York',              'Retention'),
  (7, 'Asia/Beirut',      'Beirut',                'Travel <EMEA>'),
  (8, 'Africa/Cairo',     'Cairo',                 'Customer''s voice')
) AS listed(site, tz, mu_name, ct_name);

CREATE MACRO _mus() AS 6 + _agents() // 50;
CREATE MACRO _cts() AS 4 + _agents() // 60;

CREATE TABLE management_unit AS
WITH listed AS (
  SELECT 11 + i AS mu_id, mu_name || CASE WHEN i >= 8 THEN ' ' || (1 + i // 8) ELSE '' END AS name, tz,
         CASE WHEN i % 6 <> 2 THEN 1 + i % 2 END AS eg_id, CASE WHEN i % 6 <> 3 THEN 1 + i % 3 END AS bu_id,
         CASE WHEN i % 6 = 1 THEN 'changed' ELSE 'old' END AS life
  FROM range(_mus()) AS numbers(i) JOIN _site ON site = i % 8
  UNION ALL SELECT 1, 'Floaters', 'Asia/Beirut', NULL, NULL, 'old'
  UNION ALL SELECT 2, 'Detroit (closed)', 'America/New_York', 1, 1, 'deleted'
  UNION ALL SELECT 3, 'Cairo (opening)', 'Africa/Cairo', 2, NULL, 'new'
)
SELECT mu_id::BIGINT AS mu_id, name, tz, eg_id::BIGINT AS eg_id, bu_id::BIGINT AS bu_id, _created(life, draw) AS created_at,
       _changed(life, draw) AS changed_at, _deleted(life, draw) AS deleted_at
FROM (SELECT *, _draw('mu ' || mu_id) AS draw FROM listed);

CREATE TABLE contact_type AS
WITH listed AS (
  SELECT 111 + i AS ct_id, ct_name || CASE WHEN i >= 8 THEN ' ' || (1 + i // 8) ELSE '' END AS name, tz,
         CASE WHEN i % 4 <> 1 THEN 1 + i % 2 END AS eg_id, CASE WHEN i % 4 <> 2 THEN 1 + i % 3 END AS bu_id,
         CASE WHEN i % 4 = 3 THEN 'changed' ELSE 'old' END AS life
  FROM range(_cts()) AS numbers(i) JOIN _site ON site = i % 8
  UNION ALL SELECT 101, 'Telegrams', 'Europe/Paris', 1, 2, 'deleted'
  UNION ALL SELECT 102, 'Video', 'America/Chicago', NULL, 1, 'new'
)
SELECT ct_id::BIGINT AS ct_id, name, tz, eg_id::BIGINT AS eg_id, bu_id::BIGINT AS bu_id, _created(life, draw) AS created_at,
       _changed(life, draw) AS changed_at, _deleted(life, draw) AS deleted_at
FROM (SELECT *, _draw('ct ' || ct_id) AS draw FROM listed);

-- Two or three queues a CT, on ACD 1 and 2 in turn.
CREATE TABLE queue AS
SELECT ct_id * 10 + i AS queue_id, ct_id, 1 + (ct_id + i) % 2 AS acd_id,
       name || ['', ' "VIP"', ' – débordement'][1 + i] AS name
FROM contact_type CROSS JOIN range(3) AS numbers(i) WHERE i < 2 + ct_id % 2;

-- Which regular MUs work for which CTs. An MU's first CT always has a weight; others may have a share of nothing.
CREATE TABLE _edge AS
SELECT mu_id, ct_id, 1 + draw % 5 AS open_weight, (draw >> 8) % 6 + CASE WHEN step = 0 THEN 1 ELSE 0 END AS contact_weight
FROM (
  SELECT 11 + i AS mu_id, 111 + (i + step) % _cts() AS ct_id, step, _draw('edge ' || i || ' ' || step) AS draw
  FROM range(_mus()) AS mus(i) CROSS JOIN range(3) AS steps(step)
) WHERE step < 2 OR draw % 3 = 0;

-- Whole units of 0.00001 by differences of rounded running totals, so that they add up to exactly 1 (WM-107).
CREATE TABLE allocation AS
SELECT mu_id, ct_id,
       _decimal5(opened * 100000 // opens - (opened - open_weight) * 100000 // opens) AS open_share,
       _decimal5(contacted * 100000 // contacts - (contacted - contact_weight) * 100000 // contacts) AS contact_share
FROM (
  SELECT *, sum(open_weight) OVER (PARTITION BY mu_id ORDER BY ct_id) AS opened, sum(open_weight) OVER (PARTITION BY mu_id) AS opens,
         sum(contact_weight) OVER (PARTITION BY ct_id ORDER BY mu_id) AS contacted, sum(contact_weight) OVER (PARTITION BY ct_id) AS contacts
  FROM _edge
);

CREATE TABLE activity_code AS
SELECT * FROM (VALUES
  ('OPEN', true), ('OPEN CHAT', true), ('OUTBOUND', true), ('BREAK', false), ('LUNCH', false), ('MEETING', false), ('TRAINING', false),
  ('COACHING', false), ('PROJECT', false), ('Arrêt | "1:1" <A&B>', false), ('VACATION', false), ('PERSONAL', false), ('FLEX DAY', false),
  ('HOLIDAY', false), ('SICK', false), ('NOT USED', false)
) AS listed(code, is_open);

CREATE TABLE code_attribute AS SELECT unnest(['EXC_EXPORT', 'Payroll', 'Écran | old']) AS name;

-- COACHING is exported as TRAINING, which is a code without value: the two have the same export name. SICK has no value.
CREATE TABLE code_value AS
SELECT * FROM (VALUES
  ('OPEN', 'EXC_EXPORT', 'Open'), ('OPEN CHAT', 'EXC_EXPORT', 'Open'), ('OUTBOUND', 'EXC_EXPORT', 'Outbound'),
  ('BREAK', 'EXC_EXPORT', 'Break'), ('LUNCH', 'EXC_EXPORT', 'Break'), ('MEETING', 'EXC_EXPORT', 'Meeting & "huddle"'),
  ('COACHING', 'EXC_EXPORT', 'TRAINING'), ('VACATION', 'EXC_EXPORT', 'Time off'), ('PERSONAL', 'EXC_EXPORT', 'Time off'),
  ('FLEX DAY', 'EXC_EXPORT', 'Time off'), ('HOLIDAY', 'EXC_EXPORT', 'Jour férié | public'),
  ('OPEN', 'Payroll', 'PAID'), ('OPEN CHAT', 'Payroll', 'PAID'), ('OUTBOUND', 'Payroll', 'PAID'), ('BREAK', 'Payroll', 'PAID'),
  ('LUNCH', 'Payroll', 'UNPAID'), ('MEETING', 'Payroll', 'PAID'), ('TRAINING', 'Payroll', 'PAID'), ('VACATION', 'Payroll', 'LEAVE'),
  ('SICK', 'Payroll', 'LEAVE')
) AS listed(code, attribute, value);
