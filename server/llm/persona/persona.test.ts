import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { samples } from '../../companion/samples.ts';
import { loadTokenizer, type Tokenizer, toAnswer } from './answer.ts';
import { compose } from './compose.ts';
import { type PromptMessage, readPrompt } from './read-prompt.ts';
import { type RunningPersona, startPersona } from './start.ts';

const system = (key: string, memories: string[] = []): PromptMessage => {
  const sample = samples.find((one) => one.key === key);
  const heading =
    sample?.lang === 'ja'
      ? '覚えていること（必要なときだけ自然に触れる）:'
      : 'What you remember (mention it only where it fits):';
  const memory = memories.length === 0 ? '' : `\n\n${[heading, ...memories.map((text) => `- ${text}`)].join('\n')}`;
  return { role: 'system', content: `${sample?.systemPrompt}\n\n${sample?.safetyRules}${memory}` };
};
const user = (content: string): PromptMessage => ({ role: 'user', content });
const answers = (messages: PromptMessage[]) =>
  Array.from({ length: 40 }, (_, seed) => compose(readPrompt(messages), seed));

describe('the voice', () => {
  test('Japanese to Japanese, English to English, whoever speaks', () => {
    for (const { key } of samples) {
      expect(compose(readPrompt([system(key), user('今日は海を見てきました')]), 1)).toMatch(/[ぁ-ん]/);
      expect(compose(readPrompt([system(key), user('I went to see the sea today')]), 1)).not.toMatch(/[ぁ-んァ-ン]/);
    }
  });

  test('knows its name and its manner of speaking', () => {
    expect(readPrompt([system('tsumugi'), user('こんばんは')])).toMatchObject({
      name: '紬',
      register: 'polite',
      mood: 'greeting',
    });
    expect(readPrompt([system('sora'), user('やっほー')])).toMatchObject({ name: 'ソラ', register: 'casual' });
    expect(readPrompt([system('wren'), user('Hi')])).toMatchObject({ name: 'Wren', register: 'dry' });
    expect(answers([system('wren'), user('Who are you?')]).every((text) => text.includes('Wren'))).toBe(true);
  });

  test('picks up what was said', () => {
    const heard = answers([system('tsumugi'), user('駅前のカフェで友だちと話しました')]);
    expect(heard.every((text) => /カフェ/.test(text))).toBe(true);
    const scene = readPrompt([system('wren'), user('I finally finished my thesis draft')]);
    expect(scene).toMatchObject({ mood: 'happy', topic: 'your thesis draft' });
  });

  test('answers walls of letters sensibly, and in the length of an ordinary answer', () => {
    const walls = [
      'a'.repeat(20_000),
      `my ${'x'.repeat(5_000)} ${'y'.repeat(5_000)} ${'z'.repeat(5_000)}`,
      '漢字'.repeat(8_000),
      'カタカナ'.repeat(4_000),
      '🧵'.repeat(4_000),
      `${'0123456789'.repeat(1_000)}?`,
      'http://example.com/'.padEnd(12_000, 'q'),
    ];
    for (const wall of walls) {
      // Also as what was said before: then it is the earlier topic, or what is remembered.
      const dialogue = [user(wall), { role: 'assistant', content: 'I see.' }, user('Do you remember?')];
      for (const text of [...answers([system('wren'), user(wall)]), ...answers([system('tsumugi'), ...dialogue])]) {
        expect(text.length).toBeGreaterThan(10);
        expect(text.length).toBeLessThan(900);
      }
    }
  });

  test('says nothing back that would turn the direction of its answer', () => {
    for (const text of answers([system('wren'), user('\u202eI went out and \u2069saw the harbour lights again')]))
      expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
  });

  test('mentions memories and the earlier dialogue', () => {
    const remembered = answers([system('wren', ['I moved to Kyoto in April']), user('I feel lonely in the new flat')]);
    expect(remembered.filter((text) => text.includes('I moved to Kyoto in April')).length).toBeGreaterThan(15);
    const dialogue = [
      system('tsumugi'),
      user('猫の三毛が来ました'),
      { role: 'assistant', content: 'そうでしたか。' },
      user('私の話、覚えていますか'),
    ];
    expect(answers(dialogue).every((text) => text.includes('猫の三毛が来ました'))).toBe(true);
  });

  test('is gentle with a loss, and for as long as it is spoken of', () => {
    const lines = ['my dog died yesterday', 'His name was Biscuit. He was 14.', 'I kept his bowl.'];
    const dialogue: PromptMessage[] = [system('wren')];
    for (const line of lines) {
      dialogue.push(user(line));
      expect(readPrompt(dialogue).mood, line).toBe('sad');
      for (const text of answers(dialogue))
        expect(text).not.toMatch(/good news|smiling|novels|editor|lands|celebration/);
      dialogue.push({ role: 'assistant', content: 'I am sorry.' });
    }
    expect(readPrompt([system('tsumugi'), user('祖母が亡くなりました')]).mood).toBe('sad');
  });

  test.each([
    ['Do you ever get lonely?', 'question'],
    ['好きな食べ物は何ですか', 'question'],
    ['Thanks, good night!', 'farewell'],
    ['ありがとう、おやすみなさい', 'farewell'],
    ['猫を飼い始めました。名前はモモです。', 'story'],
    ['お名前は何ですか', 'who'],
    ['こんばんは。今日は試験に合格しました', 'happy'],
    ['Hi! I am Mika, I just moved to Lisbon.', 'intro'],
    ['I am tired', 'tired'],
    ['はじめまして、ミカです', 'intro'],
    ['Tell me a joke', 'joke'],
    ['俳句を詠んで', 'poem'],
    ['What is 2+2?', 'request'],
    ['Can you speak Japanese?', 'language'],
    ['asdfghjkl', 'nod'],
    ['👍', 'nod'],
    ['www', 'nod'],
    ['うん', 'nod'],
  ])('%s is %s', (text, mood) => {
    expect(readPrompt([system('sora'), user(text)]).mood).toBe(mood);
  });

  test('greets by the name that it is told, and takes its own in front of a message for a call', () => {
    expect(
      answers([system('wren'), user('Hi! I am Mika.')]).filter((text) => text.includes('Mika')).length,
    ).toBeGreaterThan(20);
    expect(readPrompt([system('sora'), user('ソラちゃん、こんばんは！')])).toMatchObject({ mood: 'greeting' });
  });

  test('answers what it is asked about itself out of what it knows', () => {
    const knows = system('wren', ['Wren’s bookshop is called The Second Shelf; the shop cat is named Comma.']);
    for (const text of answers([knows, user('What is your cat called?')]))
      expect(text).toMatch(/my bookshop is called The Second Shelf; the shop cat is named Comma/);
  });

  test('recalls what was asked for, and never questions or what was said in the other language', () => {
    const memories = ['Do you remember where I moved?', '猫を飼っています', 'I play the cello'];
    const dialogue = [
      system('wren', memories),
      user('I just moved to Lisbon.'),
      { role: 'assistant', content: 'Good.' },
      user('My sister visits me next month.'),
      { role: 'assistant', content: 'Good.' },
    ];
    for (const text of answers([...dialogue, user('Do you remember where I moved?')])) expect(text).toContain('Lisbon');
    for (const text of answers([...dialogue, user('I feel lonely')])) expect(text).not.toMatch(/where I moved|猫/);
  });

  test('a sound in Latin letters does not change the language', () => {
    const dialogue = [system('tsumugi'), user('雨ですね'), { role: 'assistant', content: 'ええ。' }, user('ok')];
    for (const text of answers(dialogue)) expect(text).toMatch(/[ぁ-ん]/);
  });

  test('says that it is an AI when asked, and urges to get help in danger', () => {
    expect(answers([system('wren'), user('Are you a real person?')]).every((text) => /\bAI\b/.test(text))).toBe(true);
    expect(answers([system('sora'), user('もう死にたい')]).every((text) => text.includes('119'))).toBe(true);
  });

  test('is labelled as offline in the first answer only', () => {
    const first = compose(readPrompt([system('tsumugi'), user('こんばんは')]), 3);
    const second = compose(
      readPrompt([system('tsumugi'), user('こんばんは'), { role: 'assistant', content: first }, user('雨です')]),
      3,
    );
    expect([first.includes('オフライン'), second.includes('オフライン')]).toEqual([true, false]);
  });

  test('leaves no hole in a template, for any kind of message', () => {
    const texts = [
      'こんばんは',
      'ありがとう',
      'おやすみ',
      'どうしたらいい？',
      'かなしい',
      '疲れた',
      '不安です',
      '腹が立つ',
      '嬉しい！',
      '何時？',
      'うん',
      '🎉',
      'hi',
      'thanks',
      'bye',
      'what should i do?',
      'sad',
      'tired',
      'worried',
      'angry',
      'great',
      'why?',
      'ok',
      '???',
    ];
    for (const text of texts) {
      for (const answer of answers([system('wren'), user(text)]))
        expect(answer).not.toMatch(/undefined|[{}]|\.\.”|。。/);
    }
  });

  test('speaks of what was said, not of addresses, tags, code or marks around it', () => {
    const texts = [
      'I read https://example.org/a/b today and **loved** the old lighthouse in it',
      '<img src=x onerror=alert(1)> [my lighthouse](javascript:alert(1))\n```js\nlet x = 1 < 2;\n```',
      'https://example.org/に灯台の写真がありました',
      '`rm -rf`',
    ];
    for (const text of texts)
      for (const answer of answers([system('wren'), user(text)]))
        expect(answer).not.toMatch(/http|example|javascript|alert|let x|\*\*|[<>`]|rm -rf/);
  });

  test('has a varied repertoire, and is the same for the same seed', () => {
    const messages = [system('tsumugi'), user('庭の紫陽花が咲きました')];
    expect(new Set(answers(messages)).size).toBeGreaterThan(30);
    expect(answers(messages)).toEqual(answers(messages));
  });
});

describe('tokens', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await loadTokenizer();
  });

  test('pieces make up the text, in whole characters, counted exactly', () => {
    const text = '絆創膏🎉と👨‍👩‍👧、それから hello <|endoftext|> 糸。';
    const answer = toAnswer(text, tokenizer, { maxTokens: 1000, stop: [] });
    expect(answer.pieces.map((piece) => piece.text).join('')).toBe(text);
    expect(answer.pieces.every((piece) => piece.text.isWellFormed())).toBe(true);
    expect(answer).toMatchObject({ finishReason: 'stop', tokensOut: tokenizer.encode(text).length });
  });

  test('answers are of conversational length', () => {
    for (const message of ['今日は雨でした', 'My train was late again']) {
      for (const text of answers([system('wren'), user(message)])) {
        const { tokensOut } = toAnswer(text, tokenizer, { maxTokens: 1000, stop: [] });
        expect(tokensOut).toBeGreaterThan(30);
        expect(tokensOut).toBeLessThan(200);
      }
    }
  });
});

describe('the server', () => {
  let persona: RunningPersona;
  beforeAll(async () => {
    persona = await startPersona({ tokensPerSecond: 5000 });
  });
  afterAll(() => persona.stop());

  const post = async (path: string, body: unknown, apiKey = persona.apiKey) => {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
    const response = await fetch(persona.baseUrl + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };
  const messages = [{ role: 'user', content: 'Tell me about the old lighthouse' }];
  const said = async (over: object) => {
    const { json } = await post('/chat/completions', { model: 'tsumugi-persona', messages, ...over });
    return (json['choices'] as { message: { content: string } }[])[0]?.message.content;
  };

  test('asked again it says something else, unless a seed or temperature 0 forbids', async () => {
    expect(await said({})).not.toBe(await said({}));
    expect(await said({ seed: 4 })).toBe(await said({ seed: 4 }));
    expect(await said({ seed: 4 })).not.toBe(await said({ seed: 5 }));
    expect(await said({ temperature: 0 })).toBe(await said({ temperature: 0 }));
  });

  test('errors have OpenAI’s shape', async () => {
    expect(await post('/chat/completions', { messages }, 'wrong')).toMatchObject({
      status: 401,
      json: { error: { code: 'invalid_api_key' } },
    });
    expect(await post('/chat/completions', { messages })).toMatchObject({
      status: 400,
      json: { error: { param: 'model', type: 'invalid_request_error' } },
    });
    expect(await post('/nothing', {})).toMatchObject({ status: 404 });
    expect(await post('/embeddings', { model: 'x', input: [] })).toMatchObject({ status: 400 });
  });

  test('scripted faults are not heard unless the start allowed them', async () => {
    expect(await said({ model: 'tsumugi-persona!error:500' })).toBeTypeOf('string');
  });
});
