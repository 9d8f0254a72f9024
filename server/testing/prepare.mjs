/**
 * What the tests need of the system and npm does not bring: redis-server and Chromium. Installs them from Debian's packages
 * where that is possible, and says what is missing where it is not. Plain JavaScript, so that any Node runs it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Each: the program's names, where else it may be, and the package that brings it. */
const needed = [
  { programs: ['redis-server', 'valkey-server'], places: [], debian: 'redis-server' },
  {
    programs: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    places: [process.env.CHROMIUM_PATH ?? '', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
    debian: 'chromium',
  },
];

const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/usr/local/bin'];
const isThere = ({ programs, places }) =>
  places.some((place) => place !== '' && existsSync(place)) ||
  programs.some((program) => folders.some((folder) => existsSync(join(folder, program))));

const missing = needed.filter((need) => !isThere(need));
if (missing.length > 0) install(missing.map((need) => need.debian));

function install(packages) {
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const run = (...command) => {
    const [program, ...args] = [...asRoot, ...command];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    return spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
  };
  console.log(`The tests need ${packages.join(' and ')}; installing with apt-get.`);
  const done =
    run('apt-get', 'update', '-qq') && run('apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages);
  if (done && needed.every(isThere)) return;
  console.error(
    `Please install ${packages.join(' and ')} (Debian and Ubuntu: apt-get install ${packages.join(' ')}), then run the tests again.`,
  );
  process.exit(1);
}
