-- A made-up contact centre, part 5 of 5: time off; then what was only for making the tables goes.

-- Years of the calendar, of the books from April on, of days; and what is carried over, which overlaps the year's own.
CREATE TABLE time_off_rule AS
WITH years AS (
  SELECT unnest(range(least(year(_first()), year(_present())) - 1, greatest(year(_last()), year(_present())) + 2)) AS y
)
SELECT 31::BIGINT AS group_id, y::VARCHAR AS rule, make_date(y, 1, 1) AS from_date, make_date(y, 12, 31) AS last_date, 'minutes' AS unit FROM years
UNION ALL SELECT 31, 'Carried over ' || y, make_date(y, 1, 1), make_date(y, 3, 31), 'minutes' FROM years
UNION ALL SELECT 32, 'FY ' || y || '/' || (y + 1), make_date(y, 4, 1), make_date(y + 1, 3, 31), 'minutes' FROM years
UNION ALL SELECT 33, 'Jours ' || y, make_date(y, 1, 1), make_date(y, 12, 31), 'days' FROM years;

-- Days under a schedule code of time off, and some on which nothing is scheduled and no shift of the date before can
-- reach into (WM-113).
CREATE TABLE time_off_day AS
WITH days AS (
  SELECT tv_id, sched_date AS day, code, sum(to_minute - from_minute)::BIGINT AS minutes, _draw('time off ' || tv_id || ' ' || sched_date) AS draw
  FROM _part WHERE code IN ('VACATION', 'PERSONAL', 'FLEX DAY') GROUP BY ALL
  UNION ALL
  SELECT tv_id, sched_date, 'VACATION', 240 + (a >> 30) % 2 * 240, a FROM _day
  WHERE (a >> 20) % 60 = 7
    AND NOT EXISTS (FROM _shift WHERE _shift.tv_id = _day.tv_id AND _shift.sched_date BETWEEN _day.sched_date - 1 AND _day.sched_date)
),
ruled AS (
  SELECT *, CASE code WHEN 'VACATION' THEN 31 WHEN 'PERSONAL' THEN 32 ELSE 33 END::BIGINT AS group_id,
         CASE code WHEN 'PERSONAL' THEN 'FY ' || year(day - INTERVAL 3 MONTHS) || '/' || (year(day - INTERVAL 3 MONTHS) + 1)
           WHEN 'FLEX DAY' THEN 'Jours ' || year(day) ELSE CASE WHEN month(day) < 4 AND draw % 3 = 0 THEN 'Carried over ' ELSE '' END || year(day) END AS rule
  FROM days
)
SELECT tv_id, group_id, rule, day, minutes FROM ruled;

-- Most agents have a balance under most rules; a few owe something from before.
CREATE TABLE time_off_balance AS
SELECT tv_id, group_id, rule, (draw >> 8) % 26 * CASE WHEN rule LIKE 'Carried%' THEN 48 ELSE 480 END AS allotted,
       CASE WHEN (draw >> 16) % 3 = 0 THEN (draw >> 20) % 20 * 60 - 120 ELSE 0 END AS carried_over
FROM (SELECT tv_id, group_id, rule, _draw('balance ' || tv_id || ' ' || group_id || ' ' || rule) AS draw FROM _agent CROSS JOIN time_off_rule)
WHERE draw % 12 > 0;

DROP TABLE _site; DROP TABLE _edge; DROP TABLE _agent; DROP TABLE _reach; DROP TABLE _touched; DROP TABLE _name;
DROP TABLE _member; DROP TABLE _pause; DROP TABLE _day; DROP TABLE _shift; DROP TABLE _part; DROP TABLE _skill;
DROP MACRO _draw; DROP MACRO _agents; DROP MACRO _first; DROP MACRO _last; DROP MACRO _present; DROP MACRO _past_days; DROP MACRO _past_date;
DROP MACRO _instant; DROP MACRO _day_start; DROP MACRO _decimal4; DROP MACRO _decimal5; DROP MACRO _moment; DROP MACRO _long_ago;
DROP MACRO _created; DROP MACRO _deleted; DROP MACRO _changed; DROP MACRO _mus; DROP MACRO _cts; DROP MACRO _off;
