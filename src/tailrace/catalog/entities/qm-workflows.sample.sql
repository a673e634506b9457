-- Sample rows of qm-workflows. Parameters: $rows, $seed, $start, $end (both dates are within), $tenant.
--
-- Gives every stored column by its name, and _row: the row's number, from 1. A row depends on $seed, $start, $end and its
-- number only, so the first rows stay the same when more are asked for. All chance comes from MD5 and integers: the
-- same rows from every version of DuckDB and every number of threads (no hash(), no random(), no floats).

WITH
locales AS MATERIALIZED (
  SELECT * FROM (VALUES
    (0,  ['James','Mary','Robert','Linda','Grace','Tyrone','Ashley','Kevin'],      ['Smith','Johnson','O''Brien','Carter','McDonald','Lee','St. John','Washington']),
    (1,  ['José','María','Iñaki','Lucía','Ángel','Begoña','Sofía','Raúl'],         ['García','Núñez','Ibáñez','Peña','de la Cruz','Ortiz','Güell','Vázquez']),
    (2,  ['François','Zoë','Chloé','Hélène','André','Maëlle','Noël','Anaïs'],      ['Lefèvre','D''Aubigné','L''Hôpital','Dupont','Garçon','Bénard','Müller','N''Diaye']),
    (3,  ['Γιώργος','Ελένη','Νίκος','Μαρία','Δημήτρης','Σοφία','Κώστας','Άννα'],     ['Παπαδόπουλος','Νικολάου','Γεωργίου','Οικονόμου','Βλάχος','Αγγελίδης','Κωνσταντίνου','Ρήγας']),
    (4,  ['Иван','Ольга','Дмитрий','Наталья','Сергей','Юлія','Алёна','Пётр'],      ['Иванов','Щербакова','Кузнецов','Шевченко','Соловьёв','Ґонта','Чайковский','Ефимова']),
    (5,  ['伟','芳','秀英','娜','敏','静','磊','洋'],                                 ['王','李','张','刘','陈','欧阳','司马','赵']),
    (6,  ['太郎','花子','健','さくら','直樹','陽菜','翔','美咲'],                      ['佐藤','鈴木','髙橋','田中','渡邉','伊藤','山本','小林']),
    (7,  ['محمد','فاطمة','أحمد','عائشة','خالد','ليلى','عمر','نور'],                   ['الهاشمي','حسن','المصري','عبد الله','الخطيب','صالح','منصور','بن سعيد']),
    (8,  ['דוד','שרה','יוסף','רחל','אבי','נועה','משה','תמר'],                        ['כהן','לוי','מזרחי','פרץ','ביטון','אברהם','בן־דוד','שלום']),
    (9,  ['Łukasz','Žofie','Šárka','Jiří','Gyöngyi','Ștefan','İpek','Đorđe'],      ['Dvořák','Wiśniewska','Kovačević','Nagy','Öztürk','Țurcanu','Þórsson','Håkansson']),
    (10, ['Nguyễn Thị','Minh','Priya','Arjun','Siti','Kofi','Ngozi','Mpho'],       ['Trần','Phạm','Krishnamurthy','Singh','','Mensah','Okonkwo-Bello','Dlamini']),
    (11, ['Emma','Liam','Anna-Lena','Jürgen','Björn','Søren','Fiadh','Siân'],      ['Weiß','Größmann','van den Berg','D''Angelo','Sørensen','Ó Súilleabháin','Jones','ffrench'])
  ) AS names(locale, first_names, last_names)
),
-- The same people whatever the seed: a person's name is a fact of its number.
people AS MATERIALIZED (
  SELECT person, first_names[1 + ((b >> 8) % 8)::INTEGER] AS first_name, last_names[1 + ((b >> 24) % 8)::INTEGER] AS last_name
  FROM (
    SELECT range AS person, (md5_number_lower('person ' || range) >> 1)::BIGINT AS b FROM range(5400)
  ) JOIN locales ON locale = CASE WHEN b % 100 < 40 THEN (b // 100) % 2 * 11 ELSE (b // 100) % 12 END
),
agents AS MATERIALIZED (
  SELECT person AS agent, 'ag-' || lpad((100000 + person * 7)::VARCHAR, 7, '0') AS agent_id, first_name, last_name,
         CASE WHEN person % 97 <> 0 THEN person % 80 END AS team
  FROM people WHERE person < 5000
),
teams AS MATERIALIZED (
  SELECT range AS team, 'team-' || (201 + range) AS team_id,
         ['Billing','Claims','Retention','Tech Support','Sales','Collections','Onboarding','Fraud & Security','Équipe Québec','VIP "Gold"']
           [1 + (range % 10)::INTEGER] || ', ' || ['North','South','East','West','Nights','Weekend','Rīga','São Paulo'][1 + (range // 10)::INTEGER] AS team_name
  FROM range(80)
),
forms AS MATERIALIZED (
  SELECT * FROM (VALUES
    (0, 'Inbound Call Quality', 100, 'Quarterly inbound, 5 %'), (1, 'Chat Etiquette', 40, 'Chat sampling'), (2, 'Email, Written Tone', 25, 'Written channels'),
    (3, 'Compliance "PCI" Check', 12, 'Compliance; card data'), (4, 'New Hire 30/60/90', 60, 'New hires'), (5, 'Sales Opening & Closing', 48, 'Sales, monthly'),
    (6, 'Évaluation client', 20, 'Plan qualité Montréal'), (7, 'カスタマー対応評価', 30, '東京 月次'), (8, 'Escalations', 75, 'Escalations (all)'), (9, 'Soft Skills', 36, 'Soft skills Q2')
  ) AS forms(form, form_name, most_points, plan_name)
),
user_comments AS MATERIALIZED (
  SELECT generate_subscripts(texts, 1) - 1 AS said, unnest(texts) AS user_comment FROM (SELECT [
    'I verified the caller''s identity; please listen again from 02:15.',
    'The customer said "that''s fine", so I closed the case.',
    'Score is too low, see notes:' || chr(10) || '- greeting was given' || chr(10) || '- hold time was announced',
    'Line one' || chr(13) || chr(10) || 'Line two, with a comma' || chr(13) || chr(10) || '"Line three"',
    '  starts and ends with blanks  ', '=SUM(A1:A3) is what the customer typed', '+1 for a second look', '-5 points for hold time is wrong',
    '@supervisor please check question 7', 'Merci de réécouter l’appel : j’ai bien annoncé l’enregistrement.', 'Ο πελάτης ήταν ικανοποιημένος.',
    'Клиент подтвердил адрес, прошу пересмотреть оценку.', '客户已经确认了地址，请重新评分。', 'お客様にはご満足いただけました。', 'أرجو مراجعة المكالمة مرة أخرى.',
    'הלקוח אישר את הפרטים.', 'Not fair 😞 the system was down 🔥', 'Family call 👨‍👩‍👧‍👦, flag 🇨🇦', '', chr(9) || 'tab before, tab after' || chr(9), '""', 'He said: "no", then hung up.',
    'See https://example.org/kb?id=42&lang=en#top', 'N/A', 'null', '0', repeat('I disagree with the weighting of the closing questions. ', 12)
  ] AS texts)
),
resolver_comments AS MATERIALIZED (
  SELECT generate_subscripts(texts, 1) - 1 AS answered, unnest(texts) AS resolver_comment FROM (SELECT [
    'Agreed; score raised.', 'Listened again: greeting was missing, score stands.', 'Partly agreed,' || chr(10) || 'question 4 corrected.',
    'Calibrated with the team on Friday; see minutes, item "3b".', '', '= unchanged', '- withdrawn by agent', '+ 4 points', 'Accepté, note corrigée.',
    'Принято.', '已更正。', '✅ done', ' checked ', 'Reviewed;' || chr(13) || chr(10) || 'no change.', 'Per policy 12.4, hold must be announced.'
  ] AS texts)
),
-- In four parts: DuckDB counts up one range with one thread only.
numbers AS (
  SELECT range FROM range($rows // 4) UNION ALL SELECT range FROM range($rows // 4, $rows // 2)
  UNION ALL SELECT range FROM range($rows // 2, $rows // 4 + $rows // 2) UNION ALL SELECT range FROM range($rows // 4 + $rows // 2, $rows)
),
draws AS (
  SELECT n,
         -- 63 bits each: DuckDB computes UBIGINT with BIGINT as HUGEINT, which is slow
         (md5_number_lower(key) >> 1)::BIGINT AS a, (md5_number_upper(key) >> 1)::BIGINT AS b,
         (md5_number_lower(key || 'x') >> 1)::BIGINT AS c, (md5_number_upper(key || 'x') >> 1)::BIGINT AS d,
         md5(key || 'w') AS workflow, md5(key || 's') AS segment
  FROM (SELECT range + 1 AS n, 'qm-workflows ' || $seed || ' ' || (range + 1) AS key FROM numbers)
),
chosen AS (
  SELECT n, workflow, segment, a, b, c, d,
         a % 5000 AS agent,
         5000 + (a >> 13) % 300 AS evaluator, 5300 + (a >> 22) % 60 AS resolver, 5360 + (a >> 28) % 40 AS assigner,
         (a >> 34) % 10 AS form, (a >> 38) % 100 < 15 AS own,
         (a >> 45) % 100 AS trigger_draw, (a >> 52) % 100 AS status_draw,
         -- two draws, the better one counts: most scores are high
         greatest(b % 1009, (b >> 10) % 1009) AS score_draw, (b >> 20) % 40 = 0 AS failed, (b >> 26) % 16 AS answered,
         (b >> 30) % 100 AS channel, (b >> 37) % 100 AS auto_draw, (b >> 44) % 29 AS said, (b >> 49) % 1000 AS subscriber, (b >> 59) % 5 AS area,
         -- the day, then the time of day: three of four between 08:00 and 18:00
         c % (DATE $end - DATE $start + 1) AS day,
         CASE WHEN (c >> 20) % 4 = 0 THEN (c >> 23) % 86400000 ELSE 28800000 + (c >> 23) % 36000000 END AS moment,
         d % 172500000 + 300000 AS worked_ms, (d >> 28) % 518400000 + 3600000 AS waited_ms,
         (c >> 49) % 8192 * 320 + 30000 AS talked_ms, (d >> 36) % 16777216 * 50 AS touched_ms
  FROM draws
),
-- Weekend days go to the Monday after, three times of four, where the range has that Monday.
dated AS (
  SELECT *, epoch_ms(DATE $start::TIMESTAMP) + 86400000 * (CASE
      WHEN (d >> 61) = 0 THEN day
      WHEN weekday = 6 AND day + 2 <= DATE $end - DATE $start THEN day + 2
      WHEN weekday = 7 AND day + 1 <= DATE $end - DATE $start THEN day + 1
      ELSE day END) + moment AS submitted_ms
  FROM (SELECT *, (isodow(DATE $start) - 1 + day) % 7 + 1 AS weekday FROM chosen)
),
stated AS (
  SELECT *,
    CASE
      WHEN own THEN CASE
        WHEN status_draw < 70 THEN 'Completed' WHEN status_draw < 80 THEN 'In Progress' WHEN status_draw < 87 THEN 'Claimed (new)' WHEN status_draw < 94 THEN 'Expired'
        ELSE 'Completed No Review' END
      WHEN status_draw < 4 THEN 'Claimed (new)' WHEN status_draw < 14 THEN 'Sent to Agent' WHEN status_draw < 18 THEN 'Dispute'
      WHEN status_draw < 22 THEN 'In Progress' WHEN status_draw < 26 THEN 'In Review' WHEN status_draw < 38 THEN 'Completed Reviewed'
      WHEN status_draw < 72 THEN 'Completed Acknowledged' WHEN status_draw < 82 THEN 'Completed No Review' WHEN status_draw < 95 THEN 'Completed'
      ELSE 'Expired' END AS status,
    CASE WHEN trigger_draw < 55 THEN 'Quality Plan' WHEN trigger_draw < 90 OR own THEN 'Manual trigger' WHEN trigger_draw < 98 THEN 'Calibration' END AS flow_trigger,
    CASE WHEN channel < 68 THEN 'Phone call' WHEN channel < 83 THEN 'Chat' WHEN channel < 97 THEN 'Email' END AS interaction
  FROM dated
),
-- A failed critical question sets the score to zero. Scores are quarter points; percent is rounded half up.
scored AS (
  SELECT *, status IN ('Claimed (new)', 'In Progress') AS unfinished, status IN ('In Review', 'Completed Reviewed') AND NOT own AS resolved,
         CASE WHEN failed THEN 0 ELSE score_draw * most_points * 4 // 1008 END AS quarters
  FROM stated JOIN forms USING (form)
)
SELECT
  n AS _row,
  $tenant AS tenant_name,
  agents.agent_id AS agent_id,
  CASE WHEN own THEN 'Self-Assessment' ELSE 'Evaluation' END AS type,
  flow_trigger AS evaluation_flow_trigger,
  status AS workflow_status,
  CASE WHEN NOT own AND NOT unfinished THEN auto_draw < 30 END AS auto_acknowledged,
  CASE WHEN status = 'Expired' THEN 'Timed-Out' WHEN status LIKE 'Completed%' THEN 'Closed' ELSE 'Open' END AS workflow_state,
  substr(workflow, 1, 8) || '-' || substr(workflow, 9, 4) || '-' || substr(workflow, 13, 4) || '-' || substr(workflow, 17, 4) || '-' || substr(workflow, 21) AS workflow_id,
  CASE WHEN flow_trigger = 'Quality Plan' THEN plan_name END AS plan_name,
  form_name,
  (1 + form % 4)::VARCHAR || '.' || (n % 3)::VARCHAR AS form_version,
  make_timestamp((submitted_ms - worked_ms) * 1000) AS start_date,
  make_timestamp(submitted_ms * 1000) AS submission_date,
  make_timestamp((submitted_ms + CASE WHEN status = 'Completed' THEN 0 ELSE touched_ms END) * 1000) AS last_updated,
  CASE WHEN NOT unfinished THEN ((quarters * 20000 // most_points + 4) // 8)::DECIMAL(16,0) * 0.01::DECIMAL(2,2) END AS score_percentage,
  CASE WHEN NOT unfinished THEN (quarters * 25)::DECIMAL(16,0) * 0.01::DECIMAL(2,2) END AS score,
  most_points::DECIMAL(18,2) AS maximum_possible_score,
  CASE WHEN unfinished THEN NULL WHEN quarters * 25 >= most_points * 95 THEN 'Outstanding' WHEN quarters * 25 >= most_points * 80 THEN 'Meets expectations'
       WHEN quarters * 25 >= most_points * 60 THEN 'Needs coaching' ELSE 'Below standard' END AS rank,
  CASE WHEN NOT unfinished THEN failed END AS failed_critical_question,
  CASE WHEN resolved OR (status = 'Dispute') THEN user_comment END AS user_review_comments,
  CASE WHEN resolved THEN resolver_comment END AS dispute_resolver_comments,
  CASE WHEN interaction IS NOT NULL THEN substr(segment, 1, 8) || '-' || substr(segment, 9, 4) || '-' || substr(segment, 13, 4) || '-' || substr(segment, 17, 4) || '-' || substr(segment, 21) END AS segment_id,
  CASE WHEN interaction IS NOT NULL THEN CASE WHEN auto_draw = 99 THEN '' ELSE (400000000 + c % 99999989)::VARCHAR END END AS acd_id,
  interaction AS interaction_type,
  CASE WHEN interaction IS NOT NULL THEN make_timestamp((submitted_ms - worked_ms - waited_ms - talked_ms) * 1000) END AS interaction_start_date,
  CASE WHEN interaction IS NOT NULL THEN make_timestamp((submitted_ms - worked_ms - waited_ms) * 1000) END AS interaction_end_date,
  CASE WHEN interaction = 'Phone call' THEN CASE WHEN channel < 55 THEN 'Inbound' ELSE 'Outbound' END END AS interaction_direction,
  team_id,
  team_name,
  CASE WHEN interaction = 'Phone call' AND subscriber % 50 > 0 THEN '+1' || ['212','312','415','617','808'][1 + area::INTEGER] || '55501' || lpad((subscriber % 100)::VARCHAR, 2, '0') END AS phone_number,
  CASE WHEN own THEN agents.first_name ELSE evaluators.first_name END AS firstname_eva,
  CASE WHEN own THEN agents.last_name ELSE evaluators.last_name END AS lastname_eva,
  agents.first_name AS firstname_agent,
  agents.last_name AS lastname_agent,
  CASE WHEN resolved THEN resolvers.first_name END AS firstname_disp,
  CASE WHEN resolved THEN resolvers.last_name END AS lastname_disp,
  CASE WHEN flow_trigger = 'Manual trigger' THEN assigners.first_name END AS firstname_assigner,
  CASE WHEN flow_trigger = 'Manual trigger' THEN assigners.last_name END AS lastname_assigner
FROM scored
JOIN agents USING (agent)
LEFT JOIN teams USING (team)
JOIN people AS evaluators ON evaluators.person = evaluator
JOIN people AS resolvers ON resolvers.person = resolver
JOIN people AS assigners ON assigners.person = assigner
LEFT JOIN user_comments USING (said)
LEFT JOIN resolver_comments USING (answered)
