import { gatewaysContract } from './testing/gateways.contract.ts';

gatewaysContract('postgres');
