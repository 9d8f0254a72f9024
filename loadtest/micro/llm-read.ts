/**
 * What reading a stream of the model costs: the SDK's iterator, the body of `fetch`, and our callbacks, side by side in rounds.
 * `node loadtest/micro/llm-read.ts [streams] [tokens]`; prints CPU per token and ratios.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { OpenAiChatModel } from '../../server/llm/client.ts';

const ROUNDS = 3;

type Reader = { name: string; read(tokens: number): Promise<number> };

/** CPU microseconds of this process per token, the median of the rounds, by reader. */
export async function measureReading(streams = 100, tokens = 100): Promise<Map<string, number>> {
  const persona = await startPlainPersona(tokens);
  const model = new OpenAiChatModel({ baseUrl: persona.baseUrl, defaultModel: 'plain' });
  const readers = [iteratorReader(persona.baseUrl), fetchReader(persona.baseUrl), ownReader(model)];
  const samples = new Map<string, number[]>(readers.map(({ name }) => [name, []]));
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      for (const { name, read } of readers) {
        const before = process.cpuUsage();
        const counts = await Promise.all(Array.from({ length: streams }, () => read(tokens)));
        const { user, system } = process.cpuUsage(before);
        if (counts.some((count) => count === 0)) throw new Error(`${name} read nothing.`);
        // The first round warms up.
        if (round > 0) samples.get(name)?.push((user + system) / (streams * tokens));
      }
    }
  } finally {
    await model.close();
    persona.stop();
  }
  return new Map(
    [...samples].map(([name, values]) => [
      name,
      values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN,
    ]),
  );
}

const messages = [{ role: 'user' as const, content: 'go' }];

function iteratorReader(baseURL: string): Reader {
  const sdk = new OpenAI({ baseURL, apiKey: 'none' });
  return {
    name: 'SDK iterator',
    async read(tokens) {
      let length = 0;
      const stream = await sdk.chat.completions.create({ model: 'plain', messages, stream: true, max_tokens: tokens });
      for await (const chunk of stream) length += chunk.choices[0]?.delta.content?.length ?? 0;
      return length;
    },
  };
}

function fetchReader(baseUrl: string): Reader {
  return {
    name: 'fetch body',
    async read(tokens) {
      const body = JSON.stringify({ model: 'plain', messages, stream: true, max_tokens: tokens });
      const response = await fetch(`${baseUrl}/chat/completions`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      });
      let length = 0;
      const decoder = new TextDecoder();
      let rest = '';
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (line.startsWith('data: {')) length += JSON.parse(line.slice(6)).choices[0]?.delta.content?.length ?? 0;
        }
      }
      return length;
    },
  };
}

function ownReader(model: OpenAiChatModel): Reader {
  return {
    name: 'callbacks',
    read: (tokens) =>
      new Promise((resolve, reject) => {
        let length = 0;
        model.stream(
          { model: 'plain', messages, maxOutputTokens: tokens },
          {
            onText: (text) => {
              length += text.length;
            },
            onEnd: ({ error }) => (error === undefined ? resolve(length) : reject(new Error(error.message))),
          },
        );
      }),
  };
}

async function startPlainPersona(tokens: number): Promise<{ baseUrl: string; stop(): void }> {
  const main = fileURLToPath(new URL('../../server/llm/persona/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, '--plain', '--tokens-per-second', '50', '--tokens', String(tokens)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await child.stdout.setEncoding('utf8').take(1).toArray()) as string[];
  const { baseUrl } = JSON.parse(line ?? '') as { baseUrl: string };
  return { baseUrl, stop: () => child.kill() };
}

if (import.meta.main) {
  const [streams = 100, tokens = 100] = process.argv.slice(2).map(Number);
  const costs = await measureReading(streams, tokens);
  const base = costs.get('SDK iterator') ?? Number.NaN;
  console.log(`CPU to read one token, ${streams} streams at 50 tokens/s, median of ${ROUNDS} rounds`);
  for (const [name, micros] of costs)
    console.log(
      `  ${name.padEnd(14)} ${micros.toFixed(1).padStart(6)} µs   ${(micros / base).toFixed(2)} of the SDK's iterator`,
    );
}
