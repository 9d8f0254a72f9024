/** The settings for people: what `npm start -- --help` prints, and the table of the README. */
import { readFileSync } from 'node:fs';
import { flagOf } from '../config.ts';
import { type SettingKey, settingGroups } from './settings.ts';

type Described = {
  env: string;
  flag: string;
  says: string;
  shown: string;
  expected: string;
  example: string | undefined;
};

function described(): { title: string; settings: Described[] }[] {
  return settingGroups.map(({ title, settings }) => ({
    title,
    settings: Object.entries(settings).map(([key, setting]) => ({
      env: setting.env,
      flag: flagOf(key as SettingKey),
      says: setting.says,
      shown: setting.defaultText === undefined || setting.defaultText === '' ? 'not set' : setting.defaultText,
      expected: setting.expected,
      example: setting.example,
    })),
  }));
}

export function helpText(): string {
  const groups = described().map(({ title, settings }) => {
    const entries = settings.map(
      ({ env, flag, says, shown, expected, example }) =>
        `  ${env}  (${flag})\n      ${plain(says)}\n      ${upperFirst(expected)}. Default: ${shown}.${example === undefined ? '' : ` Example: ${example}`}`,
    );
    return `${title}\n${entries.join('\n')}`;
  });
  return [
    `Tsumugi ${versionText()}: a self-hosted real-time server for AI companions.`,
    'Usage: npm start [-- --port 8080 --host 0.0.0.0 …]   --help   --version',
    'Each setting is an environment variable or a flag; the flag wins.',
    ...groups,
  ].join('\n\n');
}

export function versionText(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

/** Markdown. `npm run docs:settings` puts it between the marks of the README. */
export function settingsTable(): string {
  const rows = described().flatMap(({ title, settings }) => [
    `| **${title}** | | |`,
    ...settings.map(({ env, says, shown }) => `| \`${env}\` | ${cell(says)} | ${cell(shown)} |`),
  ]);
  return ['| Setting | What it does | Default |', '| --- | --- | --- |', ...rows].join('\n');
}

const plain = (markdown: string): string => markdown.replaceAll('`', '');
const cell = (text: string): string => text.replaceAll('|', '\\|');
const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
