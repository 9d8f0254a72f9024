/** Reasons in the traces of answers from before they had codes. */
import type { TraceWhy } from '../../protocol/chat.ts';

const sentences: ReadonlyMap<string, TraceWhy> = new Map<string, TraceWhy>([
  ['active version of the avatar’s prompt', 'active_prompt'],
  ['safety rules of the same version', 'safety_rules'],
  ['similar to the message', 'similar_memory'],
  ['the message that is answered', 'answered_message'],
  ['recent turn of the selected branch', 'recent_turn'],
  ['older turns did not fit into the budget', 'older_turns_over_budget'],
  ['less similar memories did not fit into the budget', 'memories_over_budget'],
  ['nothing remembered is similar to the message', 'no_similar_memory'],
  ['the search of memories was not available', 'memory_search_unavailable'],
]);

/** The code of a stored reason, which may be a sentence of an older version. */
export const toWhy = (stored: string): TraceWhy => sentences.get(stored) ?? (stored as TraceWhy);
