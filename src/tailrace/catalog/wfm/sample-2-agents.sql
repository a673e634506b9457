-- A made-up contact centre, part 2 of 5: agents, their MUs, logons and data.

CREATE TABLE time_off_group AS
SELECT group_id::BIGINT AS group_id, name
FROM (VALUES (31, 'Vacation | Congés'), (32, 'Personal "floating" time'), (33, 'Flex & comp <days>')) AS listed(group_id, name);

CREATE TABLE data_group AS
SELECT group_id::BIGINT AS group_id, name FROM (VALUES (7, 'Team'), (9, 'Site'), (12, 'Équipe | région')) AS listed(group_id, name);

-- The first twenty agents are one of each kind, so that a small centre has them all (WM-115); of the others a few are.
CREATE TABLE _agent AS
WITH drawn AS (
  SELECT i AS n, 10001 + i AS tv_id, _draw('agent ' || i) AS draw FROM range(_agents()) AS numbers(i)
),
kinds AS (
  SELECT *, CASE
    WHEN n IN (9, 10, 11) OR n < 7 OR n = 8 THEN 'usual' WHEN n = 7 THEN 'no logon' WHEN n = 12 THEN 'deleted'
    WHEN n = 13 THEN 'moved' WHEN n = 14 THEN 'moves later' WHEN n = 15 THEN 'from closed MU' WHEN n = 16 THEN 'new'
    WHEN n = 17 THEN 'left' WHEN n = 18 THEN 'came back' WHEN n = 19 THEN 'late logon'
    WHEN draw % 1000 < 25 THEN 'no logon' WHEN draw % 1000 < 50 THEN 'deleted' WHEN draw % 1000 < 85 THEN 'moved'
    WHEN draw % 1000 < 95 THEN 'moves later' WHEN draw % 1000 < 105 THEN 'from closed MU' WHEN draw % 1000 < 185 THEN 'new'
    WHEN draw % 1000 < 205 THEN 'left' WHEN draw % 1000 < 220 THEN 'came back' WHEN draw % 1000 < 230 THEN 'late logon'
    ELSE 'usual' END AS kind
  FROM drawn
)
SELECT n, tv_id, draw, kind,
       CASE WHEN kind = 'from closed MU' THEN 2 WHEN n % 17 = 5 THEN 1 ELSE 11 + n % _mus() END AS mu_id,
       -- The next site along, which has another zone.
       CASE WHEN kind = 'from closed MU' THEN 11 + n % _mus() ELSE 11 + (n + 1) % _mus() END AS next_mu_id,
       CASE WHEN kind = 'new' THEN _past_date(10 + (draw >> 12) % 80) + 3 ELSE _first() - (30 + (draw >> 12) % 2000)::INTEGER END AS joined_on,
       CASE
         WHEN kind = 'from closed MU' THEN _past_date(20 + (draw >> 24) % 30)
         WHEN kind = 'moves later' THEN _past_date(100) + ((_last() - _past_date(100)) // 2)::INTEGER
         WHEN kind IN ('deleted', 'moved', 'left', 'came back') THEN _past_date(25 + (draw >> 24) % 50) END AS turned_on,
       kind IN ('deleted', 'left') AS gone
FROM kinds;

CREATE TABLE agent_mu AS
SELECT tv_id, joined_on AS from_date, mu_id::BIGINT AS mu_id, turned_on AS to_date FROM _agent
UNION ALL
SELECT tv_id, turned_on + CASE kind WHEN 'came back' THEN 30 ELSE 0 END, next_mu_id::BIGINT, NULL FROM _agent
WHERE turned_on IS NOT NULL AND NOT gone;

-- Logons: a first ACD, whose logon is replaced for some; a second logon on it or a second ACD for some.
CREATE TABLE agent_acd AS
WITH listed AS (
  SELECT n, draw, kind, joined_on, 1 + n % 2 AS acd, 3 - (1 + n % 2) AS other_acd, CASE WHEN gone THEN turned_on END AS gone_on,
         CASE WHEN kind = 'late logon' THEN _past_date(30 + (draw >> 30) % 60) ELSE joined_on END AS logged_on,
         CASE WHEN n > 12 AND (draw >> 36) % 10 = 3 THEN _past_date(10 + (draw >> 40) % 80) END AS replaced_on,
         kind <> 'late logon' AND (n = 8 OR (n > 12 AND (draw >> 47) % 4 = 0)) AS has_two, (draw >> 50) % 12 = 5 AS has_spare, (draw >> 54) % 4 AS since
  FROM _agent WHERE kind <> 'no logon'
),
rows AS (
  SELECT n, acd AS acd_id, (400000 + n)::VARCHAR AS logon_id, logged_on AS from_date, replaced_on AS to_date FROM listed
  UNION ALL SELECT n, acd, (700000 + n)::VARCHAR, greatest(replaced_on, logged_on), NULL FROM listed WHERE replaced_on IS NOT NULL
  UNION ALL SELECT n, acd, 'spare|' || n, logged_on, NULL FROM listed WHERE has_spare
  UNION ALL SELECT n, other_acd, 'x-' || lpad(n::VARCHAR, 6, '0'), CASE WHEN n > 12 AND since = 0 THEN greatest(_past_date(50), logged_on) ELSE logged_on END,
    CASE WHEN n > 12 AND since = 1 THEN _past_date(80) END FROM listed WHERE has_two
)
SELECT 10001 + n AS tv_id, acd_id, logon_id, from_date,
       CASE WHEN draw % 3 > 0 THEN ['Voice', 'Chat & mail', 'Renfort'][1 + (draw >> 4) % 3] END AS agent_group, least(to_date, gone_on) AS to_date
FROM rows JOIN listed USING (n) WHERE from_date < coalesce(least(to_date, gone_on), DATE '9999-12-31');

-- On which dates an agent can be reached on an ACD; replaced logons follow each other without a gap.
CREATE TABLE _reach AS
SELECT tv_id, acd_id, min(from_date) AS from_date, max(coalesce(to_date, DATE '9999-12-31')) AS to_date FROM agent_acd GROUP BY ALL;

CREATE TABLE agent_data AS
WITH listed AS (SELECT *, _draw('data ' || n) AS chance FROM _agent),
rows AS (
  SELECT tv_id, 7 AS group_id, joined_on AS from_date, 'Team ' || (1 + chance % 9) AS value FROM listed WHERE n = 0 OR chance % 11 <> 3
  UNION ALL
  -- A later team, or none any more.
  SELECT tv_id, 7, greatest(_past_date(15 + (chance >> 8) % 80), joined_on + 1), CASE WHEN n <> 4 AND (chance >> 16) % 5 > 0 THEN 'Team ' || (10 + (chance >> 20) % 5) END
  FROM listed WHERE n IN (0, 4) OR chance % 3 = 0
  UNION ALL
  SELECT tv_id, 9, joined_on, ['Rez-de-chaussée', 'Floor "2"', 'Annex A & B', 'Home|Office'][1 + (chance >> 26) % 4] FROM listed WHERE (chance >> 30) % 4 > 0
  UNION ALL
  SELECT tv_id, 12, joined_on,
         CASE n WHEN 1 THEN 'Île|Côté "sud"' WHEN 2 THEN 'North' || chr(10) || 'and West' WHEN 3 THEN 'bell' || chr(7) || '<&>' ELSE 'Region ' || (1 + (chance >> 34) % 6) END
  FROM listed WHERE n IN (1, 2, 3) OR (chance >> 38) % 2 = 0
)
-- Nobody notes anything about those who have gone.
SELECT tv_id, group_id::BIGINT AS group_id, from_date, value FROM rows JOIN _agent USING (tv_id) WHERE NOT gone OR from_date < turned_on;

-- The last date up to the present on which something about an agent began or ended; `changed_at` covers it (WM-106).
CREATE TABLE _touched AS
SELECT tv_id, max(day)::TIMESTAMP + INTERVAL 10 HOURS AS touched_at
FROM (
  SELECT tv_id, from_date AS day FROM agent_mu UNION ALL SELECT tv_id, to_date FROM agent_mu
  UNION ALL SELECT tv_id, from_date FROM agent_acd UNION ALL SELECT tv_id, to_date FROM agent_acd
  UNION ALL SELECT tv_id, from_date FROM agent_data
) WHERE day::TIMESTAMP + INTERVAL 10 HOURS <= _present() GROUP BY tv_id;

CREATE TABLE _name AS
SELECT generate_subscripts(first_names, 1) - 1 AS place, unnest(first_names) AS first_name, unnest(last_names) AS last_name FROM (SELECT
  ['Siobhán', 'Zoë', 'Pip', 'Ana "Nita"', 'R&D', 'Mary' || chr(10) || 'Ann', 'Lee', 'Grace', 'José', 'Łukasz', 'Priya', 'Jean-Luc',
   'Olga', 'Minh', 'Jürgen', 'Ngozi', 'Tyrone', 'さくら', 'Ольга', 'Emma', 'Søren', 'Chloé', 'Kofi', 'Robert'] AS first_names,
  ['O''Brien', 'Müller-Núñez', 'Pipe|Smith', 'van "Dutch" Berg', 'Kay <QA>', 'Stone', 'Bell' || chr(1) || 'e', 'Washington', 'García', 'Dvořák', 'Krishnamurthy', 'D''Aubigné',
   'Kuznetsova', 'Nguyễn', 'Weiß', 'Okonkwo-Bello', 'Carter', '佐藤', 'Щербакова', 'Jones', 'Ångström', 'Lefèvre', 'Mensah', 'St. John'] AS last_names);

CREATE TABLE agent AS
WITH drawn AS (
  SELECT *, _draw('person ' || n) AS chance, _draw('record ' || n) AS record, md5('wfm ' || $seed || ' uuid ' || n) AS hex,
         -- Beyond the first of each, first and last names meet as chance will.
         CASE WHEN n < 24 THEN n ELSE _draw('first name ' || n) % 24 END AS first_place,
         CASE WHEN n < 24 THEN n ELSE _draw('last name ' || n) % 24 END AS last_place
  FROM _agent
),
lives AS (
  SELECT *, CASE WHEN kind = 'deleted' THEN least(_present(), turned_on::TIMESTAMP + to_seconds(36000 + chance % 100000)) END AS deleted_at,
         least(_present(), joined_on::TIMESTAMP - to_seconds(3600 * 30 + chance % 86400)) AS created_at
  FROM drawn
)
SELECT
  tv_id,
  CASE WHEN n NOT IN (9, 11) AND (n < 12 OR record % 25 > 0) THEN '900' || lpad(n::VARCHAR, 6, '0') END AS ssn,
  CASE WHEN n <> 11 AND (record >> 6) % 30 > 0 THEN substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-' || substr(hex, 13, 4) || '-' || substr(hex, 17, 4) || '-' || substr(hex, 21) END AS uuid,
  CASE WHEN n NOT IN (10, 11) AND (n < 12 OR (record >> 12) % 10 > 0) THEN 'HR-' || lpad((n * 7 + 13)::VARCHAR, 6, '0') END AS external_id,
  CASE WHEN n <> 11 AND (record >> 16) % 6 > 0 THEN 'agent' || tv_id || '@example.org' END AS sso,
  first_names.first_name AS first_name,
  last_names.last_name AS last_name,
  CASE WHEN (record >> 20) % 12 = 0 THEN 'Jr.' WHEN n % 19 = 5 THEN 'III' END AS name_suffix,
  CASE WHEN (record >> 24) % 3 = 0 THEN 90000 + n END AS start_id,
  CASE WHEN (record >> 26) % 9 > 0 THEN joined_on END AS agent_start_date,
  CASE WHEN (record >> 30) % 5 > 0 THEN joined_on - ((record >> 33) % 400)::INTEGER END AS sen_date,
  CASE WHEN (record >> 30) % 5 > 0 THEN (record >> 42) % 10 END AS sen_ext,
  CASE WHEN (record >> 46) % 4 > 0 THEN joined_on + 90 END AS accrual_date,
  CASE WHEN (record >> 48) % 4 > 0 THEN 1 + (record >> 50) % 100 END AS rank,
  CASE WHEN (record >> 57) % 8 > 0 THEN ['Full time', 'Part time', 'Temporary'][1 + (record >> 60) % 3] END AS work_status,
  CASE WHEN chance % 3 > 0 THEN ['Days', 'Nights & weekends', 'Équipe B'][1 + (chance >> 2) % 3] END AS tour_group,
  CASE WHEN (chance >> 5) % 3 > 0 THEN (chance >> 8) % 12 END AS rotation_num,
  CASE WHEN (chance >> 12) % 4 > 0 THEN 1 + (chance >> 15) % 2 END AS min_cdo,
  CASE WHEN (chance >> 17) % 4 > 0 THEN 2160::BIGINT END AS min_rest_per_week,
  CASE WHEN (chance >> 19) % 4 > 0 THEN 1200 + 300 * ((chance >> 22) % 5) END AS max_minutes,
  CASE WHEN (chance >> 26) % 5 > 0 THEN (chance >> 29) % 2 = 0 END AS use_availability,
  -- Both ends for most, one end only or none for some.
  CASE WHEN (chance >> 31) % 3 > 0 THEN make_date(year(_first()), 1, 1) END AS avail_from,
  CASE WHEN (chance >> 34) % 4 > 0 THEN make_date(year(_last()), 12, 31) END AS avail_to,
  CASE WHEN n <> 11 AND (chance >> 37) % 10 > 0 THEN 31 + ((chance >> 41) % 9 = 0)::BIGINT END AS vac_group,
  created_at,
  least(_present(), coalesce(deleted_at, greatest(created_at, touched_at, CASE WHEN (chance >> 46) % 6 = 0 THEN _present() - to_seconds(chance % 2592000) END))) AS changed_at,
  deleted_at
FROM lives LEFT JOIN _touched USING (tv_id)
JOIN _name AS first_names ON first_names.place = first_place
JOIN _name AS last_names ON last_names.place = last_place;
