export type * from './wire.ts';
export { API_PREFIX } from './wire.ts';
