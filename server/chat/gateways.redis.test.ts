import { gatewaysContract } from './testing/gateways.contract.ts';

gatewaysContract('redis');
