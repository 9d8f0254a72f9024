-- What an avatar knows may be read by its owner, and by everybody for the samples, which belong to nobody: the trace of a turn
-- then shows it. Apart from 0006, since avatars come after memory.
CREATE POLICY embeddings_of_avatars ON memory.embeddings FOR SELECT TO tsumugi_app
  USING (owner_scope = 'avatar' AND owner_id IN (
    SELECT a.id FROM companion.avatars a
    WHERE a.owner_user_id = (SELECT app.user_id()) OR (a.sample_key IS NOT NULL AND (SELECT app.role()) = 'user')));
