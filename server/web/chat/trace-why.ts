/** Why a part went into a prompt or did not, as the server says it in English, in the language of the page. */
import { type TextKey, t } from '../i18n/translate.ts';

const known: ReadonlyMap<string, TextKey> = new Map<string, TextKey>([
  ['active version of the avatar’s prompt', 'trace.why.prompt'],
  ['safety rules of the same version', 'trace.why.safety'],
  ['similar to the message', 'trace.why.similar'],
  ['the message that is answered', 'trace.why.answered'],
  ['recent turn of the selected branch', 'trace.why.recent'],
  ['older turns did not fit into the budget', 'trace.why.olderTurns'],
  ['less similar memories did not fit into the budget', 'trace.why.lessSimilar'],
  ['nothing remembered is similar to the message', 'trace.why.nothingSimilar'],
  ['the search of memories was not available', 'trace.why.noSearch'],
]);

/** A reason that this page does not know yet is shown as it came. */
export function whyText(why: string): string {
  const key = known.get(why);
  return key === undefined ? why : t(key);
}
