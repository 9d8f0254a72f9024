/** Why a part went into a prompt or did not, in the language of the page. */
import type { TraceWhy } from '../../../protocol/chat.ts';
import { type TextKey, t } from '../i18n/translate.ts';

const texts: Readonly<Record<TraceWhy, TextKey>> = {
  active_prompt: 'trace.why.prompt',
  safety_rules: 'trace.why.safety',
  similar_memory: 'trace.why.similar',
  answered_message: 'trace.why.answered',
  recent_turn: 'trace.why.recent',
  older_turns_over_budget: 'trace.why.olderTurns',
  memories_over_budget: 'trace.why.lessSimilar',
  no_similar_memory: 'trace.why.nothingSimilar',
  memory_search_unavailable: 'trace.why.noSearch',
};

/** A reason of a newer server is shown as it came. */
export const whyText = (why: TraceWhy): string => (Object.hasOwn(texts, why) ? t(texts[why]) : why);
