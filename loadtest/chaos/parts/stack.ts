/** Everything that a run starts: PostgreSQL, Redis, the model server, the gateways. Ends all of it, whatever happens. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, Part } from './part.ts';
import { Postgres } from './postgres.ts';
import { Redis } from './redis.ts';

export type StackOptions = {
  gateways: number;
  tokensPerSecond: number;
  failover: 'interrupt' | 'continue';
  /** Where the logs of the parts go. */
  logFolder: string;
  onUnexpectedEnd: (name: string, how: string) => void;
};

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Room for a load that comes from one address, and passwords that cost next to nothing. Everything else as it ships. */
const gatewaySettings = {
  HOST: '127.0.0.1',
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  ARGON_MEMORY_KIB: '1024',
  ARGON_PASSES: '1',
  SIGN_UP_BURST: '1000000',
  SIGN_IN_BURST: '1000000',
  WORKER_THREADS: '1',
};

export class Stack {
  readonly folder: string;
  readonly postgres: Postgres;
  readonly redis: Redis;
  readonly model: Part;
  readonly gateways: readonly Part[];
  /** Of the gateways, in their order. */
  readonly origins: readonly string[];
  readonly #atExit: () => void;

  private constructor(
    folder: string,
    postgres: Postgres,
    redis: Redis,
    model: Part,
    gateways: Part[],
    origins: string[],
  ) {
    this.folder = folder;
    this.postgres = postgres;
    this.redis = redis;
    this.model = model;
    this.gateways = gateways;
    this.origins = origins;
    this.#atExit = () => {
      for (const part of [...gateways, model, redis, postgres]) part.killNow();
      rmSync(folder, { recursive: true, force: true });
    };
    process.once('exit', this.#atExit);
  }

  static async start(options: StackOptions): Promise<Stack> {
    mkdirSync(options.logFolder, { recursive: true });
    const folder = mkdtempSync(join(tmpdir(), 'tsumugi-chaos-'));
    // PostgreSQL may run under another name, and must get through.
    chmodSync(folder, 0o755);
    const [postgres, redis] = await Promise.all([Postgres.start(folder), Redis.start(folder)]);
    const modelPort = await freePort();
    const logged = (name: string) => ({
      name,
      logFile: join(options.logFolder, `${name.replaceAll(' ', '-')}.log`),
      onUnexpectedEnd: options.onUnexpectedEnd,
    });
    const pace = ['--port', String(modelPort), '--tokens-per-second', String(options.tokensPerSecond)];
    const model = new Part({ ...logged('model server'), args: [script('../model.ts'), ...pace], ready: /is ready/ });
    const shared = {
      ...gatewaySettings,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      OPENAI_BASE_URL: `http://127.0.0.1:${modelPort}/v1`,
      OPENAI_API_KEY: 'chaos',
      OPENAI_MODEL: 'chaos',
      FAILOVER: options.failover,
      TSUMUGI_MASTER_KEYS: `chaos:${randomBytes(32).toString('base64')}`,
      TSUMUGI_LEDGER_KEYS: `chaos:${randomBytes(32).toString('base64')}`,
    };
    const gateways: Part[] = [];
    const origins: string[] = [];
    for (let index = 0; index < options.gateways; index++) {
      const port = await freePort();
      const env = { ...shared, PORT: String(port), TSUMUGI_DATA_DIR: join(folder, `gateway-${index}`) };
      const args = [script('../../../server/main.ts')];
      gateways.push(new Part({ ...logged(`gateway ${index}`), args, env, ready: /ready at http/ }));
      origins.push(`http://127.0.0.1:${port}`);
    }
    const stack = new Stack(folder, postgres, redis, model, gateways, origins);
    await model.start();
    // The first one makes the schema.
    for (const gateway of gateways) await gateway.start();
    return stack;
  }

  /** Gateways in order, everything else at once. */
  async stop(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.end('SIGTERM')));
    await this.model.end('SIGKILL');
    await Promise.all([this.redis.kill(), this.postgres.crash()]);
    process.removeListener('exit', this.#atExit);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
