/** The program: settings, then everything in order; on a signal, everything in reverse order. */

import { findAddressFault } from './config/address.ts';
import { helpText, versionText } from './config/help.ts';
import { findPathFault } from './config/paths.ts';
import { findTlsFault } from './config/tls-files.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLog, type Log } from './log.ts';
import type { RunningServer } from './start.ts';
import { onStarterGone } from './starter.ts';

/** What a supervisor sees: 0 stopped on request, 1 could not start or failed, 2 a wrong setting. */
const exitCodes = { stopped: 0, failed: 1, misconfigured: 2 } as const;

/** How long a server without its database may take to say goodbye. */
const GIVE_UP_MS = 1_500;

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) console.log(helpText());
else if (args.includes('--version')) console.log(versionText());
else await run(await readConfig(args));

/** One line that names the setting, and the end. */
async function readConfig(given: readonly string[]): Promise<Config> {
  try {
    const config = loadConfig(process.env, given);
    const fault =
      findTlsFault(config.tlsCertFile, config.tlsKeyFile) ??
      findPathFault(config) ??
      (await findAddressFault(config.host, config.port));
    if (fault !== undefined) throw new ConfigError(fault.setting, fault.problem);
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(exitCodes.misconfigured);
  }
}

async function run(config: Config): Promise<void> {
  const log = createLog({ level: config.logLevel });
  for (const warning of config.warnings) log.warn({}, warning);
  const lifecycle = new Lifecycle(log);
  let server: RunningServer | undefined;
  let ending: Promise<void> | undefined;
  const end = (code: number): void => {
    ending ??= stop(server, lifecycle).finally(() => process.exit(code));
  };
  /** Nothing can be settled any more: what was shown is stored, and the next start closes it. */
  const giveUp = (): void => {
    setTimeout(() => process.exit(exitCodes.failed), GIVE_UP_MS);
    ending ??= lifecycle.close().finally(() => process.exit(exitCodes.failed));
  };
  onSignals(log, () => end(exitCodes.stopped));
  if (config.startedByNpm) {
    onStarterGone(() => {
      log.info({}, 'stopping with the npm that started it');
      end(exitCodes.stopped);
    });
  }
  try {
    log.info({}, 'starting');
    // All of the program: read when it is needed, behind the help, a wrong setting, and the first sign of life.
    const { startServer } = await import('./start.ts');
    server = await startServer(config, log, lifecycle, {
      onFatal(reason) {
        log.fatal({}, reason);
        giveUp();
      },
      onDrained: () => end(exitCodes.stopped),
    });
    const { reloadKeys } = server;
    // A service is told to read its keys again; on a terminal the signal says that the terminal is gone.
    process.on('SIGHUP', () => (process.stdout.isTTY ? end(exitCodes.stopped) : reloadKeys()));
    // For people and for scripts: the one line that is not a log entry.
    if (ending === undefined) console.log(`Tsumugi is ready at ${server.url}`);
  } catch (error) {
    if (ending === undefined)
      console.error(`Tsumugi could not start. ${error instanceof Error ? error.message : String(error)}`);
    log.debug({ error }, 'start failed');
    end(exitCodes.failed);
  }
}

async function stop(server: RunningServer | undefined, lifecycle: Lifecycle): Promise<void> {
  await server?.drain();
  await lifecycle.close();
}

/** The first signal stops in order; the second does not wait. */
function onSignals(log: Log, end: () => void): void {
  let signals = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(exitCodes.failed);
      log.info({ signal }, 'stopping; once more stops without waiting');
      end();
    });
  }
  process.on('unhandledRejection', (error) => log.error({ error }, 'a promise was rejected that nobody waited for'));
}
