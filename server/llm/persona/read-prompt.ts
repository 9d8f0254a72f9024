/** What a prompt tells an improviser: who it is, how it speaks, what it remembers, what was said. Reads; writes no answer. */
import { likeness } from './likeness.ts';
import { afterGreeting, type Mood, moodOf } from './mood.ts';
import { introducedAs, withoutCall } from './names.ts';
import { quoteOf, topicOf } from './topic.ts';

export type PromptMessage = { role: string; content: string };
export type Lang = 'en' | 'ja';
export type Register = 'polite' | 'casual' | 'warm' | 'dry';

export type Scene = {
  name: string | undefined;
  lang: Lang;
  register: Register;
  mood: Mood;
  userText: string;
  /** What the person calls themselves in this message. */
  introduced: string | undefined;
  /** The message greets, and then goes on. */
  greets: boolean;
  /** A few words of the message that can be spoken of; undefined when it has none. */
  topic: string | undefined;
  /** A short piece of the message, word by word. */
  quote: string | undefined;
  /** Of an earlier message of the person, when it differs from `topic`. */
  earlierTopic: string | undefined;
  /** What the person told in other talks, most fitting first; nothing that the avatar has just mentioned. */
  memories: string[];
  /** How many of the first memories speak of what the message speaks of. */
  fittingMemories: number;
  /** Likewise, about the avatar itself. */
  facts: string[];
  /** The fact that a question asks for. */
  answer: string | undefined;
  /** The person's earlier messages of this dialogue that told something, most fitting first. */
  heard: string[];
  /** Texts of the avatar so far, so that it does not repeat itself. */
  said: string[];
};

/** Nobody answers every word of a long letter, and looking for words in a wall of letters takes long. */
const LISTENS_TO = 1_000;

export function readPrompt(messages: readonly PromptMessage[]): Scene {
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ content }) => content);
  const rules = system.join('\n');
  const said = messages.filter(({ role }) => role === 'assistant').map(({ content }) => content);
  const heard = messages
    .filter(({ role }) => role === 'user')
    .map(({ content }) => withoutMarks(content.slice(0, LISTENS_TO).toWellFormed()));
  const name = nameOf(rules);
  const userText = withoutCall(heard.at(-1)?.trim() ?? '', name);
  const before = heard.slice(0, -1);
  const lang = langOf(userText, before, rules);
  const greeted = afterGreeting(userText, lang);
  const introduced = introducedAs(userText, lang);
  const topic = topicOf(greeted ?? userText, lang);
  const earlier = before
    .filter((text) => tellsSomething(text, lang))
    .toReversed()
    .map((text) => topicOf(text, lang))
    .find((one) => one !== undefined && one !== topic);
  const recently = said.slice(-6).join('\n');
  const known = memoriesOf(rules, userText);
  const remembered = known.filter((memory) => !recently.includes(gist(memory, name)));
  const isFact = (memory: string) => name !== undefined && memory.startsWith(name);
  const told = (texts: readonly string[]) =>
    byLikeness(
      texts.filter((text) => tellsSomething(text, lang)),
      userText,
    );
  const memories = told(remembered.filter((memory) => !isFact(memory)));
  const facts = byLikeness(remembered.filter(isFact), userText);
  // What is asked for is told again, however often it was.
  const [fact] = byLikeness(known.filter(isFact), userText);
  return {
    name,
    lang,
    register: registerOf(rules, lang),
    mood: moodIn(greeted ?? userText, introduced, before, lang),
    userText,
    introduced,
    greets: greeted !== undefined,
    topic: topic === introduced ? undefined : topic,
    quote: quoteOf(greeted ?? userText, lang),
    earlierTopic: earlier,
    memories,
    fittingMemories: memories.filter((memory) => likeness(memory, userText) > 0).length,
    facts,
    answer: fact !== undefined && likeness(fact.replace(name ?? '', ''), userText) > 0 ? fact : undefined,
    heard: told(before.filter((text) => text.length >= 6).toReversed()),
    said,
  };
}

/** What is written for machines is nothing to speak of: code, tags, addresses, marks of emphasis. */
function withoutMarks(text: string): string {
  return (
    text
      // What only steers the direction of writing would turn the answer around the quote.
      .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
      .replace(/```[^`]*(?:```|$)|`[^`\n]*`/g, ' ')
      .replace(/<\/?[a-z][^<>]{0,200}>/gi, ' ')
      .replace(/\[([^\]\n]{0,100})\]\([^)\s]{0,300}\)/g, '$1')
      .replace(/\b(?:https?:\/\/|www\.)[^\s、。「」]+/gi, ' ')
      .replace(/\*\*|__|^#+ |^[-*] /gm, '')
      .replace(/[^\S\n]+/g, ' ')
      .trim()
  );
}

const heavy = new Set<Mood>(['sad', 'tired', 'worried', 'angry']);

/** A feeling lasts longer than the sentence that names it. */
function moodIn(text: string, introduced: string | undefined, before: readonly string[], lang: Lang): Mood {
  const mood = moodOf(text, lang);
  if (introduced !== undefined && (mood === 'greeting' || mood === 'story') && text.length <= 80) return 'intro';
  if (mood !== 'story' && mood !== 'nod') return mood;
  const earlier = before
    .slice(-2)
    .toReversed()
    .map((said) => moodOf(said, lang));
  return earlier.find((one) => heavy.has(one)) ?? mood;
}

/** Questions and wishes are no memories to speak of, nor is what was said in the other language. */
function tellsSomething(text: string, lang: Lang): boolean {
  const isJapanese = /[\u3040-\u30ff\u4e00-\u9fff]/.test(text);
  return isJapanese === (lang === 'ja') && !/[?？]/.test(text) && telling.has(moodOf(text, lang));
}
const telling = new Set<Mood>(['story', 'happy', 'sad', 'tired', 'worried', 'angry', 'greeting', 'advice']);

function byLikeness(texts: readonly string[], to: string): string[] {
  return texts
    .map((text) => ({ text, shared: likeness(text, to) }))
    .sort((one, other) => other.shared - one.shared)
    .map(({ text }) => text);
}

/** A stretch of a memory that stands in every mention of it. */
function gist(memory: string, name: string | undefined): string {
  const parts = (name === undefined ? memory : memory.replaceAll(name, '\n')).split(/[\n「」“”。]/);
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest), '').slice(0, 24);
}

/** "www" and "OK" are no English: with so little, it is the language of what was said before. */
function langOf(userText: string, before: readonly string[], rules: string): Lang {
  for (const text of [userText, ...before.toReversed()]) {
    if (/[\u3040-\u30ff\u4e00-\u9fff]/.test(text)) return 'ja';
    if (/[A-Za-z]{2}[^A-Za-z]+[A-Za-z]/.test(text) || /^[A-Za-z]{6,}[.!?]*$/.test(text)) return 'en';
  }
  if (/会話は日本語で/.test(rules)) return 'ja';
  if (/conversation is in English/i.test(rules)) return 'en';
  if (before.length === 0 && /[A-Za-z]{2}/.test(userText)) return 'en';
  return /[\u3040-\u30ff]/.test(rules) ? 'ja' : 'en';
}

function nameOf(rules: string): string | undefined {
  const patterns = [
    /あなたの名前は[「『]([^」』]{1,40})[」』]/,
    /あなたは[「『]([^」』]{1,40})[」』]/,
    /あなたは([^\s、。「」]{1,16}?)(?:です|という|。)/,
    /Your name is ([^\s.,;]+(?: [A-Z][^\s.,;]*)?)/,
    /You are ([A-Z][^\s.,;]*(?: [A-Z][^\s.,;]*)?)/,
  ];
  for (const pattern of patterns) {
    // A reading in brackets belongs to the page, not to speech.
    const name = pattern
      .exec(rules)?.[1]
      ?.replace(/[（(].*$/, '')
      .trim();
    if (name !== undefined && name !== '' && name.length <= 40) return name;
  }
  return undefined;
}

function registerOf(rules: string, lang: Lang): Register {
  if (lang === 'ja')
    return /くだけた|タメ口|ため口|だよ|だね|友だち口調|元気に|ギャル|フランク/.test(rules) ? 'casual' : 'polite';
  return /\bdry\b|\bwit|sarcas|iron(?:y|ic)|deadpan|sardonic|brusque/i.test(rules) ? 'dry' : 'warm';
}

/** Bullet lines below a heading that speaks of memory. */
function memoriesOf(rules: string, userText: string): string[] {
  const found: string[] = [];
  let listening = false;
  for (const line of rules.split('\n')) {
    if (/(覚えて|記憶|思い出|remember|memor)/i.test(line) && !/^\s*[-・*]/.test(line)) listening = true;
    else if (listening && /^\s*[-・*]\s*\S/.test(line)) found.push(line.replace(/^\s*[-・*]\s*/, '').trim());
    else if (line.trim() !== '') listening = false;
  }
  return found.filter((memory) => memory !== userText && memory.length <= 160);
}
