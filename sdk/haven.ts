export { type ConnectOptions, connect, type DeployOptions, type EventQuery, HavenClient, type LogQuery } from './client.ts';
export type * from './config.ts';
export { defineApp } from './define-app.ts';
export { HavenError } from './haven-error.ts';
export type { CallOptions } from './transport.ts';
export type { Watched, WatchItem } from './watch.ts';
export type * from './wire.ts';
export { API_PREFIX } from './wire.ts';
export type * from './wire-store.ts';
