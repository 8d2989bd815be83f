-- A store that was restored on another server is recognised by that server's identifier, not by luck of its counters.
ALTER TABLE rollup_watermark
ADD COLUMN counted_by bigint; -- the system identifier of the server whose transactions `counted` names; NULL: not known
