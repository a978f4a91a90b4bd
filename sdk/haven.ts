export type * from './config.ts';
export { defineApp } from './define-app.ts';
export type * from './wire.ts';
export { API_PREFIX } from './wire.ts';
