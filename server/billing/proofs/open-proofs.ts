/** Puts the proofs together: keys, files, signer, service. Wiring only. */
import { join } from 'node:path';
import type { Database } from '../../../db/client.ts';
import { FixedMasterKeys, MasterKeyFile, type MasterKeySource } from '../../../db/keys/master-key-source.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { Clock } from '../../clock.ts';
import { CheckpointBucket } from './bucket.ts';
import { CheckpointFiles } from './files.ts';
import { CheckpointKeys } from './keys.ts';
import { ProofService } from './service.ts';
import { CheckpointSigner, type SignerLog } from './signer.ts';

export type ProofSettings = {
  dataDir: string;
  ledgerKeys: string | undefined;
  ledgerKeyFile: string | undefined;
  ledgerOrigin: string;
  ledgerCheckpointDir: string | undefined;
  ledgerCheckpointSeconds: number;
  ledgerBucketUrl: string | undefined;
  ledgerBucketRegion: string;
  ledgerBucketAccessKey: string | undefined;
  ledgerBucketSecretKey: string | undefined;
};
type Parts = {
  config: ProofSettings;
  db: Database;
  runner: TaskRunner;
  clock: Clock;
  log: SignerLog;
  ledger: { readonly led: number[] };
};

export async function openProofs({ config, db, runner, clock, log, ledger }: Parts) {
  const keys = await CheckpointKeys.open(ledgerKeySource(config), config.ledgerOrigin);
  const files = new CheckpointFiles(checkpointFolder(config));
  const everyMs = config.ledgerCheckpointSeconds * 1_000;
  const bucket = openBucket(config, log);
  const copy = bucket === undefined ? undefined : bucket.put.bind(bucket);
  const signer = new CheckpointSigner({ db, runner, keys, files, clock, log, led: () => ledger.led, copy, everyMs });
  const stop = async () => {
    await signer.stop();
    await bucket?.idle();
  };
  return { signer: { start: () => signer.start(), stop }, proofs: new ProofService(db, keys) };
}

function openBucket(config: ProofSettings, log: SignerLog): CheckpointBucket | undefined {
  const { ledgerBucketUrl: url, ledgerBucketRegion: region } = config;
  const { ledgerBucketAccessKey: accessKeyId, ledgerBucketSecretKey: secretAccessKey } = config;
  // Whoever gives a bucket gives both: the configuration has checked it.
  if (url === undefined || accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return new CheckpointBucket({ url, region, accessKeyId, secretAccessKey }, log);
}

/** A given file must be there; the default one is made with a new key. */
export function ledgerKeySource({ dataDir, ledgerKeys, ledgerKeyFile }: ProofSettings): MasterKeySource {
  if (ledgerKeys !== undefined) return new FixedMasterKeys(ledgerKeys);
  const file = new MasterKeyFile(ledgerKeyFile ?? join(dataDir, 'ledger-keys'));
  if (ledgerKeyFile === undefined) file.createIfMissing();
  return file;
}

export function checkpointFolder({ dataDir, ledgerCheckpointDir }: ProofSettings): string {
  return ledgerCheckpointDir ?? join(dataDir, 'ledger-checkpoints');
}
