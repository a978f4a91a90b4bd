import type { InstanceId } from '#model/instance';

/** Where uploaded files of apps come from. */
export interface ArtifactSource {
  /** The bytes of the archive named `sha256-HEX`. NOT_FOUND if there is none; UNAVAILABLE or TIMEOUT if nobody can say. The caller checks the digest. */
  open(artifact: string, options: { readonly signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
}

/** Where secrets come from. Values are kept in memory only, never on the node's disk. */
export interface SecretSource {
  /** Values by name, all of them, for an instance of this node. NOT_FOUND names one that is missing; UNAVAILABLE or TIMEOUT if nobody can say. */
  read(names: readonly string[], options: { readonly instance: InstanceId; readonly signal: AbortSignal }): Promise<Readonly<Record<string, string>>>;
}

/** Unpacks the archive file at `archivePath` into the new folder `folder`, safely. INVALID or TOO_LARGE names the entry that is refused. */
export type Unpack = (archivePath: string, folder: string, options: { readonly signal: AbortSignal }) => Promise<void>;
