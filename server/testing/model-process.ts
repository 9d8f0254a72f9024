/** The persona as a process of its own that a test can kill; slow and steady, its answers have a known length. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../llm/persona/main.ts', import.meta.url));

export class ModelProcess {
  /** Settings of a server that uses it. */
  readonly env: Readonly<Record<string, string>>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, baseUrl: string) {
    this.#child = child;
    this.env = { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: 'for tests', OPENAI_MODEL: 'tsumugi-persona' };
  }

  static async start(options: { tokens: number; tokensPerSecond: number }): Promise<ModelProcess> {
    const pace = ['--tokens', String(options.tokens), '--tokens-per-second', String(options.tokensPerSecond)];
    const child = spawn(process.execPath, [main, '--plain', ...pace], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return new ModelProcess(child, (JSON.parse(line.toString()) as { baseUrl: string }).baseUrl);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
