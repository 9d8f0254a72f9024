/** What a prompt tells an improviser: who it is, how it speaks, what it remembers, what was said. Reads; writes no answer. */
import { type Mood, moodOf } from './mood.ts';
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
  /** A few words of the message that can be spoken of; undefined when it has none. */
  topic: string | undefined;
  /** A short piece of the message, word by word. */
  quote: string | undefined;
  /** Of an earlier message of the person, when it differs from `topic`. */
  earlierTopic: string | undefined;
  /** What the person said in other talks, most fitting first; nothing that the avatar has just mentioned. */
  memories: string[];
  /** Likewise, about the avatar itself. */
  facts: string[];
  /** The person's earlier messages of this dialogue. */
  heard: string[];
  /** Texts of the avatar so far, so that it does not repeat itself. */
  said: string[];
};

export function readPrompt(messages: readonly PromptMessage[]): Scene {
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ content }) => content);
  const rules = system.join('\n');
  const said = messages.filter(({ role }) => role === 'assistant').map(({ content }) => content);
  // What only steers the direction of writing would turn the answer around the quote.
  const heard = messages
    .filter(({ role }) => role === 'user')
    .map(({ content }) => content.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, ''));
  const userText = heard.at(-1)?.trim() ?? '';
  const lang = langOf(userText, rules);
  const topic = topicOf(userText, lang);
  const earlier = heard
    .slice(0, -1)
    .reverse()
    .map((text) => topicOf(text, lang))
    .find((one) => one !== undefined && one !== topic);
  const name = nameOf(rules);
  const recently = said.slice(-6).join('\n');
  const memories = memoriesOf(rules, userText).filter((memory) => !recently.includes(gist(memory, name)));
  const isFact = (memory: string) => name !== undefined && memory.startsWith(name);
  return {
    name,
    lang,
    register: registerOf(rules, lang),
    mood: moodOf(userText, lang),
    userText,
    topic,
    quote: quoteOf(userText, lang),
    earlierTopic: earlier,
    memories: memories.filter((memory) => !isFact(memory)),
    facts: memories.filter(isFact),
    heard: heard.slice(0, -1),
    said,
  };
}

/** A stretch of a memory that stands in every mention of it. */
function gist(memory: string, name: string | undefined): string {
  const parts = (name === undefined ? memory : memory.replaceAll(name, '\n')).split(/[\n「」“”。]/);
  return parts.reduce((longest, part) => (part.length > longest.length ? part : longest), '').slice(0, 24);
}

function langOf(userText: string, rules: string): Lang {
  if (/[\u3040-\u30ff\u4e00-\u9fff]/.test(userText)) return 'ja';
  if (/[A-Za-z]{2}/.test(userText)) return 'en';
  if (/conversation is in English/i.test(rules)) return 'en';
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
