import type { ErrorCode } from '#base/errors';

/** What the journal's thread is started with. */
export interface JournalSettings {
  readonly directory: string;
  /** The file never grows beyond this. */
  readonly limitBytes: number;
}

/** Changes as columns, which cross threads cheaper than one object for each. */
export interface ChangeColumns {
  readonly sequences: number[];
  readonly revisions: number[];
  readonly keys: string[];
  /** `null`: the key was deleted. */
  readonly values: (string | null)[];
  readonly createRevisions: number[];
  readonly versions: number[];
  /** '' for no lease. */
  readonly leases: string[];
}

export function noChanges(): ChangeColumns {
  return { sequences: [], revisions: [], keys: [], values: [], createRevisions: [], versions: [], leases: [] };
}

/** Everything that shares one commit. */
export interface JournalBatch {
  readonly changes: ChangeColumns;
  readonly granted: { readonly id: string; readonly durationMs: number }[];
  readonly endedLeases: string[];
  readonly dropped: number[];
  oldest: number | undefined;
}

/** To the journal's thread. */
export type JournalRequest = { readonly kind: 'write'; readonly batch: JournalBatch } | { readonly kind: 'measure' } | { readonly kind: 'close' };

/** From the journal's thread: `changes` any number of times, then `opened`, then one answer to each request; `failed` ends it. */
export type JournalReply =
  | { readonly kind: 'changes'; readonly changes: ChangeColumns }
  | {
      readonly kind: 'opened';
      readonly oldest: number;
      readonly leases: readonly { readonly id: string; readonly durationMs: number }[];
      readonly roomBytes: number;
    }
  | { readonly kind: 'written'; readonly roomBytes: number | undefined }
  | { readonly kind: 'measured'; readonly roomBytes: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string; readonly details: Readonly<Record<string, unknown>> };
