import { takeoverContract } from './testing/takeover.contract.ts';

takeoverContract('postgres');
