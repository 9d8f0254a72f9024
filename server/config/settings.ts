/** Every setting there is, described once, by group. A new one gets one entry in its group's file; nothing else reads the environment. */
import { limits } from './groups/limits.ts';
import { model } from './groups/model.ts';
import { operation } from './groups/operation.ts';
import { payments } from './groups/payments.ts';
import { payouts } from './groups/payouts.ts';
import { start } from './groups/start.ts';
import { stores } from './groups/stores.ts';
import type { Setting } from './setting.ts';

/** In the order in which they are shown. */
export const settingGroups = [
  { title: 'Start', settings: start },
  { title: 'Stores and keys', settings: stores },
  { title: 'Model', settings: model },
  { title: 'Payments', settings: payments },
  { title: 'Limits', settings: limits },
  { title: 'Payouts', settings: payouts },
  { title: 'Operation', settings: operation },
] as const;

export const settings = {
  ...start,
  ...stores,
  ...model,
  ...payments,
  ...limits,
  ...payouts,
  ...operation,
};
type Settings = typeof settings;
type ValueOf<S> = S extends Setting<infer T> ? T : never;
export type SettingKey = keyof Settings;
/** Every value, parsed and within its bounds. */
export type SettingValues = {
  readonly [K in SettingKey]: ValueOf<Settings[K]>;
};
