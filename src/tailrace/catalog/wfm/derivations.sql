-- What the exporters' statements share (docs/specification/wfm-data-model.md, section 4).
--
-- A block begins with `-- macro|table|view NAME: ...` and goes up to the next. A macro is one expression, a table is
-- computed once, a view where it is used; a block may use those before it. Instants are UTC without a zone; `until` is
-- exclusive.
--
-- Rows of big tables meet tables that are small and made before, one after the other. That keeps memory low, and keeps
-- clear of a fault of DuckDB 2.0.0, which may fail on a join whose inner side is itself a join of much ("dict-surviving
-- join", its issue 24807). Conditions such as least(...) > greatest(...) are written so that the planner takes them for
-- filters: as join conditions they would make it sort millions of rows instead of hashing them.

-- macro wall_clock(moment, zone): the local time of an instant
timezone(zone, timezone('UTC', moment))

-- macro local_date(moment, zone): the local date of an instant (WM-003)
CAST(wall_clock(moment, zone) AS DATE)

-- macro named_midnight(day, zone): the instant the zone data gives for 00:00, where the clock skips it the first after it; the later of two
timezone('UTC', timezone(zone, CAST(day AS TIMESTAMP)))

-- macro day_start(day, zone): the first instant whose local date is that day (WM-003); looks back only where the clock was changed shortly before
CASE WHEN wall_clock(named_midnight(day, zone) - INTERVAL 4 HOUR, zone) = CAST(day AS TIMESTAMP) - INTERVAL 4 HOUR
  THEN named_midnight(day, zone)
  ELSE coalesce(
    list_min(list_filter(
      [named_midnight(day, zone) - to_minutes(CAST(15 * n AS BIGINT)) FOR n IN range(0, 13)],
      lambda moment: local_date(moment, zone) = day)),
    named_midnight(day, zone))
END

-- macro clock_within(moment, shift, zone): the local time of an instant in a day whose clock runs evenly, quickly; `shift` is null in other days
CASE WHEN shift IS NULL THEN wall_clock(moment, zone) ELSE moment + shift END

-- macro minutes_between(start_at, stop_at): whole minutes (WM-204, SS-920)
(epoch_us(stop_at) - epoch_us(start_at)) // 60000000

-- macro whole(amount): an integer as written, blank where broken data add up to more than one can hold
TRY_CAST(amount AS BIGINT)

-- macro two_places(amount): an exact decimal rounded half away from zero (SS-803)
CAST(amount AS DECIMAL(38, 2))

-- macro quotient(amount, divisor): of integers, to two places, half away from zero; blank when the divisor is 0 (SS-804, WM-211)
CAST(sign(amount) * sign(divisor) * ((200 * abs(CAST(amount AS HUGEINT)) + abs(CAST(divisor AS HUGEINT)))
  // nullif(2 * abs(CAST(divisor AS HUGEINT)), 0)) AS DECIMAL(36, 0)) * CAST(0.01 AS DECIMAL(2, 2))

-- macro share_of(amount, share): an MU's share of an amount, rounded once (WM-317)
two_places(CAST(amount AS DECIMAL(20, 8)) * CAST(share AS DECIMAL(18, 9)))

-- macro agents_open(open, period_minutes): agents open on average, of open minutes with 9 places (WM-209)
quotient(CAST(open AS DECIMAL(38, 9)) * 1000000000, CAST(period_minutes AS HUGEINT) * 1000000000)

-- table asked_mu: the MUs asked for, with their groups
SELECT m.mu_id, m.tz, m.name, m.eg_id, e.name AS eg_name, m.bu_id, b.name AS bu_name, r.customer_id
FROM management_unit m
SEMI JOIN request_mu USING (mu_id)
LEFT JOIN enterprise_group e ON e.eg_id = m.eg_id
LEFT JOIN business_unit b ON b.bu_id = m.bu_id
CROSS JOIN request r

-- table asked_ct: the CTs asked for and those of the BUs asked for, united (SS-215)
SELECT c.ct_id, c.tz, c.name, c.eg_id, e.name AS eg_name, c.bu_id, b.name AS bu_name, r.customer_id
FROM contact_type c
LEFT JOIN enterprise_group e ON e.eg_id = c.eg_id
LEFT JOIN business_unit b ON b.bu_id = c.bu_id
CROSS JOIN request r
WHERE c.ct_id IN (SELECT ct_id FROM request_ct) OR c.bu_id IN (SELECT bu_id FROM request_bu)

-- table open_mu: the MUs whose open minutes are needed: those asked for, or those that CTs asked for have an allocation from
SELECT mu_id, tz FROM asked_mu
UNION
SELECT m.mu_id, m.tz FROM asked_ct JOIN allocation a USING (ct_id) JOIN management_unit m ON m.mu_id = a.mu_id

-- table local_day: local days of the zones in use, 4 more at each end (WM-003); `shift` makes local time where that runs evenly
WITH
zone AS (SELECT tz FROM open_mu UNION SELECT tz FROM asked_ct),
day AS (
  SELECT zone.tz, r.run_at, CAST(r.start_date + CAST(n.n AS INTEGER) AS DATE) AS date
  FROM request r CROSS JOIN zone, LATERAL (SELECT unnest(range(-4, r.end_date - r.start_date + 6)) AS n) n
),
started AS (SELECT tz, run_at, date, day_start(date, tz) AS start_at FROM day),
ended AS (
  SELECT tz, run_at, date, start_at, lead(start_at) OVER (PARTITION BY tz ORDER BY date) AS stop_at FROM started
)
SELECT tz, date, start_at, stop_at, date < local_date(run_at, tz) AS past,
  CASE WHEN minutes_between(start_at, stop_at) = 1440 AND wall_clock(start_at, tz) = CAST(date AS TIMESTAMP)
      AND wall_clock(stop_at, tz) = CAST(date + 1 AS TIMESTAMP)
      AND wall_clock(stop_at - INTERVAL 1 MINUTE, tz) = CAST(date AS TIMESTAMP) + INTERVAL 1439 MINUTE
    THEN CAST(date AS TIMESTAMP) - start_at END AS shift
FROM ended WHERE stop_at > start_at

-- table utc_day: local days of the range by each UTC date they touch, so that an instant finds its local day by equality
SELECT tz, date, start_at, stop_at, past, shift, CAST(CAST(start_at AS DATE) + CAST(n.n AS INTEGER) AS DATE) AS utc_date
FROM local_day, request r,
  LATERAL (SELECT unnest(range(0, CAST(stop_at - INTERVAL 1 MICROSECOND AS DATE) - CAST(start_at AS DATE) + 1)) AS n) n
WHERE date BETWEEN r.start_date AND r.end_date

-- table time_range: the instants all zones' range lies between; by LEFT JOIN ON TRUE what is outside is not read, yet the planner expects much
SELECT min(start_at) AS start_at, max(stop_at) AS stop_at FROM utc_day

-- table asked_day: local days of each MU by the schedule dates that reach into them; a schedule ends within 48 hours (WM-102)
SELECT m.mu_id, CAST(d.date - n.n AS DATE) AS sched_date, d.date, d.tz, d.start_at, d.stop_at, d.shift,
  d.date BETWEEN r.start_date AND r.end_date AS in_range
FROM open_mu m JOIN local_day d ON d.tz = m.tz, request r, (VALUES (0), (1), (2)) n(n)
WHERE CAST(d.date - n.n AS DATE) BETWEEN r.start_date - 3 AND r.end_date + 1

-- table asked_schedule: the schedules that can reach into the range
SELECT s.tv_id, s.sched_date, s.mu_id, s.changed_at
FROM schedule s SEMI JOIN open_mu m ON m.mu_id = s.mu_id, request r
WHERE s.sched_date BETWEEN r.start_date - 3 AND r.end_date + 1

-- table utc_span: the UTC dates of something that touches `length` + 1 of them
SELECT length, unnest(range(0, length + 1)) AS n FROM (SELECT unnest(range(0, end_date - start_date + 4)) AS length FROM request)

-- table member: memberships in the MUs asked for (WM-201); local days are contiguous, so their dates are enough
SELECT a.tv_id, a.mu_id, m.tz, a.from_date, coalesce(a.to_date, DATE '9999-12-31') AS until
FROM agent_mu a JOIN asked_mu m USING (mu_id)

-- table code_name: values of the request's attribute by code; a code without one is its own export name (WM-205, SS-722)
SELECT code, min(value) AS name FROM code_value
WHERE value <> '' AND lower(attribute) = (SELECT lower(attribute) FROM request)
GROUP BY code

-- table agent_version: the agent's part of the head (WM-206) by dates between which it stays the same
WITH
first AS (SELECT start_date - 4 AS first_date, end_date + 4 AS last_date FROM request),
change AS (
  SELECT tv_id, first_date AS date FROM agent, first
  UNION SELECT tv_id, from_date FROM agent_acd, first WHERE from_date > first_date AND from_date <= last_date
  UNION SELECT tv_id, to_date FROM agent_acd, first WHERE to_date > first_date AND to_date <= last_date
  UNION SELECT tv_id, from_date FROM agent_data, first WHERE from_date > first_date AND from_date <= last_date
),
version AS (
  SELECT tv_id, date AS from_date, lead(date, 1, DATE '9999-12-31') OVER (PARTITION BY tv_id ORDER BY date) AS until FROM change
),
logon AS (
  SELECT v.tv_id, v.from_date, min({'acd_id': c.acd_id, 'logon_id': c.logon_id}) AS main
  FROM version v JOIN agent_acd c ON c.tv_id = v.tv_id AND c.from_date <= v.from_date AND coalesce(c.to_date, DATE '9999-12-31') > v.from_date
  GROUP BY ALL
),
latest AS (
  SELECT v.tv_id, v.from_date, d.group_id, arg_max(coalesce(d.value, ''), d.from_date) AS value
  FROM version v JOIN agent_data d ON d.tv_id = v.tv_id AND d.from_date <= v.from_date
  GROUP BY ALL
),
data AS (
  SELECT tv_id, from_date, map(list(group_id ORDER BY group_id), list(value ORDER BY group_id)) AS entries
  FROM latest WHERE value <> '' AND group_id IS NOT NULL
  GROUP BY ALL
)
SELECT v.tv_id, v.from_date, v.until, a.deleted_at,
  CASE WHEN a.deleted_at IS NULL THEN l.main.acd_id END AS "acdID",
  CASE WHEN a.deleted_at IS NULL THEN l.main.logon_id END AS "logonID",
  CASE WHEN a.deleted_at IS NULL THEN a.ssn END AS ssn,
  CASE WHEN a.deleted_at IS NULL THEN a.external_id END AS "externalID",
  CASE WHEN a.deleted_at IS NULL THEN a.uuid END AS "UUID",
  CASE WHEN a.deleted_at IS NULL THEN a.last_name || ', ' || a.first_name ELSE '<Unknown>' END AS "agentName",
  CASE WHEN a.deleted_at IS NULL THEN d.entries END AS "agentData"
FROM agent a
JOIN version v ON v.tv_id = a.tv_id
LEFT JOIN logon l ON l.tv_id = v.tv_id AND l.from_date = v.from_date
LEFT JOIN data d ON d.tv_id = v.tv_id AND d.from_date = v.from_date

-- table logon_version: an agent's lowest logon on each ACD by dates between which it stays the same (WM-311)
WITH
change AS (
  SELECT tv_id, acd_id, from_date AS date FROM agent_acd
  UNION SELECT tv_id, acd_id, to_date FROM agent_acd WHERE to_date IS NOT NULL
),
version AS (
  SELECT tv_id, acd_id, date AS from_date, lead(date, 1, DATE '9999-12-31') OVER (PARTITION BY tv_id, acd_id ORDER BY date) AS until FROM change
)
SELECT v.tv_id, v.acd_id, v.from_date, v.until, min(c.logon_id) AS logon_id
FROM version v
JOIN agent_acd c ON c.tv_id = v.tv_id AND c.acd_id = v.acd_id AND c.from_date <= v.from_date
  AND coalesce(c.to_date, DATE '9999-12-31') > v.from_date
SEMI JOIN agent a ON a.tv_id = v.tv_id AND a.deleted_at IS NULL
GROUP BY ALL

-- view asked_part: the parts of those schedules
SELECT p.tv_id, s.mu_id, p.sched_date, p.start_at, p.stop_at, p.code, s.changed_at
FROM schedule_part p JOIN asked_schedule s ON s.tv_id = p.tv_id AND s.sched_date = p.sched_date

-- view sched_cut: schedule parts cut at each local midnight, those of the range (WM-202)
SELECT p.tv_id, p.mu_id, p.sched_date, d.date, p.code, d.tz, d.shift, p.changed_at,
  greatest(p.start_at, d.start_at) AS start_at, least(p.stop_at, d.stop_at) AS stop_at
FROM asked_part p JOIN asked_day d ON d.mu_id = p.mu_id AND d.sched_date = p.sched_date
WHERE d.in_range AND least(p.stop_at, d.stop_at) > greatest(p.start_at, d.start_at)

-- view act_cut: activity clipped to memberships and cut at each local midnight, that of the range (WM-203); in steps whose order the planner keeps
WITH
near AS (
  SELECT a.tv_id, a.code, a.start_at, a.stop_at, CAST(greatest(a.start_at, b.start_at) AS DATE) AS utc_date,
    CAST(least(a.stop_at, b.stop_at) - INTERVAL 1 MICROSECOND AS DATE) - CAST(greatest(a.start_at, b.start_at) AS DATE) AS length
  FROM activity a LEFT JOIN time_range b ON TRUE
  WHERE a.start_at < b.stop_at AND a.stop_at > b.start_at
),
dated AS (
  SELECT a.tv_id, a.code, a.start_at, a.stop_at, a.utc_date + CAST(n.n AS INTEGER) AS utc_date, a.mu_id, a.tz, a.from_date, a.until
  FROM (SELECT near.*, member.* EXCLUDE (tv_id) FROM near JOIN member USING (tv_id)) a LEFT JOIN utc_span n ON n.length = a.length
)
SELECT a.tv_id, a.mu_id, d.date, a.code, d.tz, d.shift,
  greatest(a.start_at, d.start_at) AS start_at, least(a.stop_at, d.stop_at) AS stop_at
FROM dated a
JOIN utc_day d ON d.tz = a.tz AND d.utc_date = a.utc_date
WHERE least(a.stop_at, d.stop_at) > greatest(a.start_at, d.start_at)
  AND d.utc_date - CAST(greatest(a.start_at, d.start_at) AS DATE) = 0
  AND d.date >= a.from_date AND d.date < a.until

-- view agent_result: periods of agents on past dates, by MU and local date at period_at (WM-311, SS-916)
SELECT p.tv_id, p.mu_id, d.date, d.tz, d.shift, p.period_at, p.queue_id, p.handled, p.talk_s, p.hold_s, p.work_s
FROM (
  SELECT p.*, m.mu_id, m.tz, m.from_date, m.until
  FROM (
    SELECT p.*, CAST(p.period_at AS DATE) AS utc_date FROM agent_period p LEFT JOIN time_range b ON TRUE
    WHERE p.period_at >= b.start_at AND p.period_at < b.stop_at
  ) p
  JOIN member m ON m.tv_id = p.tv_id
) p
JOIN utc_day d ON d.tz = p.tz AND d.utc_date = p.utc_date AND d.start_at <= p.period_at AND d.stop_at > p.period_at
WHERE d.past AND d.date >= p.from_date AND d.date < p.until

-- table asked_queue: the queues of the CTs asked for
SELECT q.queue_id, q.name, q.acd_id, q.ct_id, m.tz FROM queue q JOIN asked_ct m ON m.ct_id = q.ct_id

-- view queue_result: periods of those queues on past dates, by local date (WM-315, SS-916)
SELECT p.* EXCLUDE (tz, utc_date), d.date, d.tz, d.shift
FROM (
  SELECT p.*, k.ct_id, k.name, k.acd_id, k.tz
  FROM (
    SELECT p.*, CAST(p.period_at AS DATE) AS utc_date FROM queue_period p LEFT JOIN time_range b ON TRUE
    WHERE p.period_at >= b.start_at AND p.period_at < b.stop_at
  ) p
  JOIN asked_queue k ON k.queue_id = p.queue_id
) p
JOIN utc_day d ON d.tz = p.tz AND d.utc_date = p.utc_date AND d.start_at <= p.period_at AND d.stop_at > p.period_at
WHERE d.past

-- view near_forecast: forecasts about the range, by UTC date
SELECT f.*, CAST(f.period_at AS DATE) AS utc_date FROM ct_forecast f LEFT JOIN time_range b ON TRUE
WHERE f.period_at >= b.start_at AND f.period_at < b.stop_at

-- table asked_share: what MUs asked for have of the contacts of CTs (WM-317)
SELECT m.mu_id, m.tz, a.ct_id, a.contact_share FROM allocation a JOIN asked_mu m ON m.mu_id = a.mu_id WHERE a.contact_share > 0

-- view timeline: from each start on either side to the next: `sched` up to sched_stop_at, `act` up to act_stop_at; what was before (WM-207)
SELECT tv_id, mu_id, date, start_at, next_at,
  CASE WHEN s_stop > start_at THEN s_code END AS sched,
  CASE WHEN s_stop > start_at THEN least(s_stop, next_at) END AS sched_stop_at,
  CASE WHEN a_stop > start_at THEN a_code END AS act,
  CASE WHEN a_stop > start_at THEN least(a_stop, next_at) END AS act_stop_at,
  CASE WHEN s_stop_before >= start_at THEN s_code_before END AS sched_before,
  CASE WHEN a_stop_before >= start_at THEN a_code_before END AS act_before
FROM (
  SELECT tv_id, mu_id, date, start_at,
    lead(start_at) OVER day AS next_at,
    last_value(CASE WHEN worked THEN NULL ELSE stop_at END IGNORE NULLS) OVER so_far AS s_stop,
    last_value(CASE WHEN worked THEN NULL ELSE code END IGNORE NULLS) OVER so_far AS s_code,
    last_value(CASE WHEN worked THEN stop_at END IGNORE NULLS) OVER so_far AS a_stop,
    last_value(CASE WHEN worked THEN code END IGNORE NULLS) OVER so_far AS a_code,
    last_value(CASE WHEN worked THEN NULL ELSE stop_at END IGNORE NULLS) OVER before AS s_stop_before,
    last_value(CASE WHEN worked THEN NULL ELSE code END IGNORE NULLS) OVER before AS s_code_before,
    last_value(CASE WHEN worked THEN stop_at END IGNORE NULLS) OVER before AS a_stop_before,
    last_value(CASE WHEN worked THEN code END IGNORE NULLS) OVER before AS a_code_before
  FROM (
    SELECT tv_id, mu_id, date, start_at, stop_at, code, FALSE AS worked FROM sched_cut
    UNION ALL
    SELECT tv_id, mu_id, date, start_at, stop_at, code, TRUE FROM act_cut
  )
  WINDOW
    day AS (PARTITION BY tv_id, mu_id, date ORDER BY start_at),
    so_far AS (PARTITION BY tv_id, mu_id, date ORDER BY start_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
    before AS (PARTITION BY tv_id, mu_id, date ORDER BY start_at GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
WHERE next_at IS NULL OR next_at > start_at

-- view open_step: minutes on open codes by MU, schedule date and 15-minute step elapsed since its midnight (WM-208)
WITH
part AS (
  SELECT p.mu_id, p.sched_date,
    greatest(0, least(2880, minutes_between(d.start_at, p.start_at))) AS start_minute,
    greatest(0, least(2880, minutes_between(d.start_at, p.stop_at))) AS stop_minute
  FROM (FROM asked_part SEMI JOIN (FROM activity_code WHERE is_open) USING (code)) p
  JOIN asked_day d ON d.mu_id = p.mu_id AND d.sched_date = p.sched_date AND d.date = p.sched_date
),
-- Agents who become open or stop being it within a step, and the minutes of that step that this is for.
edge AS (
  SELECT mu_id, sched_date, minute // 15 AS step, sum(change) AS change, sum(change * (15 * (minute // 15 + 1) - minute)) AS part_minutes
  FROM (
    SELECT mu_id, sched_date, start_minute AS minute, 1 AS change FROM part WHERE start_minute < stop_minute
    UNION ALL
    SELECT mu_id, sched_date, stop_minute, -1 FROM part WHERE start_minute < stop_minute
  )
  GROUP BY ALL
),
level AS (
  SELECT mu_id, sched_date, step, part_minutes, sum(change) OVER day AS agents, sum(change) OVER day - change AS agents_before,
    lead(step, 1, step + 1) OVER (PARTITION BY mu_id, sched_date ORDER BY step) AS next_step
  FROM edge
  WINDOW day AS (PARTITION BY mu_id, sched_date ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
SELECT mu_id, sched_date, n.step, CASE WHEN n.step = level.step THEN 15 * agents_before + part_minutes ELSE 15 * agents END AS minutes
FROM level, LATERAL (SELECT unnest(range(level.step, CASE WHEN agents = 0 THEN level.step + 1 ELSE next_step END)) AS step) n
WHERE n.step < 192

-- table open_minutes: open minutes by MU, CT, schedule date and step, CT -1 for an MU without any allocation (WM-208)
SELECT mu_id, ct_id, sched_date, step, sum(open) AS open
FROM (
  SELECT o.mu_id, coalesce(a.ct_id, -1) AS ct_id, o.sched_date, o.step,
    CAST(o.minutes AS DECIMAL(20, 0)) * CAST(coalesce(a.open_share, 1) AS DECIMAL(18, 9)) AS open
  FROM open_step o LEFT JOIN allocation a ON a.mu_id = o.mu_id
  WHERE o.minutes <> 0
  UNION ALL
  SELECT i.mu_id, i.ct_id, i.sched_date, i.step, CAST(i.minutes AS DECIMAL(38, 9))
  FROM imported_open i
  SEMI JOIN open_mu m ON m.mu_id = i.mu_id
  WHERE i.sched_date >= (SELECT start_date - 3 FROM request) AND i.sched_date <= (SELECT end_date + 1 FROM request)
    AND i.step BETWEEN 0 AND 191
    AND (EXISTS (FROM allocation a WHERE a.mu_id = i.mu_id AND a.ct_id = i.ct_id)
      OR i.ct_id = -1 AND NOT EXISTS (FROM allocation a WHERE a.mu_id = i.mu_id))
)
GROUP BY ALL

-- view open_at: open minutes by the instant their step starts, under each quarter of an hour in which a period that holds it may start (WM-209)
SELECT o.mu_id, o.ct_id, o.open, o.at, time_bucket(INTERVAL 15 MINUTE, o.at - to_minutes(CAST(b.back AS BIGINT))) AS quarter_at
FROM (
  SELECT o.mu_id, o.ct_id, o.open, d.start_at + to_minutes(15 * o.step) AS at
  FROM open_minutes o JOIN asked_day d ON d.mu_id = o.mu_id AND d.sched_date = o.sched_date AND d.date = o.sched_date
) o, customer c, (VALUES (0), (15), (30)) b(back)
WHERE b.back <= c.period_minutes
