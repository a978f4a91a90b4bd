/** What happened and why, what instances write, and what is stored for them. */

export interface EventView {
  /** Unique; in the order in which they were written for one object. */
  readonly id: string;
  /** `app/shop`, `service/shop/web`, `instance/shop.web.2-7`, `node/worker-1`, `gateway/gateway-1` */
  readonly object: string;
  readonly at: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly kind: string;
  readonly message: string;
}

/** One line of GET /v1/events?follow=1. */
export type EventLine = { readonly kind: 'event'; readonly event: EventView } | { readonly kind: 'heartbeat' };

export interface WhyView {
  /** What was asked about, in full: `instance/shop.web.2-7`. */
  readonly object: string;
  /** One word or two: `healthy`, `not placed`. */
  readonly state: string;
  /** Never empty; the nearest cause first. */
  readonly reasons: readonly WhyReason[];
  readonly events: readonly EventView[];
}

export interface WhyReason {
  readonly message: string;
  readonly at?: number;
  /** The smallest change that would help, often a command. */
  readonly next?: string;
}

/** One line of GET /v1/apps/APP/logs. A `notice` tells of an instance that came, went, or cannot be read now. */
export type LogLine =
  | {
      readonly kind: 'line';
      /** `web.2` */
      readonly instance: string;
      readonly id: string;
      readonly node: string;
      /** Which start of the instance wrote it, from 1. */
      readonly attempt: number;
      readonly text: string;
    }
  | { readonly kind: 'notice'; readonly instance: string; readonly id: string; readonly node: string; readonly text: string }
  | { readonly kind: 'heartbeat' };

/** POST /v1/instances/ID/exec */
export interface ExecRequest {
  readonly command: readonly string[];
  /** By default 10 minutes, at most an hour. */
  readonly timeoutMs?: number;
}

/** One line of its answer: a line of standard output or error, without its end; `exit` is the last. No `code`: a signal ended the command. */
export type ExecLine =
  | { readonly kind: 'output'; readonly text: string }
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'exit'; readonly code?: number; readonly signal?: string; readonly reason?: string };

export interface SecretView {
  readonly name: string;
  readonly updatedAt: number;
}

/** PUT /v1/secrets/NAME */
export interface SecretRequest {
  readonly value: string;
}

/** GET /v1/instances/ID/secrets, for the node the instance is placed on. */
export interface InstanceSecretsView {
  readonly values: Readonly<Record<string, string>>;
}

/** PUT /v1/artifacts/sha256-HEX with the bytes as body. */
export interface ArtifactView {
  readonly artifact: string;
  readonly sizeBytes: number;
  /** False: it was there already, and the body was not needed. */
  readonly stored: boolean;
}
