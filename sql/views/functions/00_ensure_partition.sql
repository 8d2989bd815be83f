-- Makes the partition of a table that holds a moment, if there is none. See docs/decisions/0011-partitions.md.
-- What is missing before this month, however long, becomes one partition. From this month on they are months.
-- So the dates that clients send cannot make many, and there is no gap that a row could fall in.
-- It waits for no reader and no writer of rows, and for nobody longer than a second.
CREATE OR REPLACE FUNCTION ensure_partition(parent text, at timestamptz) RETURNS void
LANGUAGE plpgsql STRICT SET timezone = 'UTC' SET datestyle = 'ISO' SET lock_timeout = '1s' AS $$
DECLARE
    this_month CONSTANT timestamptz := date_trunc('month', clock_timestamp());
    since timestamptz;
    until timestamptz;
    partition text;
BEGIN
    WHILE NOT EXISTS (SELECT FROM partition_span(parent) WHERE at >= lower_bound AND at < upper_bound) LOOP
        IF at > this_month + interval '1 year' THEN
            RAISE 'no partition of % is made for %: it is more than a year ahead', parent, at
                USING ERRCODE = 'check_violation';
        END IF;
        -- Two that find the same gap take turns. The second one looks again.
        PERFORM pg_advisory_xact_lock(hashtext('cyclone partition ' || parent));
        CONTINUE WHEN EXISTS (SELECT FROM partition_span(parent) WHERE at >= lower_bound AND at < upper_bound);
        SELECT coalesce(max(upper_bound), '-infinity') INTO since FROM partition_span(parent) WHERE upper_bound <= at;
        SELECT coalesce(min(lower_bound), 'infinity') INTO until FROM partition_span(parent) WHERE lower_bound > at;
        until := least(
            until, CASE WHEN since < this_month THEN this_month ELSE date_trunc('month', since) + interval '1 month' END
        );
        partition := parent || '_' || CASE since WHEN '-infinity' THEN 'past' ELSE to_char(since, 'YYYYMM') END;
        IF to_regclass(partition) IS NOT NULL THEN -- detached, and kept by somebody
            partition := partition || '_' || extract(EPOCH FROM clock_timestamp())::bigint;
        END IF;
        -- CREATE TABLE … PARTITION OF would wait for every open reader of the parent, and everybody else behind it.
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE)', partition, parent
        );
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%L)',
            parent, partition, CASE since WHEN '-infinity' THEN 'MINVALUE' ELSE quote_literal(since) END, until
        );
    END LOOP;
END $$
