/** `/v1/chat/completions`: checks the request, has the answer composed, streams or sends it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, plainAnswer, type Tokenizer, toAnswer } from './answer.ts';
import { CompletionStream } from './completion-stream.ts';
import { compose } from './compose.ts';
import { type Fault, readFault } from './faults.ts';
import { HttpError, sendJson } from './http-error.ts';
import type { PersonaOptions } from './options.ts';
import { Pacer } from './pacer.ts';
import { hashText } from './random.ts';
import { type PromptMessage, readPrompt } from './read-prompt.ts';

type Asked = {
  model: string;
  messages: PromptMessage[];
  stream: boolean;
  includeUsage: boolean;
  maxTokens: number;
  stop: string[];
  seed: number | undefined;
  temperature: number;
};

/** How many different prompts are remembered for giving another answer when asked again. */
const MAX_REPEATS = 1000;

export class CompletionService {
  readonly #options: PersonaOptions;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #pacer = new Pacer();
  readonly #repeats = new Map<number, number>();
  readonly #faultsDone = new Set<string>();
  #count = 0;

  constructor(options: PersonaOptions, tokenizer: Tokenizer | undefined) {
    this.#options = options;
    this.#tokenizer = tokenizer;
  }

  async answer(body: Record<string, unknown>, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = readRequest(body);
    const fault = this.#faultOf(asked, request);
    if (fault !== undefined) await this.#failBefore(fault, asked, body, response);
    if (response.destroyed) return;
    const answer = this.#answerTo(asked, fault);
    const head = {
      id: `chatcmpl-persona-${++this.#count}`,
      created: Math.floor(Date.now() / 1000),
      model: asked.model,
    };
    const usage = () => {
      const promptTokens = this.#promptTokens(asked.messages);
      return {
        prompt_tokens: promptTokens,
        completion_tokens: answer.tokensOut,
        total_tokens: promptTokens + answer.tokensOut,
      };
    };
    if (!asked.stream) {
      const message = { role: 'assistant', content: answer.pieces.map(({ text }) => text).join(''), refusal: null };
      const choice = { index: 0, message, logprobs: null, finish_reason: answer.finishReason };
      sendJson(response, { ...head, object: 'chat.completion', choices: [choice], usage: usage() });
      return;
    }
    const firstTokenMs = (this.#options.firstTokenMs ?? 0) + (fault?.name === 'slow-first' ? fault.amount : 0);
    const msPerToken = 1000 / (this.#options.tokensPerSecond ?? 40);
    const plan = { head, answer, fault, msPerToken, firstTokenMs, usage: asked.includeUsage ? usage : undefined };
    const stream = new CompletionStream(response, plan);
    response.once('close', () => this.#pacer.remove(stream));
    this.#pacer.add(stream);
  }

  #answerTo(asked: Asked, fault: Fault | undefined): Answer {
    if (fault?.name === 'huge') return plainAnswer(fault.amount, Number.POSITIVE_INFINITY);
    if (fault?.name === 'split-surrogates')
      return { pieces: [{ text: '糸🧵と針🪡、家族👨‍👩‍👧。', tokens: 9 }], tokensOut: 9, finishReason: 'stop' };
    if (this.#tokenizer === undefined) return plainAnswer(this.#options.plainTokens ?? 128, asked.maxTokens);
    const prompt = hashText(
      asked.messages.map(({ role, content }) => `${role}\n${content}`).join('\n\n'),
      this.#options.seed ?? 1,
    );
    const seed = prompt ^ Math.imul((asked.seed ?? 0) + this.#variantOf(prompt, asked), 0x9e3779b1);
    return toAnswer(compose(readPrompt(asked.messages), seed), this.#tokenizer, asked);
  }

  /** Asked the same again, a person gives another answer; with a seed or at temperature 0 it stays the same. */
  #variantOf(prompt: number, asked: Asked): number {
    if (asked.seed !== undefined || asked.temperature === 0) return 0;
    const times = this.#repeats.get(prompt) ?? 0;
    this.#repeats.delete(prompt);
    this.#repeats.set(prompt, times + 1);
    const [oldest] = this.#repeats.keys();
    if (this.#repeats.size > MAX_REPEATS && oldest !== undefined) this.#repeats.delete(oldest);
    return times;
  }

  #promptTokens(messages: readonly PromptMessage[]): number {
    const count = (text: string) => this.#tokenizer?.encode(text).length ?? Math.ceil(text.length / 4);
    return messages.reduce((sum, { content }) => sum + count(content) + 4, 3);
  }

  #faultOf(asked: Asked, request: IncomingMessage): Fault | undefined {
    if (this.#options.faults !== true) return undefined;
    const header = request.headers['x-persona-fault'];
    const fault = readFault(
      Array.isArray(header) ? header[0] : header,
      asked.model,
      // An unanswered message stands in front of the one that is asked now; its fault was played already.
      asked.messages.at(-1)?.content.split('\n\n').at(-1) ?? '',
    );
    if (fault === undefined || !(fault.name.endsWith('-once') || fault.name === 'reset-before-first')) return fault;
    // Once for each dialogue: the retry of the same request succeeds.
    const key = `${fault.name} ${JSON.stringify(asked.messages)}`;
    if (this.#faultsDone.has(key)) return undefined;
    this.#faultsDone.add(key);
    return fault;
  }

  async #failBefore(
    { name, amount, param }: Fault,
    asked: Asked,
    body: Record<string, unknown>,
    response: ServerResponse,
  ): Promise<void> {
    if (name === 'delay') await new Promise((resolve) => setTimeout(resolve, amount));
    if (name === 'rate-limit' || name === 'rate-limit-once') {
      const headers: Record<string, string> = amount > 0 ? { 'retry-after': String(amount) } : {};
      throw new HttpError(429, 'rate_limit_exceeded', 'Rate limit reached.', null, headers);
    }
    if (name === 'error' || name === 'error-once')
      throw new HttpError(amount || 500, param.split('/')[1] ?? 'server_error', 'The server had an error.');
    if (name === 'refuse-param' && body[param] !== undefined) {
      throw new HttpError(
        400,
        'unsupported_parameter',
        `Unsupported parameter: '${param}' is not supported with this model.`,
        param,
      );
    }
    if (name === 'reset-before-first' && asked.stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      response.destroy();
    }
  }
}

function readRequest(body: Record<string, unknown>): Asked {
  const { messages, model, stream, stop, seed, temperature } = body;
  if (typeof model !== 'string' || model === '')
    throw new HttpError(400, 'missing_parameter', 'you must provide a model parameter', 'model');
  if (!Array.isArray(messages) || messages.length === 0)
    throw new HttpError(400, 'missing_parameter', 'messages: expected at least one.', 'messages');
  const options = body['stream_options'];
  const maxTokens = body['max_completion_tokens'] ?? body['max_tokens'];
  return {
    model,
    messages: messages.map(readMessage),
    stream: stream === true,
    includeUsage:
      typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true,
    maxTokens: typeof maxTokens === 'number' && maxTokens > 0 ? maxTokens : Number.POSITIVE_INFINITY,
    stop: (typeof stop === 'string' ? [stop] : Array.isArray(stop) ? stop : []).filter(
      (one): one is string => typeof one === 'string',
    ),
    seed: typeof seed === 'number' ? seed : undefined,
    temperature: typeof temperature === 'number' ? temperature : 1,
  };
}

function readMessage(message: unknown): PromptMessage {
  const { role, content } = (typeof message === 'object' && message !== null ? message : {}) as Record<string, unknown>;
  const parts = Array.isArray(content)
    ? content.map((part: { text?: unknown }) => (typeof part?.text === 'string' ? part.text : '')).join('')
    : content;
  if (typeof role !== 'string' || typeof parts !== 'string') {
    throw new HttpError(400, 'invalid_type', 'messages: expected a role and a content each.', 'messages');
  }
  return { role, content: parts };
}
