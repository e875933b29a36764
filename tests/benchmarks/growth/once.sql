-- What there is once. The parts are parted by a semicolon at the end of a line.
CREATE SCHEMA growth;
CREATE FUNCTION growth.one() RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT 1000000000000000000::numeric
$$;
CREATE FUNCTION growth.address() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '0x5151515151515151515151515151515151510001'
$$;
-- As `new_id` makes them: the time, then what looks random.
CREATE FUNCTION growth.id(tag text, n bigint, at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT lpad(to_hex(CAST(extract(epoch FROM at) * 1000 AS bigint)), 12, '0') || '7'
           || substr(md5(tag || n), 1, 19)
$$;
CREATE TABLE growth.person (k bigint PRIMARY KEY, id text NOT NULL);
CREATE UNLOGGED TABLE growth.line (n bigint, at timestamptz, k bigint, user_id text, is_paid boolean,
    is_open boolean, has_order boolean, top_up_id text, order_id text, transfer_id text, debit_id text);
INSERT INTO growth.person VALUES (0, %(heavy)s);
INSERT INTO assets VALUES ('USDT', 18, now()) ON CONFLICT DO NOTHING;
INSERT INTO exchange_rates VALUES ('simulator', 'USDT', 1, now()), ('simulator', 'USD', 1, now()),
                                  ('simulator', 'INR', 80, now());
INSERT INTO programs VALUES ('shop', 'shop', now());
INSERT INTO ledger_accounts (kind, asset) VALUES ('income', 'USDT');
INSERT INTO ledger_accounts (kind, asset, network, address)
VALUES ('treasury', 'USDT', 'matic20', growth.address());
INSERT INTO ledger_accounts (kind, asset, user_id) VALUES ('available', 'USDT', %(heavy)s);
INSERT INTO user_balances VALUES (%(heavy)s, 'USDT', 0, 0, 0, 0);
ALTER TABLE top_up_steps ALTER COLUMN id RESTART WITH 4000000000;
ALTER TABLE webhook_events ALTER COLUMN id RESTART WITH 4000000000;
-- Named by webhooks that say nothing of their currency, and not read yet.
INSERT INTO provider_orders (id, environment, provider, flow, order_id, first_seen_at, due_at, version,
                             applied_version)
SELECT growth.id('due', n, now()), 'simulator', 'onramp', 'buy', 400000000 + n, now(), now(), 0, 0
  FROM generate_series(CAST(1 AS bigint), 10) n;
