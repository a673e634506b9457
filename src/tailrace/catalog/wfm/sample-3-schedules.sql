-- A made-up contact centre, part 3 of 5: schedules and activity.

CREATE TABLE _member AS
SELECT tv_id, mu_id, tz, from_date, coalesce(to_date, DATE '9999-12-31') AS to_date FROM agent_mu JOIN management_unit USING (mu_id);

-- Around a change of MU nothing is scheduled or done for 24 hours in the zones of both (WM-108), and a bit more, as
-- people come early and stay late.
CREATE TABLE _pause AS
SELECT tv_id, least(_day_start(ended_on, old_tz), _day_start(ended_on, tz)) - INTERVAL 26 HOURS AS from_at,
       greatest(_day_start(from_date, old_tz), _day_start(from_date, tz)) + INTERVAL 26 HOURS AS to_at
FROM (
  SELECT tv_id, tz, from_date, lag(tz) OVER earlier AS old_tz, lag(to_date) OVER earlier AS ended_on
  FROM _member WINDOW earlier AS (PARTITION BY tv_id ORDER BY from_date)
) WHERE old_tz IS NOT NULL;

-- Every date of the range an agent is in an MU, with what chance says of the date and of the agent's week.
CREATE TABLE _day AS
SELECT tv_id, mu_id, tz, sched_date, (sched_date - DATE '2000-01-03') % 7 AS weekday,
       _draw('day ' || tv_id || ' ' || sched_date) AS a, _draw('week ' || tv_id || ' ' || (sched_date - DATE '2000-01-03') // 7) AS w
FROM (SELECT _first() + i::INTEGER AS sched_date FROM range(_last() - _first() + 1) AS numbers(i))
JOIN _member ON sched_date >= from_date AND sched_date < to_date;

-- Two days off a week, but some always work when the clock changes; weeks of early, late and night shifts; shifts that
-- begin at midnight, or after the midnight that ends their schedule date. Days of absence begin in the morning, so that
-- they lie on one date.
CREATE TABLE _shift AS
WITH planned AS (
  SELECT *, CASE
      WHEN (w >> 20) % 100 < 5 THEN 'VACATION' WHEN (month(sched_date), day(sched_date)) IN ((1, 1), (12, 25)) AND a % 4 > 0 THEN 'HOLIDAY'
      WHEN a % 1000 < 8 THEN 'PERSONAL' WHEN a % 1000 < 14 THEN 'FLEX DAY' WHEN a % 1000 < 34 THEN 'SICK' END AS absence,
    a % 1000 BETWEEN 34 AND 42 AS half_off
  FROM _day
  WHERE ((weekday + w) % 7 >= 2 AND (a >> 10) % 100 < 98)
    OR (tv_id <= 10020 AND _day_start(sched_date + 1, tz) - _day_start(sched_date, tz) <> INTERVAL 24 HOURS)
),
placed AS (
  SELECT *, 5 * ((w >> 30) % 12) + CASE WHEN (w >> 34) % 13 = 0 THEN 7 ELSE 0 END + CASE
      WHEN absence IS NOT NULL OR half_off THEN 540
      WHEN (w >> 40) % 40 = 0 THEN 0 WHEN (w >> 40) % 40 = 1 THEN 1440
      WHEN (tv_id % 10 = 1 AND (w >> 46) % 2 = 0) OR (w >> 40) % 40 < 5 THEN 1320
      WHEN (w >> 40) % 40 < 13 THEN 360 WHEN (w >> 40) % 40 < 20 THEN 810 ELSE 510 END AS start_minute,
    60 + 15 * ((a >> 20) % 4) AS w1, 60 + 15 * ((a >> 22) % 3) AS w3, 30 + 15 * ((a >> 24) % 3) AS w4, 60 + 15 * ((a >> 26) % 3) AS w5,
    CASE WHEN (a >> 28) % 2 = 0 THEN 15 * (1 + (a >> 29) % 4) ELSE 0 END AS w6, 30 + 15 * ((a >> 31) % 3) AS w7,
    480 + 15 * ((a >> 33) % 5) AS length,
    ['OPEN', 'OPEN', 'OPEN CHAT', 'OUTBOUND'][1 + (w >> 52) % 4] AS task
  FROM planned
),
timed AS (
  SELECT *, _instant(sched_date::TIMESTAMP + to_minutes(start_minute), tz) AS start_at,
    greatest(15, length - 30 - w1 - w3 - w4 - w5 - w6 - w7) AS w9
  FROM placed
),
whole AS (
  SELECT *, start_at + to_minutes(CASE WHEN absence IS NULL THEN w1 + w3 + w4 + w5 + w6 + w7 + w9 + 30 ELSE length END) AS stop_at FROM timed
)
SELECT * FROM (SELECT *, lag(stop_at) OVER (PARTITION BY tv_id ORDER BY sched_date) AS rested_from FROM whole) AS rested
-- What would begin too soon after the one before is left out (WM-101).
WHERE (rested_from IS NULL OR start_at >= rested_from + INTERVAL 4 HOURS)
  AND NOT EXISTS (FROM _pause WHERE _pause.tv_id = rested.tv_id AND start_at < to_at AND stop_at > from_at);

-- Published two weeks before, or before the present; one in twelve was changed around the day itself.
CREATE TABLE schedule AS
SELECT tv_id, sched_date, mu_id, date_trunc('minute', least(_present() - to_minutes((a >> 40) % 20000),
    sched_date::TIMESTAMP - INTERVAL 14 DAYS + to_minutes((a >> 40) % 1440 + CASE WHEN (a >> 51) % 12 = 0 THEN 18720 + (a >> 54) % 512 * 6 ELSE 0 END))) AS changed_at
FROM _shift;

-- A shift's parts: work, break, work, lunch, work, something else or nothing, work, break, work. `edge` counts the times
-- between them, so that both sides of one move together in the activity.
CREATE TABLE _part AS
WITH parts AS (
  SELECT tv_id, mu_id, sched_date, start_at AS shift_at, w6, absence, task,
    CASE WHEN absence IS NOT NULL THEN [absence] ELSE [
      task, 'BREAK', CASE WHEN (a >> 56) % 9 = 0 THEN 'PROJECT' ELSE task END, CASE WHEN (a >> 36) % 20 > 0 THEN 'LUNCH' END, task,
      ['MEETING', 'TRAINING', 'COACHING', 'PROJECT', 'MEETING', 'TRAINING', 'Arrêt | "1:1" <A&B>'][1 + (a >> 44) % 7],
      CASE WHEN half_off THEN 'VACATION' WHEN (a >> 48) % 6 = 0 THEN 'OPEN CHAT' ELSE task END,
      CASE WHEN half_off THEN 'VACATION' ELSE 'BREAK' END, CASE WHEN half_off THEN 'VACATION' ELSE task END] END AS codes,
    CASE WHEN absence IS NOT NULL THEN [0, length] ELSE [
      0, w1, w1 + 15, w1 + w3 + 15, w1 + w3 + w4 + 15, w1 + w3 + w4 + w5 + 15, w1 + w3 + w4 + w5 + w6 + 15, w1 + w3 + w4 + w5 + w6 + w7 + 15,
      w1 + w3 + w4 + w5 + w6 + w7 + 30, w1 + w3 + w4 + w5 + w6 + w7 + w9 + 30] END AS minutes
  FROM _shift
)
SELECT tv_id, mu_id, sched_date, shift_at, absence, task, edge, len(codes) AS edges, codes[edge] AS code, minutes[edge] AS from_minute,
       minutes[edge + 1] AS to_minute,
       -- The times before and after a part of no length are one.
       CASE WHEN edge = 7 AND w6 = 0 THEN 5 ELSE edge - 1 END AS from_edge, edge AS to_edge
FROM (SELECT *, unnest(range(1, len(codes) + 1)) AS edge FROM parts)
WHERE codes[edge] IS NOT NULL AND minutes[edge] < minutes[edge + 1];

CREATE TABLE schedule_part AS
SELECT tv_id, sched_date, shift_at + to_minutes(from_minute) AS start_at, shift_at + to_minutes(to_minute) AS stop_at, code FROM _part;

-- How far off the plan a time is in minutes. Parts are 15 minutes or longer, so within a shift -4 to 8 never turns two
-- times round; a shift begins up to 10 minutes early or 25 late, and ends up to 4 early or 40 late.
CREATE MACRO _off(edge, edges, bits) AS CASE
  WHEN (bits >> (6 * edge)) % 64 < 20 THEN 0
  WHEN edge = 0 THEN (bits >> (6 * edge)) % 64 % 36 - 10
  WHEN edge = edges THEN (bits >> (6 * edge)) % 64 % 45 - 4
  ELSE (bits >> (6 * edge)) % 64 % 13 - 4 END;

CREATE TABLE _act AS
WITH done AS (
  SELECT *, _draw('act ' || tv_id || ' ' || sched_date) AS bits, _draw('done ' || tv_id || ' ' || sched_date || ' ' || edge) AS chance
  FROM _part WHERE shift_at < _present()
),
moved AS (
  SELECT tv_id, mu_id, sched_date, shift_at + to_minutes(from_minute + _off(from_edge, edges, bits)) AS start_at,
    shift_at + to_minutes(to_minute + _off(to_edge, edges, bits)) AS stop_at,
    CASE WHEN absence IS NOT NULL THEN code
      WHEN chance % 100 < 7 THEN CASE WHEN code IN ('BREAK', 'LUNCH') THEN task WHEN code LIKE 'O%' THEN 'MEETING' ELSE 'OPEN' END
      WHEN chance % 100 < 13 AND code = 'OPEN' THEN 'OPEN CHAT' WHEN chance % 100 < 13 AND code = 'BREAK' THEN 'LUNCH' ELSE code END AS code,
    -- Some parts are done with a pause of three minutes in the middle.
    chance % 100 BETWEEN 13 AND 15 AND to_minute - from_minute >= 45 AS torn
  FROM done
  -- Absent without notice, nothing noted for a part, and absences that are noted for some only.
  WHERE (absence IS NOT NULL OR _draw('absent ' || tv_id || ' ' || sched_date) % 50 > 0)
    AND chance % 100 >= 4 AND coalesce(absence, '') <> 'SICK' AND (absence IS NULL OR chance % 2 = 0)
),
pieces AS (
  SELECT tv_id, mu_id, sched_date, code, CASE half WHEN 1 THEN start_at + INTERVAL 23 MINUTES ELSE start_at END AS start_at,
    CASE WHEN torn AND half = 0 THEN start_at + INTERVAL 20 MINUTES ELSE stop_at END AS stop_at
  FROM moved CROSS JOIN range(2) AS halves(half) WHERE half = 0 OR torn
  UNION ALL
  -- Work on a day nobody planned, where no shift of the date or the one before is near.
  SELECT tv_id, mu_id, sched_date, ['OPEN', 'OUTBOUND'][1 + (a >> 30) % 2], begun_at, begun_at + to_minutes(120 + (a >> 40) % 120)
  FROM (SELECT *, _instant(sched_date::TIMESTAMP + to_minutes(600 + a % 60), tz) AS begun_at FROM _day WHERE (a >> 20) % 20 = 0) AS free
  WHERE NOT EXISTS (FROM _shift WHERE _shift.tv_id = free.tv_id AND _shift.sched_date BETWEEN free.sched_date - 1 AND free.sched_date)
    AND NOT EXISTS (FROM _pause WHERE _pause.tv_id = free.tv_id AND begun_at < to_at AND begun_at + INTERVAL 4 HOURS > from_at)
)
SELECT tv_id, mu_id, sched_date, start_at, least(stop_at, date_trunc('minute', _present())) AS stop_at, code FROM pieces
WHERE start_at < date_trunc('minute', _present());

CREATE TABLE activity AS SELECT tv_id, start_at, stop_at, code FROM _act;

-- Openings from elsewhere: for CTs the MU works for, for none (-1) where it works for none, and some that are ignored.
CREATE TABLE imported_open AS
WITH wanted AS (
  SELECT mu_id, ct_id FROM allocation
  UNION ALL SELECT 1, -1 UNION ALL SELECT 11, -1 UNION ALL SELECT 1, 111 UNION ALL SELECT 11, 111 + _cts() - 1
),
drawn AS (
  SELECT DISTINCT mu_id, ct_id, _first() + i::INTEGER AS sched_date, _draw('opens ' || mu_id || ' ' || ct_id || ' ' || i) AS draw
  FROM wanted CROSS JOIN range(_last() - _first() + 1) AS numbers(i)
)
SELECT mu_id::BIGINT AS mu_id, ct_id::BIGINT AS ct_id, sched_date, step, _decimal4(draw % 300000 + step * 37) AS minutes
FROM (
  SELECT *, unnest(range(28 + draw % 8 * 12, least(192, 36 + draw % 8 * 12 + (draw >> 8) % 80))) AS step FROM drawn WHERE (draw >> 20) % 25 = 0
);
