-- What one business writes from one line to another. A paid line is a settled top-up with its order, its
-- webhook, its mail and its credit; each fifth is not paid, and stands for a debit as well. Half of those
-- were opened at the provider. Webhooks and mails are kept for so many days. A debit is of somebody who has
-- been credited, so no balance falls below zero.
INSERT INTO growth.person
SELECT n, growth.id('person', n, at)
  FROM (SELECT n, CAST(%(start)s AS timestamptz) - n * %(per_person)s * CAST(%(pace)s AS interval) AS at
          FROM generate_series(%(person_from)s::bigint, %(person_to)s::bigint) n) p;
INSERT INTO users (id, email, password_hash, display_name, country, display_currency, language, role,
                   kyc_status, kyc_tier, created_at, updated_at)
SELECT id, 'person-' || k || '@example.org', '$argon2id$v=19$m=19456,t=2,p=1$' || repeat('x', 66), 'Person ' || k,
       'IN', 'INR', 'en', 'user', 'none', 'none', %(start)s, %(start)s
  FROM growth.person WHERE k BETWEEN %(person_from)s AND %(person_to)s;
INSERT INTO ledger_accounts (kind, asset, user_id)
SELECT 'available', 'USDT', id FROM growth.person WHERE k BETWEEN %(person_from)s AND %(person_to)s;
TRUNCATE growth.line;
INSERT INTO growth.line
SELECT n, at, k, p.id, is_paid, NOT is_paid AND n %% 10 = 3 AND at > CAST(%(start)s AS timestamptz) - interval '1 day',
       n %% 10 <> 3, growth.id('top-up', n, at), growth.id('order', n, at), growth.id('transfer', n, at),
       CASE WHEN NOT is_paid THEN growth.id('debit', n, at) END
  FROM (SELECT n, CAST(%(start)s AS timestamptz) - n * CAST(%(pace)s AS interval) AS at, n %% 5 <> 3 AS is_paid,
               CASE WHEN hashint8extended(owner, 1) %% 10 = 0 THEN 0
                    ELSE 1 + abs(hashint8extended(owner, 2) %% %(person_to)s) END AS k
          FROM (SELECT n, n - CAST(n %% 5 = 3 AS integer) AS owner
                  FROM generate_series(%(from)s::bigint, %(to)s::bigint) n) o) g
  JOIN growth.person p USING (k);
ANALYZE growth.line;
INSERT INTO provider_orders (id, environment, provider, flow, order_id, top_up_id, raw, status_number,
    status_class, class_since, recognition_id, wallet_address, coin_id, chain_id, transaction_hash, fiat_type,
    fiat_currency, fiat_amount, payment_kind, expected_price, expected_amount, actual_price, bought_amount,
    gas_fee, ordered_at, asset, network, is_ours, delivered_minor, delivered_rule, first_seen_at, read_at,
    version, applied_version)
SELECT order_id, 'simulator', 'onramp', 'buy', 100000000 + n, top_up_id,
       json_build_object('orderId', 100000000 + n, 'walletAddress', growth.address(), 'coinId', 54, 'fiatType', 1,
           'paymentType', 1, 'fiatAmount', 1000, 'expectedPrice', 87.1, 'expectedCryptoAmount', 10,
           'onRampFee', 2.5, 'clientFee', 0, 'gatewayFee', 0, 'gasFee', 0.5, 'actualPrice', 87.1,
           'actualCryptoAmount', 10.5, 'kycNeeded', 0, 'createdAt', at, 'updatedAt', at, 'status', 4,
           'transactionHash', '0x' || md5('a' || n) || md5('b' || n), 'referenceId', n, 'chainId', 3,
           'merchantRecognitionId', md5('widget' || n)),
       CASE WHEN is_paid THEN 4 ELSE -1 END, CASE WHEN is_paid THEN 'delivered' ELSE 'timed_out' END, at,
       md5('widget' || n), growth.address(), 54, 3,
       CASE WHEN is_paid THEN '0x' || md5('a' || n) || md5('b' || n) END, 1, 'INR', 1000, 1, 87.1, 10, 87.1,
       CASE WHEN is_paid THEN 10.5 END, 0.5, at, CASE WHEN is_paid THEN 'USDT' END,
       CASE WHEN is_paid THEN 'matic20' END, CASE WHEN is_paid THEN true END,
       CASE WHEN is_paid THEN 10 * growth.one() END, CASE WHEN is_paid THEN 'actual_minus_gas' END, at, at, 2, 2
  FROM growth.line WHERE has_order;
INSERT INTO top_ups (id, user_id, environment, fiat_amount, fiat_currency, fiat_type, asset, network,
    payment_method, quote, expected_amount, base_amount, base_currency, status, reason, charged, rank, has_entry,
    received_minor, received_asset, best_order_id, version, created_at, updated_at, claimed_at, settled_at)
SELECT top_up_id, user_id, 'simulator', 1000, 'INR', 1, 'USDT', 'matic20', 'UPI',
       '{"rate": "87.1", "fiat_amount": "1000", "expected_amount": "10", "fees": {"provider": "2.5",'
       || ' "gateway": "0", "network": "43.55", "client": "0"}, "expires_at": "2026-01-01T00:00:00Z"}', 10, 12.5,
        'USD', CASE WHEN is_paid THEN 'settled' WHEN is_open THEN 'created' ELSE 'expired' END, NULL,
       CASE WHEN is_paid THEN 'yes' ELSE 'no' END, CASE WHEN is_paid THEN 70 ELSE 0 END, is_paid,
       CASE WHEN is_paid THEN 10 * growth.one() END, CASE WHEN is_paid THEN 'USDT' END,
       CASE WHEN has_order THEN order_id END, 3, at, at, CASE WHEN is_paid THEN at END,
       CASE WHEN is_paid THEN at END
  FROM growth.line;
INSERT INTO top_up_steps (id, top_up_id, at, status, charged, source, detail, provider_order_id, order_version,
                          act, status_class)
OVERRIDING SYSTEM VALUE
SELECT 3 * (1000000000 - n) + s.number, top_up_id, at, s.status, s.charged, s.source, s.detail,
       CASE WHEN s.act = 'read' THEN order_id END, CASE WHEN s.act = 'read' THEN s.number END, s.act, s.class
  FROM growth.line
 CROSS JOIN LATERAL (VALUES
       (0, true, 'created', 'no', 'user', '', 'created', NULL),
       (1, is_paid, 'processing', 'yes', 'poll', 'paid', 'read', 'paid'),
       (2, is_paid, 'settled', 'yes', 'webhook_read', 'delivered', 'read', 'delivered'),
       (1, NOT is_paid AND has_order, 'expired', 'no', 'poll', 'timed_out', 'read', 'timed_out'),
       (1, NOT has_order AND NOT is_open, 'expired', 'no', 'clock', 'expire', 'expired', NULL))
       AS s (number, is_made, status, charged, source, detail, act, class)
 WHERE s.is_made;
INSERT INTO widget_sessions (recognition_id, top_up_id, environment, asset, network, address, fiat_amount, url,
                             created_at, offered_until)
SELECT md5('widget' || n), top_up_id, 'simulator', 'USDT', 'matic20', growth.address(), 1000,
       'http://localhost:8001/main/buy/?appId=1000&walletAddress=' || growth.address() || '&coinCode=usdt&network=matic20'
       || '&fiatAmount=1000&fiatType=1&paymentMethod=1&lang=en&merchantRecognitionId=' || md5('widget' || n),
       at, at + interval '1 hour'
  FROM growth.line;
INSERT INTO webhook_events (id, environment, header, body, received_at, secret, is_old, differs, kind,
    status_text, signed_at, is_content_signed, flow, order_id, fiat_type, ordered_at, recognition_id, handled_at)
OVERRIDING SYSTEM VALUE
SELECT 1000000000 - n, 'simulator',
       convert_to(encode(convert_to('{"timestamp":' || n || ',"body":' || said || '}', 'UTF8'), 'base64'), 'UTF8'),
       convert_to(said, 'UTF8'), at, 'current', false, false, 'onramp', '4', at, true, 'buy', 100000000 + n, 1, at,
       md5('widget' || n), at
  FROM (SELECT *, json_build_object('orderId', 100000000 + n, 'status', 4, 'fiatType', 1, 'eventType', 'onramp',
                  'walletAddress', growth.address(), 'coinId', 54, 'chainId', 3, 'fiatAmount', 1000, 'createdAt', at,
                  'transactionHash', '0x' || md5('a' || n) || md5('b' || n),
                  'merchantRecognitionId', md5('widget' || n))::text AS said FROM growth.line) l
 WHERE is_paid AND at > CAST(%(start)s AS timestamptz) - %(kept)s * interval '1 day';
INSERT INTO outbox_mails (id, event_key, kind, user_id, recipient, language, details, created_at, useless_after,
                          due_at, attempts, sent_at)
SELECT growth.id('mail', n, at), 'top_up_settled/' || top_up_id || '/' || at, 'top_up_settled', user_id,
       'person-' || k || '@example.org', 'en',
       '{"top_up_id": "' || top_up_id || '", "fiat_amount": "1000", "fiat_currency": "INR", "charged": "yes",'
       || ' "amount": "10", "asset": "USDT"}', at, at + interval '3 days', at, 1, at
  FROM growth.line WHERE is_paid AND at > CAST(%(start)s AS timestamptz) - %(kept)s * interval '1 day';
INSERT INTO debits (id, environment, program_id, reference, input_hash, user_id, asset, amount_minor, is_hold,
    status, posted_minor, released_minor, reversed_minor, created_at, updated_at)
SELECT debit_id, 'simulator', 'shop', 'order-' || n, sha256(CAST(debit_id AS bytea)), user_id, 'USDT', 2 * growth.one(),
       false, 'posted', 2 * growth.one(), 0, 0, at, at
  FROM growth.line WHERE NOT is_paid;
INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, top_up_id,
                              provider_order_id, debit_id, source, created_at)
SELECT transfer_id, 'simulator',
       CASE WHEN is_paid THEN 'onramp:buy:' || 100000000 + n || ':receive' ELSE 'debit:shop:order-' || n END,
       sha256(CAST(transfer_id AS bytea)), CASE WHEN is_paid THEN 'receive' ELSE 'debit' END, user_id,
       CASE WHEN is_paid THEN top_up_id END, CASE WHEN is_paid THEN order_id END, debit_id,
       CASE WHEN is_paid THEN 'webhook_read' ELSE 'program' END, at
  FROM growth.line;
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT transfer_id, CASE WHEN is_paid THEN t.id ELSE i.id END,
       CASE WHEN is_paid THEN 10 ELSE -2 END * growth.one()
  FROM growth.line, ledger_accounts t, ledger_accounts i WHERE t.kind = 'treasury' AND i.kind = 'income';
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT transfer_id, a.id, CASE WHEN is_paid THEN -10 ELSE 2 END * growth.one()
  FROM growth.line l JOIN ledger_accounts a ON a.user_id = l.user_id;
INSERT INTO user_balances AS b
SELECT user_id, 'USDT', sum(CASE WHEN is_paid THEN 10 ELSE -2 END) * growth.one(), 0, 0, count(*)
  FROM growth.line GROUP BY user_id
    ON CONFLICT (user_id, asset) DO UPDATE
   SET available_minor = b.available_minor + excluded.available_minor, version = b.version + excluded.version
