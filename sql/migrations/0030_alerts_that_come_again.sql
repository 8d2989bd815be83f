-- An alert is weighed again only for a request that was signed after the one that was weighed last. So a request that
-- somebody caught and sends again does nothing.

ALTER TABLE alert ADD COLUMN signed_at timestamptz; -- the newest signature, by the sender's clock. NULL: by a key
