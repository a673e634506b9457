-- A made-up contact centre, part 4 of 5: forecasts and contacts.

-- The queues an agent works on, four at most: of the CTs the agent's MU works for, on ACDs the agent has a logon for.
-- An MU without allocation helps the first CT.
CREATE TABLE _skill AS
SELECT tv_id, mu_id, list(queue_id ORDER BY draw, queue_id)[:4] AS queues
FROM (
  SELECT DISTINCT tv_id, mu_id, queue_id, _draw('skill ' || tv_id || ' ' || queue_id) AS draw
  FROM _member JOIN (SELECT mu_id, ct_id FROM _edge UNION ALL SELECT unnest([1, 2]), 111) USING (mu_id)
  JOIN queue USING (ct_id) JOIN _reach USING (tv_id, acd_id)
) GROUP BY tv_id, mu_id;

-- Contacts come in periods at whose start the agent is open, so that there is one such activity at most, and which are
-- over. A date's distance to the ends of a logon lets it hold in every zone (WM-110).
CREATE TABLE agent_period AS
WITH opened AS (
  SELECT tv_id, mu_id, sched_date, epoch_us(start_at) // 60000000 AS from_minute, epoch_us(stop_at) // 60000000 AS to_minute
  FROM _act JOIN activity_code USING (code) WHERE is_open
),
periods AS (
  SELECT tv_id, mu_id, sched_date, to_minute, unnest(range((from_minute + 14) // 15 * 15, to_minute - 2, 15)) AS minute FROM opened
),
drawn AS (
  SELECT *, least(to_minute - minute, 15) * 60 AS open_s, _draw('contact ' || tv_id || ' ' || minute) AS draw
  FROM periods WHERE minute + 15 <= epoch_us(_present()) // 60000000
),
busy AS (
  SELECT tv_id, sched_date, queues[1 + (draw >> 8) % len(queues)] AS queue_id, minute, draw, open_s * (40 + (draw >> 12) % 56) // 100 AS busy_s
  FROM drawn JOIN _skill USING (tv_id, mu_id) WHERE draw % 100 < 50
),
split AS (
  SELECT *, busy_s * ((draw >> 20) % 18) // 100 AS hold, busy_s * (5 + (draw >> 26) % 20) // 100 AS work,
    -- Seldom time without a contact, where a quotient has no value.
    CASE WHEN (draw >> 40) % 100 > 0 THEN greatest(1, busy_s // (150 + (draw >> 32) % 256)) ELSE 0 END AS handled
  FROM busy
)
SELECT tv_id, queue_id, make_timestamp(minute * 60000000) AS period_at, handled, busy_s - hold - work AS talk_s, hold AS hold_s, work AS work_s
FROM split JOIN queue USING (queue_id) JOIN _reach USING (tv_id, acd_id)
WHERE sched_date - 1 >= from_date AND sched_date + 2 < to_date;

-- Every period of the range of every CT, while it is there.
CREATE TABLE _period AS
SELECT ct_id, day, minute, opened_at + to_minutes(minute) AS period_at
FROM (
  SELECT ct_id, created_at, deleted_at, day, opened_at, unnest(range(0, (epoch_us(_day_start(day + 1, tz)) - epoch_us(opened_at)) // 60000000, 15)) AS minute
  FROM (
    SELECT *, _day_start(day, tz) AS opened_at
    FROM contact_type CROSS JOIN (SELECT _first() + i::INTEGER AS day FROM range(_last() - _first() + 1) AS numbers(i))
  )
) WHERE ct_id >= 111 OR (period_at >= created_at AND period_at < coalesce(deleted_at, TIMESTAMP '9999-12-31'));

-- What agents did, and what no agent could, in opening hours also where nothing was done.
CREATE TABLE queue_period AS
WITH done AS (
  SELECT queue_id, period_at, sum(handled)::BIGINT AS handled, sum(talk_s)::BIGINT AS talk_s, sum(hold_s)::BIGINT AS hold_s, sum(work_s)::BIGINT AS work_s
  FROM agent_period GROUP BY ALL
),
opened AS (
  SELECT queue_id, period_at FROM _period JOIN queue USING (ct_id)
  WHERE minute BETWEEN 480 AND 1185 AND period_at + INTERVAL 15 MINUTES <= _present()
),
drawn AS (
  SELECT queue_id, period_at, coalesce(handled, 0) AS handled, coalesce(talk_s, 0) AS talk_s, coalesce(hold_s, 0) AS hold_s, coalesce(work_s, 0) AS work_s,
         done.queue_id IS NOT NULL AS busy, _draw('queue ' || queue_id || ' ' || epoch_us(period_at)) AS draw
  FROM opened FULL JOIN done USING (queue_id, period_at)
),
counted AS (
  SELECT *, CASE WHEN (draw >> 8) % 3 > 0 THEN 0 ELSE (draw >> 12) % (2 + handled // 4) END AS abandoned FROM drawn WHERE busy OR draw % 100 < 40
)
SELECT queue_id, period_at, handled + abandoned + CASE WHEN (draw >> 20) % 9 = 0 THEN 1 ELSE 0 END AS received, handled, abandoned,
       handled * (55 + (draw >> 24) % 46) // 100 AS in_time, talk_s, hold_s, work_s,
       handled * (4 + (draw >> 32) % 60) + abandoned * (20 + (draw >> 40) % 90) AS wait_s
FROM counted;

-- A day's curve in percent by the hour, less at weekends. In whole units of 0.0001, so that `req` is rounded once.
CREATE TABLE ct_forecast AS
WITH drawn AS (
  SELECT ct_id, day, period_at, _draw('forecast ' || ct_id || ' ' || epoch_us(period_at)) AS draw,
         [0, 0, 0, 0, 0, 1, 4, 15, 45, 80, 100, 95, 75, 70, 85, 90, 85, 70, 50, 35, 25, 12, 5, 2][1 + least(minute // 60, 23)]
           * CASE WHEN isodow(day) > 5 THEN 40 ELSE 100 END * greatest(4, _agents() // _cts()) AS level
  FROM _period
),
units AS (
  SELECT *, level * (70 + draw % 61) // 100 + (draw >> 8) % 2500 * least(level, 1) AS received,
         (180 + (draw >> 20) % 240) * 10000 + (draw >> 28) % 10000 AS aht, 60 + (draw >> 42) % 36 AS occ
  FROM drawn
),
required AS (
  SELECT *, (received * aht * 100 + 4500000 * occ) // (9000000 * occ) AS req, received * (90 + (draw >> 50) % 11) // 100 AS handled FROM units
)
SELECT ct_id, period_at, _decimal4(received) AS received, _decimal4(handled) AS handled, _decimal4(aht) AS aht_s, _decimal4(req) AS req, occ,
       CASE WHEN ct_id % 3 > 0 AND draw % 10 > 0 THEN _decimal4(req * 11 // 10) END AS rev_plan_req,
       CASE WHEN ct_id % 4 > 0 AND draw % 7 > 0 THEN _decimal4(req * 9 // 10) END AS commit_plan_req
FROM required;

-- The largest of what is not needed any more.
DROP TABLE _act;
DROP TABLE _period;
