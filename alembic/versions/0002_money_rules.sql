-- The rules of the books, which the database enforces for everyone, its owner included.
-- Functions that write where the application may not are SECURITY DEFINER; their search_path ends with
-- pg_temp, because otherwise it would be searched first, and anybody can create temporary tables.

-- What has been booked, decided or recorded is never changed.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON assets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON top_up_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_chain
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Pages compare versions to detect a lost notification, so the database itself increments them.
CREATE FUNCTION count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;

CREATE TRIGGER count_version BEFORE UPDATE ON top_ups
    FOR EACH ROW EXECUTE FUNCTION count_version();

-- At most 20 bodies for one signed header. Counting is safe only if transactions with the same header take
-- turns. A statement that inserts several rows must sort them by header, or two such statements may deadlock.
CREATE FUNCTION limit_webhook_bodies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(encode(sha256(NEW.header), 'hex'), 0));
    IF (SELECT count(*) FROM webhook_events
         WHERE environment = NEW.environment AND header_hash = sha256(NEW.header)) >= 20 THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER limit_bodies BEFORE INSERT ON webhook_events
    FOR EACH ROW EXECUTE FUNCTION limit_webhook_bodies();

-- Keeps the newest 1,000 refusals. Rows that another transaction is already deleting are skipped.
CREATE FUNCTION trim_webhook_refusals() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM webhook_refusals WHERE id IN (
        SELECT id FROM webhook_refusals WHERE id <= (SELECT max(id) - 1000 FROM webhook_refusals)
        FOR UPDATE SKIP LOCKED
    );
    RETURN NULL;
END $$;

CREATE TRIGGER trim AFTER INSERT ON webhook_refusals
    FOR EACH STATEMENT EXECUTE FUNCTION trim_webhook_refusals();

-- Locks users' balances in the same order for everybody, and creates missing rows.
CREATE FUNCTION lock_user_balances(user_ids text[], assets text[]) RETURNS SETOF user_balances
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO user_balances (user_id, asset, available_minor, held_minor, owed_minor, version)
        SELECT DISTINCT p.user_id, p.asset, 0, 0, 0, 0
          FROM unnest(user_ids, assets) AS p (user_id, asset) ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
    RETURN QUERY
        SELECT b.* FROM user_balances b
         WHERE (b.user_id, b.asset) IN (SELECT p.u, p.a FROM unnest(user_ids, assets) AS p (u, a))
         ORDER BY b.user_id, b.asset FOR UPDATE;
END $$;

-- Stored balances are changed only here. A transfer that is already in the chain cannot get further entries.
CREATE FUNCTION move_balances() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    debited record;
BEGIN
    IF EXISTS (SELECT FROM new_entries e
                 JOIN ledger_chain c ON c.kind = 'transfer' AND c.subject_id = e.transfer_id) THEN
        RAISE EXCEPTION 'a finished transfer takes no further entries' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM lock_user_balances(array_agg(a.user_id), array_agg(a.asset))
       FROM new_entries e JOIN ledger_accounts a ON a.id = e.account_id
      WHERE a.user_id IS NOT NULL;
    UPDATE user_balances b
       SET available_minor = b.available_minor + m.available,
           held_minor = b.held_minor + m.held,
           owed_minor = b.owed_minor + m.owed,
           version = b.version + 1
      FROM (SELECT a.user_id, a.asset,
                   coalesce(-sum(e.amount_minor) FILTER (WHERE a.kind = 'available'), 0) AS available,
                   coalesce(-sum(e.amount_minor) FILTER (WHERE a.kind = 'held'), 0) AS held,
                   coalesce(sum(e.amount_minor) FILTER (WHERE a.kind = 'owed'), 0) AS owed
              FROM new_entries e JOIN ledger_accounts a ON a.id = e.account_id
             WHERE a.user_id IS NOT NULL GROUP BY a.user_id, a.asset) m
     WHERE b.user_id = m.user_id AND b.asset = m.asset;
    -- Suspense and payable have no kept sum. They are debited rarely and by one at a time, so they are summed.
    FOR debited IN
        SELECT a.id, a.name FROM new_entries e JOIN ledger_accounts a ON a.id = e.account_id
         WHERE a.kind IN ('suspense', 'payable') AND e.amount_minor > 0 GROUP BY a.id, a.name ORDER BY a.id
    LOOP
        PERFORM FROM ledger_accounts WHERE id = debited.id FOR NO KEY UPDATE;
        IF (SELECT sum(amount_minor) FROM ledger_entries WHERE account_id = debited.id) > 0 THEN
            RAISE EXCEPTION '% would be below zero', debited.name
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_entries_sign';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE TRIGGER move_balances AFTER INSERT ON ledger_entries REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION move_balances();

-- The content that the chain covers, as text in a canonical form. Times are microseconds since 1970.
CREATE FUNCTION ledger_transfer_content(transfer text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_array(
        'transfer', t.id, t.environment, t.reference, encode(t.input_hash, 'hex'), t.kind, t.user_id,
        t.top_up_id, t.provider_order_id, t.source, t.actor, t.reason,
        (extract(epoch FROM t.created_at) * 1000000)::bigint,
        (SELECT string_agg(json_build_array(a.name, s.scale, e.amount_minor)::text, ',' ORDER BY a.name COLLATE "C")
           FROM ledger_entries e
           JOIN ledger_accounts a ON a.id = e.account_id
           JOIN assets s ON s.code = a.asset
          WHERE e.transfer_id = t.id)
    )::text FROM ledger_transfers t WHERE t.id = transfer
$$;

CREATE FUNCTION audit_row_content(audit_row text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_array('audit', id, (extract(epoch FROM at) * 1000000)::bigint, actor, action, subject,
                            address, detail)::text
      FROM audit_log WHERE id = audit_row
$$;

-- Appends take turns, and come last in their transactions, so that only commits wait for each other.
CREATE FUNCTION append_to_chain(kind text, subject text, content text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last_seq bigint;
    last_hash bytea;
BEGIN
    PERFORM pg_advisory_xact_lock(7205338181114022);
    SELECT c.seq, c.hash INTO last_seq, last_hash FROM ledger_chain c ORDER BY c.seq DESC LIMIT 1;
    IF NOT FOUND THEN
        last_seq := 0;
        last_hash := decode(repeat('00', 32), 'hex');
    END IF;
    INSERT INTO ledger_chain (seq, kind, subject_id, previous_hash, hash)
        VALUES (last_seq + 1, kind, subject, last_hash, sha256(last_hash || convert_to(content, 'UTF8')));
END $$;

CREATE FUNCTION finish_transfer() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    entries bigint;
    foreign_users bigint;
    held bigint;
    unbalanced bigint;
BEGIN
    SELECT coalesce(sum(p.entries), 0), coalesce(sum(p.foreign_users), 0), coalesce(sum(p.held), 0),
           count(*) FILTER (WHERE p.total <> 0)
      INTO entries, foreign_users, held, unbalanced
      FROM (SELECT count(*) AS entries, sum(e.amount_minor) AS total,
                   count(*) FILTER (WHERE a.user_id <> NEW.user_id OR (a.user_id IS NOT NULL AND NEW.user_id IS NULL))
                       AS foreign_users,
                   count(*) FILTER (WHERE a.kind = 'held') AS held
              FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
             WHERE e.transfer_id = NEW.id GROUP BY a.asset) p;
    IF entries < 2 OR unbalanced > 0 THEN
        RAISE EXCEPTION 'transfer % does not balance', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_balance';
    ELSIF foreign_users > 0 THEN
        RAISE EXCEPTION 'transfer % moves money of another user', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_one_user';
    ELSIF held > 0 AND NEW.top_up_id IS NULL THEN
        RAISE EXCEPTION 'transfer % holds money without a top-up', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_held_names_top_up';
    END IF;
    PERFORM append_to_chain('transfer', NEW.id, ledger_transfer_content(NEW.id));
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER finish AFTER INSERT ON ledger_transfers DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION finish_transfer();

CREATE FUNCTION finish_audit_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM append_to_chain('audit', NEW.id, audit_row_content(NEW.id));
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER finish AFTER INSERT ON audit_log DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION finish_audit_row();

-- What the application's role may do: read the books and add to them; change only what is meant to change.
REVOKE ALL ON FUNCTION lock_user_balances(text[], text[]), append_to_chain(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_user_balances(text[], text[]) TO onramp_app;
GRANT SELECT, INSERT ON assets, top_up_steps, ledger_accounts, ledger_transfers, ledger_entries, audit_log,
    webhook_refusals TO onramp_app;
GRANT SELECT ON user_balances, ledger_chain TO onramp_app;
GRANT SELECT, INSERT ON top_ups, widget_sessions, exceptions TO onramp_app;
GRANT UPDATE (status, reason, charged, rank, has_entry, received_minor, received_asset, best_order_id,
    updated_at, claimed_at, settled_at) ON top_ups TO onramp_app;
GRANT UPDATE (offered_until) ON widget_sessions TO onramp_app;
GRANT UPDATE (detail, closed_at, closed_by, close_reason) ON exceptions TO onramp_app;
GRANT SELECT, INSERT, UPDATE ON provider_orders TO onramp_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_events, idempotency_keys TO onramp_app;
