import { failoverContract } from './testing/failover.contract.ts';

failoverContract('postgres');
