-- What the texts of a stored file hold that formats mind, by column; of a column that is not named nothing is known.
-- It was known of those only that hold nothing of it. `plain_columns` stays for processes of an earlier version.
ALTER TABLE stored_files ADD COLUMN specials jsonb NOT NULL DEFAULT '{}';
UPDATE stored_files
SET specials = (SELECT coalesce(jsonb_object_agg(name, '[]'::jsonb), '{}') FROM unnest(plain_columns) AS name);
