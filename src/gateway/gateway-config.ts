import type { Name } from '#base/name';
import type { StoreView } from '#model/store-view';
import type { Address, World } from '#world/world';
import type { HttpsConfig } from './https-routes.ts';
import type { Inheritance, Legacy } from './inheritance.ts';
import type { PublicListener } from './public-listeners.ts';
import type { SuccessorCommand } from './successor.ts';
import type { Challenges } from './tls/acme/challenges.ts';

export interface GatewayOptions {
  /** Processes that serve; 1 where there are at most two cores to share with everything else. */
  readonly workers?: number;
  /** JSON lines in `directory/access-N.log`. */
  readonly accessLog?: boolean;
  /** The same in another folder, which must be there. */
  readonly accessLogDirectory?: string;
  /** How long requests in flight may go on when the gateway stops. */
  readonly drainMs?: number;
  /** Absent: routes for HTTPS are served without it. */
  readonly https?: HttpsConfig;
  /** How long it says that it is not ready before it takes no more connections, so that whoever asks can send clients elsewhere. */
  readonly preDrainMs?: number;
  /** What the process that served before this one left. */
  readonly inheritance?: Inheritance;
  /** What `POST /upgrade` at the admin address does; its result is the answer, its PlatformError the refusal. */
  readonly upgrade?: () => Promise<object>;
  /** Called once when clients are served, with the ports that were taken. */
  readonly onReady?: (addresses: { readonly address: Address; readonly adminAddress: Address }) => void;
  /** Called once before it serves, for what is changed while it runs. */
  readonly onStart?: (controls: GatewayControls) => void;
  /** What `POST /reload` at the admin address does; its result is the answer, its PlatformError the refusal. */
  readonly reload?: () => Promise<object>;
  /** Orders of certificates since the start, by how they ended; absent: none are made. */
  readonly orders?: ReadonlyMap<string, number>;
}

export interface GatewayControls {
  /** Listens for clients on exactly these listeners; tells the addresses that were bound. LOCKED or INVALID if one cannot be had: then nothing has changed. */
  listen(listeners: readonly PublicListener[]): readonly Address[];
  /** Answers exactly these challenges of authorities, in every worker when it resolves. */
  challenge(challenges: Challenges): Promise<void>;
  /** Hands the listeners to a new process; once that one serves, this one drains and ends. If it rejects, nothing has changed. */
  handOver(command: SuccessorCommand & Pick<Legacy, 'secret' | 'names'>): Promise<{ readonly pid: number }>;
}

export interface GatewayConfig {
  readonly world: World;
  readonly view: StoreView;
  readonly name: Name;
  /** Its own folder for the last known routes; made if missing. None: it keeps nothing, because its routes are there whenever it starts. */
  readonly directory?: string;
  readonly address: Address;
  readonly adminAddress: Address;
  readonly options?: GatewayOptions;
  /** Aborting drains and stops it. */
  readonly signal: AbortSignal;
}
