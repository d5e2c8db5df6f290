-- SPDX-License-Identifier: MIT
-- The plans, as rows of the table that examples/rules-from-postgres/schema.sql makes.
INSERT INTO ratelimit.limiter (name, limits, note) VALUES
  ('api:free', 'TOKENBUCKET 20 10 1s AS rate', 'the plan that costs nothing'),
  ('api:paid', 'TOKENBUCKET 200 100 1s AS rate', 'the plan that pays for all of it')
ON CONFLICT (name) DO NOTHING;
