/**
 * The shape of what the persona can say. `{n}` name, `{t}` topic of the message, `{q}` a quote from it, `{m}` a memory,
 * `{p}` an earlier topic, `{u}` what the person wants to be called. A line is used only when everything it names is there.
 */
import type { Mood } from './mood.ts';
import type { Lang, Register } from './read-prompt.ts';
import { repertoireEn } from './repertoire-en.ts';
import { repertoireJaCasual } from './repertoire-ja-casual.ts';
import { repertoireJaPolite } from './repertoire-ja-polite.ts';

export type Repertoire = {
  /** First words, by kind of message. */
  openers: Readonly<Record<Mood, readonly string[]>>;
  /** Shows that it was heard. */
  echoes: readonly string[];
  /** The same for whoever has a hard time: nothing is quoted, nothing admired. */
  gentleEchoes: readonly string[];
  /** Before what is said about the rest of a message that begins with a greeting. */
  hello: readonly string[];
  /** What follows; kinds that are missing take `story`. */
  thoughts: Readonly<Partial<Record<Mood, readonly string[]>> & { story: readonly string[] }>;
  /** Of something that the person said once. */
  memories: readonly string[];
  /** Of something about the avatar itself, in its own words, and as others tell it. */
  asides: readonly string[];
  selfMemories: readonly string[];
  /** Of something about the avatar that was asked for, in its own words; and what it asks behind that. */
  answers: readonly string[];
  back: readonly string[];
  /** Stands in place of the avatar's name and its genitive, where the name alone cannot be replaced. */
  selfs: string;
  /** What the avatar calls itself in place of its name, where that reads well. */
  self: string | undefined;
  /** When asked what it remembers and there is nothing. */
  noMemory: readonly string[];
  earlier: readonly string[];
  questions: Readonly<Partial<Record<Mood, readonly string[]>> & { story: readonly string[] }>;
  /** For an unnamed avatar. */
  nameless: string;
  /** Ends the first answer of a conversation: nobody shall take this for a language model. */
  note: string;
};

export function repertoireOf(lang: Lang, register: Register): Repertoire {
  if (lang === 'en') return repertoireEn(register === 'dry');
  return register === 'casual' ? repertoireJaCasual : repertoireJaPolite;
}
